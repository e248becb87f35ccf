package offload

import (
	"fmt"

	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/judge"
)

// A part names a table, or a set or flowtable of one.
type part struct {
	family      ruleset.Family
	table, name string
}

// changeOf is what a plan changes, as flows meet it.
func changeOf(plan *ruleset.Plan, before *ruleset.Loaded) (*judge.Change, error) {
	s := surveyOf(plan)
	old, err := judge.Of(before, func(t ruleset.LoadedTable) bool {
		return t.Owner == plan.Owner() || s.tables[part{t.Family, t.Name, ""}]
	})
	if err != nil {
		return nil, fmt.Errorf("read the rules before: %w", err)
	}
	fresh, err := s.after(plan, old)
	if err != nil {
		return nil, fmt.Errorf("read the rules after: %w", err)
	}
	return judge.NewChange(old, fresh, s.leaves), nil
}

// A survey is what a plan's operations touch.
type survey struct {
	tables     map[part]bool // all
	gone       map[part]bool // tables and flowtables that are deleted
	sets       map[part]bool // sets whose elements change
	onlyMember bool          // nothing but elements changes
}

func surveyOf(plan *ruleset.Plan) survey {
	s := survey{map[part]bool{}, map[part]bool{}, map[part]bool{}, true}
	for _, op := range plan.Operations() {
		table := part{op.Family, op.Table, ""}
		s.tables[table] = true
		s.onlyMember = s.onlyMember && op.Kind == ruleset.KindElement
		switch op.Kind {
		case ruleset.KindTable:
			if op.Verb == ruleset.VerbDelete {
				s.gone[table] = true
			}
		case ruleset.KindFlowtable:
			if _, _, some := op.Flowtable(); op.Verb == ruleset.VerbDelete && !some { // and not only some of its devices
				s.gone[part{op.Family, op.Table, op.Name}] = true
			}
		case ruleset.KindSet, ruleset.KindElement:
			s.sets[part{op.Family, op.Table, op.Name}] = true
		}
	}
	return s
}

// after is what the plan leads to. Sets that it does not touch are as before.
func (s *survey) after(plan *ruleset.Plan, old *judge.Ruleset) (*judge.Ruleset, error) {
	if s.onlyMember {
		batch, err := plan.Batch(nil)
		if err != nil {
			return nil, err
		}
		return old.With(batch)
	}
	whole, err := plan.Rebase(nil)
	if err != nil {
		return nil, err
	}
	batch, err := whole.Batch(nil)
	if err != nil {
		return nil, err
	}
	fresh, err := judge.OfBatch(batch)
	if err != nil {
		return nil, err
	}
	fresh.TakeSets(old, func(family ruleset.Family, table, set string) bool { return s.sets[part{family, table, set}] })
	return fresh, nil
}

// leaves reports whether a flowtable is deleted, alone or with its table.
func (s *survey) leaves(family byte, table, flowtable string) bool {
	name := judge.FamilyName(family)
	return s.gone[part{name, table, ""}] || s.gone[part{name, table, flowtable}]
}
