package offload

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// maxStale bounds how often Apply and Check follow others who commit in between.
const maxStale = 10

// Apply commits a plan as one transaction: afterwards all of it is in force, or nothing. It returns the ruleset's generation
// after the commit, or the present one where there was nothing to do.
//
// If others committed since the plan was made, it is looked what they changed: if our tables are as they were, and the plan would come
// out the same, it is committed; else it is refused with an error that matches ErrConflict. Others who go on committing to their own
// tables are followed until ctx ends. What the kernel refuses is an
// *ApplyError. A batch that does not fit the socket matches ErrSendBuffer. A plan with conflicts matches ErrObstructed if Config.Conflicts
// refuses them.
//
// Flows in the fast path that the plan forbids or excludes are evicted, because they would meet none of its rules; Victims
// lists them before. An error that matches ErrNotEvicted comes beside the generation: the plan is in force, and flows that it forbids may be in
// the fast path, or are, and are named. The next Apply of that owner evicts them too, even if its plan is empty. What goes on after it was
// evicted is a new connection, of whichever side speaks first: accounts by conntrack.ByInside stay right.
func (m *Manager) Apply(ctx context.Context, plan *ruleset.Plan) (generation uint32, err error) {
	if plan == nil {
		return 0, fmt.Errorf("offload: apply: %w", errNoPlan)
	}
	if err := m.lock(ctx); err != nil {
		return 0, fmt.Errorf("offload: apply: %w", err)
	}
	defer m.unlock()
	if plan.Empty() {
		generation, err := m.nothing(ctx, plan)
		if err == nil && !m.noEvict {
			err = m.evictOwed(ctx, plan.Owner())
		}
		return generation, err
	}
	if m.noEvict {
		_, generation, err := m.commit(ctx, plan)
		return generation, err
	}
	before, err := m.heldFor(ctx, plan)
	if err != nil {
		return 0, m.unprivileged(ctx, plan, err)
	}
	if err := m.warnOfRisks(ctx, plan, before); err != nil {
		return 0, err
	}
	sent, generation, err := m.commit(ctx, plan)
	if err != nil {
		if refused := new(ApplyError); !errors.As(err, &refused) { // it may be in force: its answer was lost
			m.debts.add(plan.Owner(), before)
		}
		return generation, err
	}
	if err := m.evict(ctx, sent, before); err != nil {
		return generation, fmt.Errorf("offload: apply: %w", err)
	}
	return generation, nil
}

// unprivileged asks the kernel what it says of a plan to someone who may not even read the ruleset: that names the operation. Nothing is
// committed, for nobody could tell whom it forbids.
func (m *Manager) unprivileged(ctx context.Context, plan *ruleset.Plan, unread error) error {
	if !errors.Is(unread, fs.ErrPermission) {
		return unread
	}
	_, err := m.send(ctx, "apply", plan, softBatch, m.kernel.Check)
	return cmp.Or(err, unread)
}

// commit sends a plan as one transaction. It returns the plan that was sent last, and the generation after it.
func (m *Manager) commit(ctx context.Context, plan *ruleset.Plan) (sent *ruleset.Plan, generation uint32, err error) {
	began := time.Now()
	if m.conflicts == ConflictsRefuse {
		if plan, err = m.lookAround(ctx, plan); err != nil {
			return plan, 0, err
		}
	}
	plan, accounting := m.rememberAccounting(ctx, plan)
	var batch *ruleset.Batch
	var echoes []ruleset.Message
	sent, err = m.send(ctx, "apply", plan, m.batchOf, func(ctx context.Context, b *ruleset.Batch) (err error) {
		batch = b
		echoes, err = m.kernel.Commit(ctx, b)
		return err
	})
	switch {
	case err == nil:
		m.follow(ctx, sent, batch, echoes)
		generation, err = m.applied(ctx, sent, began)
	case isUnknown(err):
		generation, err = m.settle(ctx, sent)
	}
	if err == nil {
		m.drivers.stepped()
	}
	if err == nil && accounting != "" {
		m.memory.rememberAccounting(plan.Owner(), accounting)
	}
	return sent, generation, err
}

// nothing makes sure that a plan without operations still is the plan.
func (m *Manager) nothing(ctx context.Context, plan *ruleset.Plan) (uint32, error) {
	have, err := m.load(ctx, plan.Owner())
	if err != nil {
		return 0, err
	}
	if have.Generation() != plan.Generation() && !inForce(plan, have) {
		return 0, fmt.Errorf("offload: apply: %w (generation %d, now %d): there was nothing to do, now there is; plan again",
			ErrConflict, plan.Generation(), have.Generation())
	}
	return have.Generation(), nil
}

// A batching encodes a plan, or what of it may be sent.
type batching func(*ruleset.Plan) (*ruleset.Batch, error)

func wholeBatch(plan *ruleset.Plan) (*ruleset.Batch, error) { return plan.Batch(nil) }

// send sends a plan, and follows others who commit in between. While they leave our tables alone the batch is sent again as it is, for
// the generation that it has by then, until ctx ends; else as long as it stays the same plan. It returns the one that was sent last.
func (m *Manager) send(ctx context.Context, doing string, plan *ruleset.Plan, batchOf batching, send func(context.Context, *ruleset.Batch) error) (*ruleset.Plan, error) {
	batch, err := batchOf(plan)
	if err != nil {
		return plan, fmt.Errorf("offload: %s: %w", doing, err)
	}
	rebased := 0
	for n := 0; ; n++ {
		if err = send(ctx, batch); !isStale(err) {
			return plan, m.explain(ctx, doing, batch, err)
		}
		if m.conflicts == ConflictsRefuse && n < maxLooks && doing == "apply" {
			if plan, err = m.lookAround(ctx, plan); err != nil {
				return plan, err
			}
		}
		fresh, again, err := m.again(ctx, plan, batch)
		if err == nil && fresh == nil {
			if rebased++; rebased == maxStale {
				return plan, fmt.Errorf("offload: %s: %w: others committed %d times in between; nothing was changed, plan again when they are done",
					doing, ErrConflict, maxStale)
			}
			fresh, again, err = m.rebase(ctx, doing, plan, batch, batchOf)
		}
		if err != nil {
			return plan, err
		}
		plan, batch = fresh, again
		if err := pause(ctx, time.Duration(max(0, min(n, maxHurry)-2))*time.Millisecond); err != nil {
			return plan, fmt.Errorf("offload: %s: others committed %d times in between, nothing was changed: %w", doing, n+1, err)
		}
	}
}

const (
	// maxHurry is for the pause before a batch is sent again: at first there is none.
	maxHurry = 10
	// maxLooks bounds how often it is looked for conflicts while others commit.
	maxLooks = 2
)

// again is the same plan and batch for the present generation, where others left alone what the plan was made for; else nil.
func (m *Manager) again(ctx context.Context, plan *ruleset.Plan, batch *ruleset.Batch) (*ruleset.Plan, *ruleset.Batch, error) {
	if since, ok := m.unconcerned(ctx, plan); ok {
		if batch, ok := batch.At(since.Generation); ok {
			m.pass(plan, since)
			return plan.At(since.Generation), batch, nil
		}
	}
	have, err := m.load(ctx, plan.Owner())
	if err != nil {
		return nil, nil, err
	}
	fresh, ok := plan.Follow(have)
	if !ok || fresh.Generation() == plan.Generation() { // a kernel that refuses it as too old, and is no younger
		return nil, nil, nil
	}
	batch, ok = batch.At(fresh.Generation())
	if !ok {
		return nil, nil, nil
	}
	return fresh, batch, nil
}

// unconcerned is what was announced since the plan was made, if all of that is nothing to it. Elements that others
// put into our live sets are nothing to most plans, and come as often as answers of a name server.
func (m *Manager) unconcerned(ctx context.Context, plan *ruleset.Plan) (since Changes, ok bool) {
	k, ok := m.kernel.(Selective)
	if !ok || plan.Generation() == 0 {
		return since, false
	}
	since, err := k.ChangedSince(ctx, plan.Generation())
	if err != nil || !since.Known || since.Generation == plan.Generation() {
		return since, false
	}
	for _, t := range since.Tables {
		if !plan.Unconcerned(t.Family, t.Name, t.Shape, t.Rules, t.Sets) {
			return since, false
		}
	}
	return since, true
}

// pass brings what was read last to where the plan is sent again, so that it can be followed over the commit and is not read
// whole again. What is nothing to the plan may have changed what was read all the same: elements of live sets.
func (m *Manager) pass(plan *ruleset.Plan, since Changes) {
	if have := m.memory.get(); have != nil && !m.touches(since, have) {
		m.memory.advance(plan.Generation(), since.Generation, since.shaped())
	}
}

// lookAround is the plan with the conflicts that there are by now; it fails where they refuse it.
func (m *Manager) lookAround(ctx context.Context, plan *ruleset.Plan) (*ruleset.Plan, error) {
	have, err := m.load(ctx, plan.Owner())
	if err != nil {
		return plan, err
	}
	fresh, err := m.withOthers(ctx, plan, have)
	if err != nil {
		return plan, err
	}
	if err := m.obstructed(fresh); err != nil {
		return plan, fmt.Errorf("offload: apply: %w", err)
	}
	return fresh, nil
}

// applied tells the generation after a commit. A commit moves the generation by one, and the kernel took the batch because
// it stood where the plan says.
func (m *Manager) applied(ctx context.Context, plan *ruleset.Plan, began time.Time) (uint32, error) {
	generation := next(plan.Generation())
	if plan.Generation() == 0 {
		have, err := m.load(ctx, plan.Owner())
		if err != nil {
			return 0, fmt.Errorf("%w; the plan is applied, only its generation is not known", err)
		}
		generation = have.Generation()
	}
	m.log.InfoContext(ctx, "applied", "owner", plan.Owner(), "because", triggerOf(ctx), "took", time.Since(began), "operations", len(plan.Operations()), "generation", generation,
		"disruptive", plan.Disruptive(), "plan", audited{plan})
	return generation, nil
}

// follow brings what was read last forward, where the kernel's echoes say enough, or where flowtables alone changed; else it is read
// again when it is asked for.
func (m *Manager) follow(ctx context.Context, plan *ruleset.Plan, batch *ruleset.Batch, echoes []ruleset.Message) {
	have := m.memory.get()
	now, ok := plan.After(have, echoes, next(plan.Generation()))
	if !ok {
		now, ok = plan.AfterCreation(batch, have, echoes, next(plan.Generation()))
	}
	if !ok && plan.MovesDevices() {
		now, ok, _ = plan.AfterMoves(have, m.kernel.Flowtables(ctx), next(plan.Generation()))
	}
	if ok {
		m.memory.keepOurs(now)
	}
}

// next is the generation after one more commit; 0 means none and is skipped (nf_tables_commit).
func next(generation uint32) uint32 {
	if generation++; generation == 0 {
		generation = 1
	}
	return generation
}

// rebase plans again, against what the kernel holds now, and takes the new plan if nobody changed our tables and it does the same.
func (m *Manager) rebase(ctx context.Context, doing string, plan *ruleset.Plan, batch *ruleset.Batch, batchOf batching) (*ruleset.Plan, *ruleset.Batch, error) {
	have, err := m.load(ctx, plan.Owner())
	if err != nil {
		return nil, nil, err
	}
	fresh, err := plan.Rebase(have)
	if err != nil {
		return nil, nil, fmt.Errorf("offload: %s: %w: %w", doing, ErrConflict, err)
	}
	if !plan.SameGround(have) {
		return nil, nil, fmt.Errorf("offload: %s: %w (generation %d, now %d): someone else changed our tables; nothing was changed, plan again",
			doing, ErrConflict, plan.Generation(), have.Generation())
	}
	other, err := batchOf(fresh)
	if err != nil {
		return nil, nil, fmt.Errorf("offload: %s: %w", doing, err)
	}
	if !sameBody(batch.Bytes(), other.Bytes()) {
		return nil, nil, fmt.Errorf("offload: %s: %w (generation %d, now %d), and it would now be another plan; nothing was changed, plan again",
			doing, ErrConflict, plan.Generation(), have.Generation())
	}
	m.log.DebugContext(ctx, "others committed since the plan was made, it stays the same", "generation", have.Generation())
	return fresh, other, nil
}

// sameBody compares two batches without BATCH_BEGIN, which names the generation.
func sameBody(a, b []byte) bool {
	_, a, errA := nlmsg.NextMessage(nlmsg.Native(), a)
	_, b, errB := nlmsg.NextMessage(nlmsg.Native(), b)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// isStale reports that the kernel refused the batch because the generation moved on: ERESTART for BATCH_BEGIN.
func isStale(err error) bool {
	var refused *ruleset.CommitError
	if !errors.As(err, &refused) || len(refused.Refusals) == 0 {
		return false
	}
	first := refused.Refusals[0]
	return first.Message == 0 && first.Errno == erestart
}

// erestart is ERESTART (include/linux/errno.h): the kernel keeps it to itself elsewhere.
const erestart = 85

func isUnknown(err error) bool {
	var refused *ruleset.CommitError
	return errors.As(err, &refused) && refused.Unknown
}
