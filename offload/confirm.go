package offload

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/go-fastpath/fastpath/ruleset"
)

var (
	// ErrUnconfirmed says that a change of the owner's tables waits for its confirmation already. Confirm it, or wait.
	ErrUnconfirmed = errors.New("a change waits for its confirmation")
	// ErrNotUnconfirmed says that no such change waits: it was confirmed or taken back already, or there never was one.
	ErrNotUnconfirmed = ruleset.ErrNotUnconfirmed
	// ErrTablesChanged says that someone else changed the tables after an unconfirmed change, so that it is not taken back.
	ErrTablesChanged = ruleset.ErrTablesChanged
)

// A Pending is a change that is taken back at its time unless it is confirmed. Safe for concurrent use.
type Pending struct {
	m          *Manager
	watch      watch
	how        ruleset.Restoration
	generation uint32
	guard      guard
}

// ApplyConfirm applies a plan as Apply does, and takes it back after the window (at least a second) unless it is confirmed: by
// Pending.Confirm, or from any process by Manager.Confirm. So whoever locks himself out gets in again.
//
// Another process watches over it, which Config.Watchdog starts: the change is also taken back if this one dies, at the window's end. It is
// started before anything is changed, and keeps no descriptor of this one. The change bears a mark in the kernel, a table fastpath_unconfirmed_*, that comes and
// goes with it in one transaction: whoever deletes it first decides, so nothing is ever confirmed and taken back. A Kernel that is
// not this machine's is watched over by a goroutine.
//
// What is taken back is restored from the kernel's own messages. Flowtables that did not change stay, with their flows; those that did
// are made anew, and their flows leave the fast path. Elements of named sets go back too, also those that were changed since. If
// someone else, or another Apply, changed chains or rules of the owner's tables meanwhile, nothing is taken back, and the mark stays.
//
// Errors are those of Apply; they match ErrUnconfirmed if a change of the owner waits already. A plan that could not be taken back is
// refused: one that adopts a table without a mark, or touches one with stateful objects. An empty plan needs no confirmation. After an error that
// comes without a Pending nothing is left of the change or of what watches over it, with one exception: if the kernel's answer was lost and
// the kernel cannot be read, the error says so, and the other process stays until the window's end to take back what there may be.
func (m *Manager) ApplyConfirm(ctx context.Context, plan *ruleset.Plan, window time.Duration) (*Pending, error) {
	switch {
	case plan == nil:
		return nil, fmt.Errorf("offload: apply: %w", errNoPlan)
	case window < time.Second:
		return nil, fmt.Errorf("offload: apply: %v is too short a time to confirm; give at least a second", window)
	case plan.Empty():
		generation, err := m.Apply(ctx, plan)
		return &Pending{m: m, generation: generation}, err
	}
	if err := m.checkGuard(); err != nil {
		return nil, fmt.Errorf("offload: apply with a confirmation: %w; nothing was changed", err)
	}
	p, plan, err := m.prepare(ctx, plan, window)
	if err != nil {
		return nil, fmt.Errorf("offload: apply with a confirmation: %w; nothing was changed", err)
	}
	if p.guard, err = m.startGuard(ctx, &p.watch); err != nil {
		return nil, fmt.Errorf("offload: apply with a confirmation: %w; nothing was changed", err)
	}
	p.generation, err = m.Apply(ctx, plan.MarkUnconfirmed(p.watch.Mark))
	if err != nil && !errors.Is(err, ErrNotEvicted) {
		if err = p.failed(ctx, err); err != nil && !errors.Is(err, ErrNotEvicted) {
			return nil, err
		}
	}
	return p.inForce(ctx, err)
}

// readPatience is for reading what became of a change, also when the caller's time is over.
const readPatience = 10 * time.Second

// failed decides what becomes of the guard of a change that was refused, or of which nobody knows. The error it returns is nil, or matches ErrNotEvicted, if
// the change turns out to be in force.
func (p *Pending) failed(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readPatience)
	defer cancel()
	stands := false
	if errors.Is(err, errUnsettled) {
		have, unread := p.m.load(ctx, p.watch.Mark.Owner)
		if unread != nil {
			p.guard.hangUp()
			return fmt.Errorf("%w; the watchdog stays: if the change is in force it is taken back at %s, unless it is confirmed (Manager.Confirm)", err, p.watch.Mark.Until)
		}
		is, waits := have.Unconfirmed(p.watch.Mark.Owner)
		stands = waits && is == p.watch.Mark
		p.generation = have.Generation()
	}
	switch {
	case !stands:
		p.end(ctx)
		return err
	case p.m.noEvict:
		return nil
	}
	return fmt.Errorf("offload: apply with a confirmation: %w: %w", ErrNotEvicted, err)
}

// end ends the guard of a change that bears no mark.
func (p *Pending) end(ctx context.Context) {
	if !p.guard.release(ctx) {
		p.guard.kill()
	}
}

// inForce tells the guard so. A change that nobody watches over any more is taken back.
func (p *Pending) inForce(ctx context.Context, err error) (*Pending, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readPatience)
	defer cancel()
	have, unread := p.m.load(ctx, p.watch.Mark.Owner)
	if unread == nil {
		p.how.Fingerprint = p.watch.Backup.Fingerprint(have)
	} else {
		p.m.log.WarnContext(ctx, "the change is in force and not confirmed; the watchdog takes it back without looking for others' changes", "err", unread)
	}
	deaf := p.guard.applied(p.how.Fingerprint)
	if deaf == nil {
		return p, err
	}
	if left := p.m.takeBack(ctx, &p.watch, p.how); left != nil && !errors.Is(left, ErrNotEvicted) {
		p.end(ctx)
		return p, errors.Join(fmt.Errorf("offload: apply with a confirmation: %w; the change is in force, and nobody watches over it: "+
			"confirm it, or take it back (Pending.Rollback): %w", deaf, left), err)
	}
	p.end(ctx)
	return nil, fmt.Errorf("offload: apply with a confirmation: %w; the change was taken back", deaf)
}

// prepare makes sure that the plan can be taken back. One that was made without looking is made for what there is, as the way back is.
func (m *Manager) prepare(ctx context.Context, plan *ruleset.Plan, window time.Duration) (*Pending, *ruleset.Plan, error) {
	have, err := m.load(ctx, plan.Owner())
	if err != nil {
		return nil, nil, err
	}
	if plan.Generation() == 0 {
		if plan, err = plan.Rebase(have); err != nil {
			return nil, nil, err
		}
	}
	if is, waits := have.Unconfirmed(plan.Owner()); waits {
		return nil, nil, fmt.Errorf("%w: that of %q, which is taken back at %s; confirm it first, or wait", ErrUnconfirmed, is.Owner, is.Until)
	}
	backup, err := plan.Backup(have)
	if err != nil {
		return nil, nil, err
	}
	if err := m.tryRestore(ctx, backup, have); err != nil {
		return nil, nil, err
	}
	mark := ruleset.Unconfirmed{Owner: plan.Owner(), ID: rand.Text(), Until: time.Now().Add(window).Format(time.RFC3339)}
	p := &Pending{m: m, watch: watch{Mark: mark, Window: window, Backup: backup, Accounting: m.watchAccounting(ctx, plan).before}}
	p.how.Mark = &p.watch.Mark
	return p, plan, nil
}

// tryRestore asks the kernel whether it would take back what it gave.
func (m *Manager) tryRestore(ctx context.Context, backup *ruleset.Backup, have *ruleset.Loaded) error {
	back, err := backup.Restore(have, ruleset.Restoration{All: true})
	if err != nil || back.Empty() {
		return err
	}
	if err := m.lock(ctx); err != nil {
		return err
	}
	defer m.unlock()
	accounting := m.noteAccounting(ctx)
	_, err = m.send(ctx, "try to put back what there is", back, softBatch, m.kernel.Check)
	_, restoreErr := accounting.restore(context.WithoutCancel(ctx))
	return errors.Join(err, restoreErr)
}

// Generation of the ruleset after the change.
func (p *Pending) Generation() uint32 { return p.generation }

// Mark is what the kernel bears of the change: its owner, and when it is taken back. It is zero if there was nothing to do.
func (p *Pending) Mark() ruleset.Unconfirmed { return p.watch.Mark }

// Confirm keeps the change. The error matches ErrNotUnconfirmed if it was taken back, or confirmed, before. It waits for the end of the other
// process, but not longer than ctx: what was confirmed stays so.
func (p *Pending) Confirm(ctx context.Context) error {
	if p.guard == nil {
		return nil
	}
	err := p.m.confirm(ctx, p.watch.Mark)
	switch {
	case err == nil:
		p.end(ctx)
	case errors.Is(err, ErrNotUnconfirmed):
		p.guard.release(ctx)
	}
	return err
}

// Rollback takes the change back at once. The error matches ErrNotUnconfirmed if it was confirmed or taken back before, and
// ErrTablesChanged if someone else changed the tables since: nothing is changed then. It waits as Confirm does.
func (p *Pending) Rollback(ctx context.Context) error {
	if p.guard == nil {
		return nil
	}
	err := p.m.takeBack(ctx, &p.watch, p.how)
	switch {
	case err == nil, errors.Is(err, ErrNotEvicted):
		p.end(ctx)
	case errors.Is(err, ErrNotUnconfirmed):
		p.guard.release(ctx)
	}
	return err
}

// Confirm keeps the change of an owner's tables ("" is ruleset.DefaultOwner) that waits for it, whoever made it. The error
// matches ErrNotUnconfirmed if there is none.
func (m *Manager) Confirm(ctx context.Context, owner string) error {
	owner = cmp.Or(owner, ruleset.DefaultOwner)
	have, err := m.load(ctx, owner)
	if err != nil {
		return err
	}
	mark, waits := have.Unconfirmed(owner)
	if !waits {
		return fmt.Errorf("offload: confirm: %w for the owner %q; it was confirmed or taken back, if there was one", ErrNotUnconfirmed, mark.Owner)
	}
	return m.confirm(ctx, mark)
}

func (m *Manager) confirm(ctx context.Context, mark ruleset.Unconfirmed) error {
	if err := m.turn(ctx, mark.Owner, mark.Confirm); err != nil {
		return fmt.Errorf("offload: confirm: %w", err)
	}
	return nil
}
