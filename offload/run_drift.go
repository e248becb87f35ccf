package offload

import (
	"context"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// What was left in force: by which plan, for which machine.
type left struct {
	plan       *ruleset.Plan
	target     *flowtable.Target
	off        bool
	generation uint32
}

// leave remembers what is in force now.
func (r *run) leave(ctx context.Context, now *view) {
	r.left = &left{now.plan, now.target, now.off, r.known}
	r.killed = killed{}
	if now.off {
		r.killed = killedBy(r.held(ctx, PhaseOff), r.owner)
	}
}

// driftOf are the operations that undo what others did to our tables since we left them. That devices came or went is none of it.
func (r *run) driftOf(ctx context.Context, now *view) []string {
	was := r.left
	if was == nil || now.plan.Empty() || was.off != now.off || was.generation == now.plan.Generation() {
		return nil
	}
	have, err := r.m.heldFor(ctx, now.plan)
	if err != nil {
		return nil
	}
	undo, err := was.plan.Rebase(have)
	if err != nil {
		return nil
	}
	moved := movedDevices(was.target, now.target)
	var drift []string
	for _, op := range undo.Operations() {
		if !followsDevices(&op, moved) {
			drift = append(drift, op.String())
		}
	}
	return drift
}

// followsDevices reports whether an operation undoes only what the kernel itself did when devices came, went or were renamed.
func followsDevices(op *ruleset.Operation, moved map[string]bool) bool {
	_, devices, ok := op.Flowtable()
	if !ok || op.Verb == ruleset.VerbCreate {
		return false
	}
	for _, d := range devices {
		if !moved[d] {
			return false
		}
	}
	return len(devices) > 0
}

// movedDevices are the names that are not borne by the same device in both.
func movedDevices(was, now *flowtable.Target) map[string]bool {
	before, after := indexes(was), indexes(now)
	moved := map[string]bool{}
	for name, index := range before {
		if after[name] != index {
			moved[name] = true
		}
	}
	for name, index := range after {
		if before[name] != index {
			moved[name] = true
		}
	}
	return moved
}

// indexes are those of a machine's links, by their names.
func indexes(t *flowtable.Target) map[string]int {
	if t == nil {
		return nil
	}
	list := make(map[string]int, len(t.Links))
	for i := range t.Links {
		list[t.Links[i].Name] = t.Links[i].Index
	}
	return list
}
