package offload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/ruleset"
)

// Off is the kill switch: it drains the fast path of an owner's tables ("" is ruleset.DefaultOwner) to the classic path and keeps the rest of
// the ruleset, with its handles. It needs no Spec: flowtables are deleted, and rules are cut at `flow add`, as the kernel holds them, in one
// transaction. No connection breaks; the kernel takes all flows out of a flowtable that it deletes.
//
// The transaction leaves a mark in the kernel, an empty table fastpath_off_*, which stands until On, or until the namespace ends, whichever
// process looks. Where `nft flush ruleset` takes it with the tables, a Run that is under way makes it again. While it stands Plan, Reconcile and Run leave the flowtables of that owner's Spec out (Spec.WithoutFlowtables), and
// say so in the plan's warnings. A plan from before, applied now, is refused with ErrConflict. Off twice changes nothing.
//
// A change that waits for its confirmation is no longer taken back by its watchdog if it has flowtables, for the tables are not as it
// left them: confirm it, or apply what was there before. One that is taken back while the mark stands comes without its flowtables.
//
// An owner who has nothing in the namespace can be switched off, too: what comes later comes without flowtables. So a name that is spelled wrong
// is no error; Owners tells who is there.
func (m *Manager) Off(ctx context.Context, owner string) error {
	owner = cmp.Or(owner, ruleset.DefaultOwner)
	since := time.Now()
	err := m.turn(ctx, owner, func(have *ruleset.Loaded) (*ruleset.Plan, error) { return planOff(have, owner, since) })
	if err != nil {
		return fmt.Errorf("offload: switch the fast path of %q off: %w", owner, err)
	}
	return nil
}

func planOff(have *ruleset.Loaded, owner string, since time.Time) (*ruleset.Plan, error) {
	return ruleset.SwitchOff(have, owner, since.UTC().Format(time.RFC3339))
}

// PlanOff says what Off would do now, and changes nothing.
func (m *Manager) PlanOff(ctx context.Context, owner string) (*ruleset.Plan, error) {
	owner = cmp.Or(owner, ruleset.DefaultOwner)
	have, err := m.load(ctx, owner)
	if err == nil {
		var plan *ruleset.Plan
		if plan, err = planOff(have, owner, time.Now()); err == nil {
			return plan, nil
		}
	}
	return nil, fmt.Errorf("offload: plan to switch the fast path of %q off: %w", owner, err)
}

// On takes the mark of Off away. The flowtables come back by the next Plan and Apply, or at once where Run is under way, for which it leaves a sign
// that this was meant (a table fastpath_on_*, which Run takes away). On where nothing is off changes nothing.
func (m *Manager) On(ctx context.Context, owner string) error {
	owner = cmp.Or(owner, ruleset.DefaultOwner)
	watched, err := m.isRun(ctx, owner)
	if err == nil {
		since := time.Now().UTC().Format(time.RFC3339)
		err = m.turn(ctx, owner, func(have *ruleset.Loaded) (*ruleset.Plan, error) {
			if watched {
				return ruleset.SwitchOnTelling(have, owner, since)
			}
			return ruleset.SwitchOn(have, owner)
		})
	}
	if err != nil {
		return fmt.Errorf("offload: switch the fast path of %q on: %w", owner, err)
	}
	return nil
}

// isRun reports whether a Run of an owner is under way, of whatever process.
func (m *Manager) isRun(ctx context.Context, owner string) (bool, error) {
	owners, err := m.Owners(ctx)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(owners, func(o Owner) bool { return o.Name == owner && o.Run.Table != "" }), nil
}

// IsOff tells whether the fast path of an owner's tables ("" is ruleset.DefaultOwner) is switched off, and since when.
func (m *Manager) IsOff(ctx context.Context, owner string) (ruleset.Off, bool, error) {
	owner = cmp.Or(owner, ruleset.DefaultOwner)
	have, err := m.load(ctx, owner)
	if err != nil {
		return ruleset.Off{}, false, err
	}
	off, is := have.Off(owner)
	return off, is, nil
}

// turn commits a plan that is made from what the kernel holds, again as long as others change our tables in between, until ctx ends.
// Nothing is evicted: what is offloaded leaves with its flowtable.
func (m *Manager) turn(ctx context.Context, owner string, planOf func(*ruleset.Loaded) (*ruleset.Plan, error)) error {
	if err := m.lock(ctx); err != nil {
		return err
	}
	defer m.unlock()
	for n := 0; ; n++ {
		have, err := m.load(ctx, owner)
		if err != nil {
			return err
		}
		plan, err := planOf(have)
		if err != nil || plan.Empty() {
			return err
		}
		_, _, err = m.commit(ctx, plan)
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if ended := pause(ctx, time.Duration(min(n, maxReplans))*time.Millisecond); ended != nil {
			return fmt.Errorf("%w: %w", ended, err)
		}
	}
}
