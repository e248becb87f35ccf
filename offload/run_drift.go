package offload

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

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
	r.killed, r.driftOpen = killed{}, nil
	if now.off {
		r.killed = killedBy(r.held(ctx, PhaseOff), r.owner)
	}
}

// A drift is what others did to our tables.
type drift struct {
	undo []string  // the operations that undo it, as Status.Drift
	by   []string  // who that may have been, as Status.DriftBy
	sets []LiveSet // that they wrote elements into, and that plans set right
}

// driftOf is what others did to our tables since we left them. That devices came or went is none of it.
func (r *run) driftOf(ctx context.Context, now *view) (d drift) {
	was := r.left
	if was == nil || now.plan.Empty() || was.off != now.off || was.generation == now.plan.Generation() {
		return d
	}
	have, err := r.m.heldFor(ctx, now.plan)
	if err != nil {
		return d
	}
	undo, err := was.plan.Rebase(have)
	if err != nil {
		return d
	}
	moved := movedDevices(was.target, now.target)
	made := map[LiveSet]bool{} // with their elements, as the sets of whole tables
	for _, op := range undo.Operations() {
		if followsDevices(&op, moved) {
			continue
		}
		d.undo = append(d.undo, op.String())
		set := LiveSet{r.owner, op.Family, op.Table, op.Name}
		switch op.Kind {
		case ruleset.KindTable, ruleset.KindSet:
			made[set] = true
		case ruleset.KindElement:
			if !made[set] && !made[LiveSet{r.owner, op.Family, op.Table, ""}] && !slices.Contains(d.sets, set) {
				d.sets = append(d.sets, set)
			}
		}
	}
	if len(d.undo) > 0 {
		d.by = writersBetween(r.writers, was.generation, now.plan.Generation())
	}
	return d
}

// advice is for sets that others go on to write into, one sentence each.
func (d *drift) advice(spec *ruleset.Spec) (list []string) {
	who := "someone else"
	if len(d.by) > 0 {
		who = strings.Join(d.by, " or ")
	}
	for _, s := range d.sets {
		if declares(spec, s) {
			list = append(list, fmt.Sprintf("set %s %s %s: %s changed its elements, which are set right again, because it is not live; declare it live (Set.Live), or give that program a set of its own",
				s.Family, s.Table, s.Set, who))
		}
	}
	return list
}

// declares reports whether a Spec has a set that is not live.
func declares(spec *ruleset.Spec, set LiveSet) bool {
	return slices.ContainsFunc(spec.Tables, func(t ruleset.Table) bool {
		return t.Name == set.Table && slices.ContainsFunc(t.Sets, func(s ruleset.Set) bool {
			return s.Name == set.Set && !s.Live && LiveSet{spec.Owner, t.Family, t.Name, s.Name}.full() == set.full()
		})
	})
}

// A writer is who committed a change of the ruleset, and the generation that it led to.
type writer struct {
	generation uint32
	name       string // "" is unknown, or this process
}

// maxWriters bounds how many are remembered.
const maxWriters = 16

// latest are the last of some.
func latest(list []writer) []writer { return list[max(0, len(list)-maxWriters):] }

// writersBetween are those that committed after one generation, until another; each once.
func writersBetween(list []writer, after, until uint32) (names []string) {
	for _, w := range list {
		if w.name != "" && later(w.generation, after) && !later(w.generation, until) && !slices.Contains(names, w.name) {
			names = append(names, w.name)
		}
	}
	return names
}

// noteDrift keeps what was found, for the Status. What was found before and is still there is not counted again.
func (r *run) noteDrift(found drift) {
	if len(found.undo) > 0 {
		if !slices.Equal(found.undo, r.driftOpen) {
			r.driftAt = time.Now()
			r.driftCount++
		}
		r.drift = found
	}
	r.driftOpen = found.undo
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
