package offload

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/internal/runlock"
	"github.com/go-fastpath/fastpath/ruleset"
)

// dump reads the ruleset: of a Selective Kernel what is in the tables of an owner, and of all others the outline.
func (m *Manager) dump(ctx context.Context, owner string) iter.Seq2[ruleset.Message, error] {
	if k, ok := m.kernel.(Selective); ok {
		return k.DumpOf(ctx, m.reads(owner))
	}
	return m.kernel.Dump(ctx)
}

// reads tells which tables are read for an owner: his own, and those of other owners if they may be taken over.
func (m *Manager) reads(owner string) func(ruleset.LoadedTable) bool {
	owner = cmp.Or(owner, ruleset.DefaultOwner)
	return func(t ruleset.LoadedTable) bool { return t.Owner == owner || m.adopt && t.Owner != "" }
}

func noTable(ruleset.LoadedTable) bool { return false }

func anyTable(ruleset.LoadedTable) bool { return true }

// bring brings what was read last to the present generation, if commits since then left alone what it holds; nil if not. Where tables,
// chains or flowtables of others came or went, or did before, those are read.
func (m *Manager) bring(ctx context.Context, k Selective, have *ruleset.Loaded, outlineOld bool) (*ruleset.Loaded, error) {
	for range maxTorn {
		since, err := k.ChangedSince(ctx, have.Generation())
		switch {
		case err != nil:
			return nil, fmt.Errorf("offload: %w", err)
		case since.Generation == have.Generation() && !outlineOld:
			return have, nil
		case m.touches(since, have):
			return nil, nil
		case !outlineOld && !since.shaped():
			return have.At(since.Generation), nil
		}
		now, whole, err := have.WithFrame(k.DumpOf(ctx, noTable))
		if err != nil {
			return nil, fmt.Errorf("offload: %w", err)
		}
		if since, err = k.ChangedSince(ctx, have.Generation()); err != nil {
			return nil, fmt.Errorf("offload: %w", err)
		}
		if m.touches(since, have) || !m.samePicked(have, now) {
			return nil, nil
		}
		if whole {
			return now, nil
		}
	}
	return nil, nil
}

// shaped reports whether tables came or went, or what they hold but for rules and elements.
func (c Changes) shaped() bool {
	return slices.ContainsFunc(c.Tables, func(t TableChange) bool { return t.Shape })
}

// touches reports whether commits may have changed what was read.
func (m *Manager) touches(since Changes, have *ruleset.Loaded) bool {
	if !since.Known {
		return true
	}
	touched := map[string]bool{}
	for _, t := range since.Tables {
		touched[string(t.Family)+" "+t.Name] = true
	}
	picks := m.reads(have.Owner())
	return slices.ContainsFunc(have.Tables(), func(t ruleset.LoadedTable) bool {
		return picks(t) && touched[string(t.Family)+" "+t.Name]
	})
}

// samePicked reports whether the tables that are read for the owner are the same ones.
func (m *Manager) samePicked(have, now *ruleset.Loaded) bool {
	picks := m.reads(have.Owner())
	of := func(l *ruleset.Loaded) []ruleset.LoadedTable {
		return slices.DeleteFunc(l.Tables(), func(t ruleset.LoadedTable) bool { return !picks(t) })
	}
	return now != nil && slices.Equal(of(have), of(now))
}

// loadAll reads what is in everybody's tables.
func (m *Manager) loadAll(ctx context.Context, owner string) (*ruleset.Loaded, error) {
	k, ok := m.kernel.(Selective)
	if !ok {
		return m.load(ctx, owner)
	}
	return m.readWhole(ctx, owner, func() iter.Seq2[ruleset.Message, error] { return k.DumpOf(ctx, anyTable) })
}

// surroundings are what others have, as they were read last.
type surroundings struct {
	others *ruleset.Loaded
	at     uint32        // generation at which they are known to be so
	read   time.Time     // when
	took   time.Duration // how long
}

const (
	// othersPatience bounds the reading of others' tables where nothing depends on it.
	othersPatience = 2 * time.Second
	// leisure is how many times longer than a reading of others' tables the pause behind it is, if that took longer than a
	// glance.
	leisure = 20
	glance  = 50 * time.Millisecond
)

// withOthers is the plan with the conflicts that others' tables make. They are read apart, for they may be many and change often. Where
// conflicts only warn, no plan fails for them, and what was read a moment ago is good enough.
func (m *Manager) withOthers(ctx context.Context, plan *ruleset.Plan, have *ruleset.Loaded) (*ruleset.Plan, error) {
	k, ok := m.kernel.(Selective)
	switch {
	case m.conflicts == ConflictsIgnore:
		return plan.IgnoreConflicts(), nil
	case !ok:
		return plan, nil
	case !plan.MeetsOthers():
		return plan.Beside(nil), nil
	}
	others, err := m.others(ctx, k, have, m.conflicts == ConflictsRefuse)
	if err != nil {
		return nil, err
	}
	return plan.Beside(others), nil
}

// others are the tables of everyone but an owner. Unless they have to be known they are nil, or from before, where they cannot be read.
func (m *Manager) others(ctx context.Context, k Selective, have *ruleset.Loaded, needed bool) (*ruleset.Loaded, error) {
	owner := have.Owner()
	m.around.Lock()
	defer m.around.Unlock()
	s := m.surroundings[owner]
	if s.others != nil {
		if since, err := k.ChangedSince(ctx, s.at); err == nil && harmless(since, owner, s.others, have) {
			s.at = since.Generation
			m.surroundings[owner] = s
			return s.others, nil
		}
		if !needed && s.took > glance && time.Since(s.read) < leisure*s.took {
			return s.others, nil
		}
	}
	began := time.Now()
	reading, cancel := ctx, func() {}
	if !needed {
		reading, cancel = context.WithTimeout(ctx, othersPatience)
	}
	defer cancel()
	all, err := m.readWhole(reading, owner, func() iter.Seq2[ruleset.Message, error] {
		return k.DumpOf(reading, func(t ruleset.LoadedTable) bool { return t.Owner != owner })
	})
	switch {
	case err == nil:
		s = surroundings{others: all, at: all.Generation()}
	case needed || ctx.Err() != nil:
		return nil, fmt.Errorf("offload: read what others have: %w", err)
	default:
		m.log.DebugContext(ctx, "what others have could not be read, conflicts are not looked for", "err", err)
	}
	s.read, s.took = time.Now(), time.Since(began)
	if m.surroundings == nil {
		m.surroundings = map[string]surroundings{}
	}
	m.surroundings[owner] = s
	return s.others, nil
}

// harmless reports whether commits changed nothing of others' but elements and locks, which no conflict depends on. An owner's own tables are
// those of what was read at different times.
func harmless(since Changes, owner string, read ...*ruleset.Loaded) bool {
	ours := map[string]bool{}
	for _, have := range read {
		for _, t := range have.Tables() {
			if t.Owner == owner {
				ours[string(t.Family)+" "+t.Name] = true
			}
		}
	}
	return since.Known && !slices.ContainsFunc(since.Tables, func(t TableChange) bool {
		return (t.Shape || t.Rules) && !ours[string(t.Family)+" "+t.Name] && !runlock.Reserved(t.Name)
	})
}
