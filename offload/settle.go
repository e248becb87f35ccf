package offload

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-fastpath/fastpath/ruleset"
)

// settle finds out what became of a batch whose answer was lost, from what the kernel holds now.
func (m *Manager) settle(ctx context.Context, plan *ruleset.Plan) (uint32, error) {
	have, err := m.load(ctx, plan.Owner())
	if err != nil {
		return 0, fmt.Errorf("offload: apply: the answer was lost and the kernel cannot be read: %w; "+
			"it is unknown whether the plan is in force, plan again to see", err)
	}
	switch {
	case have.Generation() == plan.Generation():
		return 0, fmt.Errorf("offload: apply: the kernel dropped the batch without an answer; nothing was changed. " +
			"Next: apply again; if it happens again this is a bug, report the text of the batch")
	case have.Generation() == next(plan.Generation()) && inForce(plan, have):
		m.log.WarnContext(ctx, "applied; the kernel's answer was lost, its ruleset shows it", "generation", have.Generation())
		return have.Generation(), nil
	}
	return 0, fmt.Errorf("offload: apply: %w (generation %d, now %d): the kernel's answer was lost, and its ruleset does not show "+
		"whether the plan is in force; plan again to see", ErrConflict, plan.Generation(), have.Generation())
}

// inForce reports whether the tables and flowtables of a kernel show that a plan was committed. A table that is replaced shows
// nothing: the one before had the same name.
func inForce(plan *ruleset.Plan, have *ruleset.Loaded) bool {
	type name struct {
		family ruleset.Family
		table  string
	}
	want := map[name]bool{}
	for _, op := range plan.Operations() {
		if op.Kind == ruleset.KindTable {
			n := name{op.Family, op.Table}
			if _, twice := want[n]; twice {
				return false
			}
			want[n] = op.Verb != ruleset.VerbDelete
		}
		if op.Kind == ruleset.KindFlowtable && op.Verb != ruleset.VerbDelete && !hasFlowtable(have, op) {
			return false
		}
	}
	for table, wanted := range want {
		there := slices.ContainsFunc(have.Tables(), func(t ruleset.LoadedTable) bool {
			return t.Family == table.family && t.Name == table.table && t.Owner == have.Owner()
		})
		if there != wanted {
			return false
		}
	}
	return true
}

func hasFlowtable(have *ruleset.Loaded, op ruleset.Operation) bool {
	return slices.ContainsFunc(have.Flowtables(), func(f ruleset.LoadedFlowtable) bool {
		return f.Family == op.Family && f.Table == op.Table && f.Name == op.Name
	})
}
