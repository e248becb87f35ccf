package offload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A view is the plan for the machine as it is now, with what is to be told of its devices.
type view struct {
	*planned
	bindings []flowtable.Binding // of what is declared, also where a part of it is left out
	undoes   bool                // the plan undoes what others changed
	lacks    error               // why it could not be applied: the kernel has no flowtables
}

// errAgain asks for another plan.
var errAgain = errors.New("plan again")

// reconcile looks and applies, again where others changed our tables in between or a part was refused.
func (r *run) reconcile(ctx context.Context) error {
	for n := 0; ; n++ {
		err := r.once(ctx)
		switch {
		case errors.Is(err, errAgain): // with less, so it ends
			continue
		case !errors.Is(err, ErrConflict) || errors.Is(err, ErrForeign) || n >= maxReplans:
			return err
		}
		if err := pause(ctx, time.Duration(n)*time.Millisecond); err != nil {
			return err
		}
	}
}

// once is one look and at most one commit.
func (r *run) once(ctx context.Context) error {
	r.seen = nil
	now, err := r.view(ctx)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if changed, err := r.keepOff(ctx, now.have); changed || err != nil {
		return cmp.Or(err, errAgain)
	}
	r.seen = now
	drift := r.driftOf(ctx, now)
	r.noteDrift(drift)
	if now.undoes = len(drift.undo) > 0; now.undoes {
		r.m.log.WarnContext(ctx, "others changed our tables", "owner", r.owner, "repair", drift.undo, "by", drift.by)
	}
	r.known = now.plan.Generation()
	r.lookAtLive(ctx, now.have)
	fresh := r.left == nil
	switch {
	case now.plan.Empty():
		if err := r.evictOwed(ctx, now); err != nil {
			return err
		}
		r.leave(ctx, now)
		return r.done(ctx, now, fresh)
	case r.cfg.Observe:
		now.lacks = r.lacksFlowtables(ctx)
		r.tell(ctx, PhaseObserving, now, now.lacks)
		return nil
	case r.cfg.ReportOnly && now.undoes:
		r.tell(ctx, PhaseDrifted, now, nil)
		return nil
	case now.undoes && r.freeze(ctx, now), !now.undoes && r.gather(ctx, now):
		return nil
	}
	return r.apply(ctx, now, fresh)
}

// lacksFlowtables says why a plan that is only observed could not be applied: the kernel has no flowtables. Who applies hears it from the
// kernel. It is nil where the kernel has them, where none are declared, and where nobody knows.
func (r *run) lacksFlowtables(ctx context.Context) error {
	declares := func(t ruleset.Table) bool { return len(t.Flowtables) > 0 }
	k, ok := r.m.kernel.(Mannered)
	if !ok || !slices.ContainsFunc(r.spec.Tables, declares) {
		return nil
	}
	found, err := k.Manners(ctx)
	if err != nil || !found.Flowtables.Known || found.Flowtables.Yes {
		return nil
	}
	return fmt.Errorf("offload: run: %w (%s), and what is declared cannot be applied. Next: %s", ErrNoFlowtables, found.Flowtables.Evidence, nextNoFlowtables)
}

// view plans, without what was refused lately.
func (r *run) view(ctx context.Context) (*view, error) {
	r.refused.expire(time.Now())
	spec := r.withLive(r.spec)
	full, err := r.m.planNow(ctx, spec)
	if err != nil {
		return nil, err
	}
	v := &view{planned: full, bindings: full.bindings}
	r.refused.forget(full.target)
	if r.refused.nothing() {
		return v, nil
	}
	if v.planned, err = r.m.planNow(ctx, r.refused.without(spec, full.target)); err != nil {
		return nil, err
	}
	v.target = full.target
	r.refused.mark(v.bindings)
	return v, nil
}

// gather puts off a commit that follows the machine, if the last one was a moment ago: subscribers come one after the other.
func (r *run) gather(ctx context.Context, now *view) bool {
	at := r.pace.again()
	if r.left == nil || !time.Now().Before(at) {
		return false
	}
	r.gatherAt = at
	r.tell(ctx, PhaseWorking, now, nil)
	return true
}

// freeze stops a Run that undoes what others change, again and again.
func (r *run) freeze(ctx context.Context, now *view) bool {
	at := time.Now()
	n := r.repairs.within(at)
	if r.cfg.MaxChanges < 0 || n < r.cfg.MaxChanges {
		return false
	}
	r.thawAt = at.Add(time.Minute)
	err := fmt.Errorf("offload: run: %d commits within a minute undid what others changed: %w until %s; find out who changes the tables (Status.Drift, DriftBy), "+
		"or give a new Spec", n, ErrFrozen, r.thawAt.Format(time.TimeOnly))
	r.m.log.ErrorContext(ctx, "frozen", "owner", r.owner, "err", err)
	r.tell(ctx, PhaseFrozen, now, err)
	return true
}

// apply commits the plan. What is refused at a flowtable is left out from now on, for some time.
func (r *run) apply(ctx context.Context, now *view, fresh bool) error {
	r.tell(ctx, PhaseWorking, nil, nil) // the rest is told when it is done: a device waits
	generation, err := r.m.Apply(ctx, now.plan)
	left := err // flows that the plan forbids, while it is in force
	if !errors.Is(err, ErrNotEvicted) {
		left = nil
	}
	if err != nil && left == nil {
		if ctx.Err() == nil && r.m.learnRefusal(err) {
			return errAgain
		}
		if ctx.Err() == nil && r.refused.blame(r.spec, now.target, err) {
			r.m.log.WarnContext(ctx, "left out", "owner", r.owner, "err", err, "retry", r.refused.until)
			return errAgain
		}
		return err
	}
	r.count(generation, now.undoes)
	r.leave(ctx, now)
	if r.m.drivers.planAgain() {
		return errAgain
	}
	if left != nil {
		return left
	}
	return r.done(ctx, now, fresh)
}

// count notes a commit of ours, which undid what others changed or did not.
func (r *run) count(generation uint32, undid bool) {
	if undid {
		r.repairs.add(time.Now())
	}
	r.changes++
	r.known = generation
}

// done is for when the kernel holds what is declared. A Run that only reports others' changes puts nothing back but when its Spec is new to it.
func (r *run) done(ctx context.Context, now *view, fresh bool) error {
	if !r.cfg.Observe && (!r.cfg.ReportOnly || fresh) {
		if frozen, err := r.keepLive(ctx, now); frozen || err != nil {
			return err
		}
	}
	r.tellDone(ctx, now)
	return nil
}

// evictOwed tries again to evict what changes before could not.
func (r *run) evictOwed(ctx context.Context, now *view) error {
	if r.cfg.Observe || len(r.m.debts.of(r.owner)) == 0 {
		return nil
	}
	_, err := r.m.Apply(ctx, now.plan)
	return err
}

// tellDone is for the end of a look after which the kernel holds what it should.
func (r *run) tellDone(ctx context.Context, now *view) {
	switch {
	case now.off:
		r.tell(ctx, PhaseOff, now, nil)
	case !r.refused.nothing():
		r.tell(ctx, PhaseRetrying, now, r.refused.err())
	case r.cfg.Observe:
		r.refused.succeeded()
		r.tell(ctx, PhaseObserving, now, nil)
	default:
		r.refused.succeeded()
		r.tell(ctx, PhaseSteady, now, nil)
	}
}
