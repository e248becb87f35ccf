package offload

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/ruleset"
)

// maxEvictions is how often a change looks for flows that have to go: some may have entered the fast path by the rules before, while
// the others were evicted.
const maxEvictions = 3

// evict removes the flows that a plan, which is in force now, forbids or excludes, and those that it strands; then those that earlier
// changes left. What cannot be done now is owed.
func (m *Manager) evict(ctx context.Context, plan *ruleset.Plan, before *ruleset.Loaded) error {
	err := m.evictForbidden(ctx, func() ([]Victim, error) { return m.victims(ctx, plan, before) })
	m.evictStranded(ctx, plan, before)
	if err != nil {
		m.debts.add(plan.Owner(), before)
		return err
	}
	return m.evictOwed(ctx, plan.Owner())
}

// evictForbidden removes flows until a look finds none that has to go.
//
// A connection that is met again under the tuple of one that was evicted began after the change: it met the new rules alone, and if it is in the
// fast path they let it. So it is left alone, whatever the judge has to say, who cannot know all of its packets. What is left in the
// end are connections that the kernel shows and does not delete.
func (m *Manager) evictForbidden(ctx context.Context, look func() ([]Victim, error)) error {
	e := evicting{m: m, gone: map[conntrack.Key]bool{}}
	for range maxEvictions {
		victims, err := look()
		switch {
		case len(victims) == 0 && errors.Is(err, errors.ErrUnsupported):
			return nil
		case err != nil:
			return fmt.Errorf("the plan is in force, but %w: %w", ErrNotEvicted, err)
		}
		if victims = e.older(victims); len(victims) == 0 {
			return nil
		}
		if err := e.remove(ctx, victims); err != nil {
			return fmt.Errorf("the plan is in force, but %w: %w", ErrNotEvicted, err)
		}
	}
	return e.left()
}

// An evicting is the flows of one change on their way out.
type evicting struct {
	m    *Manager
	gone map[conntrack.Key]bool // those that were evicted, as connectionKey has them
	stay []Victim               // those that did not go by the last attempt
}

// connectionKey is a key for all connections of one tuple and zone.
func connectionKey(e *conntrack.Entry) conntrack.Key {
	key := e.Key()
	key.ID = 0
	return key
}

// older are those that are no successors of ones that were evicted.
func (e *evicting) older(victims []Victim) []Victim {
	kept := victims[:0]
	for _, v := range victims {
		if !e.gone[connectionKey(&v.Entry)] {
			kept = append(kept, v)
		}
	}
	return kept
}

func (e *evicting) remove(ctx context.Context, victims []Victim) error {
	w, err := e.m.watcher(ctx)
	if err != nil {
		return err
	}
	entries := make([]conntrack.Entry, len(victims))
	why := make(map[conntrack.Key]string, len(victims))
	for i, v := range victims {
		entries[i] = v.Entry
		why[v.Entry.Key()] = v.Why
		e.m.log.InfoContext(ctx, "evict", "flow", v.Entry.Orig, "because", v.Why)
	}
	removed, err := w.EvictEntries(ctx, entries)
	for i := range removed {
		e.gone[connectionKey(&removed[i])] = true
	}
	e.stay = nil
	var stays *conntrack.StaysError
	if !errors.As(err, &stays) {
		return err
	}
	for _, s := range stays.Entries {
		if s.Path() != conntrack.Slow {
			e.stay = append(e.stay, Victim{conntrack.Victim{Entry: s}, why[s.Key()]})
		}
	}
	return nil
}

// left says which flows are in the fast path still; nil if none is.
func (e *evicting) left() error {
	if len(e.stay) == 0 {
		return nil
	}
	const named = 3
	var texts []string
	for i := range e.stay[:min(named, len(e.stay))] {
		v := &e.stay[i]
		texts = append(texts, fmt.Sprintf("%s %v (%s)", conntrack.ProtocolName(v.Entry.Orig.Proto), v.Entry.Key(), v.Why))
	}
	if more := len(e.stay) - named; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("the plan is in force, but %w: %d times the kernel said that it had none such to delete, and shows %s; next: delete them with `conntrack -D`, by their addresses "+
		"and ports, or apply again", ErrNotEvicted, maxEvictions, strings.Join(texts, "; "))
}
