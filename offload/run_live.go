package offload

import (
	"context"
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/ruleset"
)

// liveSetsOf are the sets that a Spec declares as live, in its order.
func liveSetsOf(spec *ruleset.Spec) (list []LiveSet) {
	for i := range spec.Tables {
		t := &spec.Tables[i]
		for j := range t.Sets {
			if t.Sets[j].Live {
				list = append(list, LiveSet{spec.Owner, t.Family, t.Name, t.Sets[j].Name}.full())
			}
		}
	}
	return list
}

// withLive is a Spec whose live sets are made with what AddElements put into them. Sets that exist are not changed by it.
func (r *run) withLive(spec *ruleset.Spec) *ruleset.Spec {
	l := &r.m.live
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.len() == 0 {
		return spec
	}
	s := *spec
	s.Tables = slices.Clone(s.Tables)
	for i := range s.Tables {
		t := &s.Tables[i]
		t.Sets = slices.Clone(t.Sets)
		for j := range t.Sets {
			of := l.sets[LiveSet{spec.Owner, t.Family, t.Name, t.Sets[j].Name}.full()]
			if t.Sets[j].Live && of != nil {
				t.Sets[j] = of.list.Into(t.Sets[j])
			}
		}
	}
	return &s
}

// lookAtLive compares what is remembered of live sets with what the kernel holds: what others deleted from a set that stays is forgotten.
func (r *run) lookAtLive(ctx context.Context, have *ruleset.Loaded) {
	live := liveSetsOf(r.spec)
	r.m.live.keepOnly(r.owner, live)
	for _, set := range live {
		held, at := findSet(have, set)
		if removed := r.m.live.look(set, held, at, have.Generation()); removed > 0 {
			r.m.log.WarnContext(ctx, "others deleted elements of a live set, which are not put back", "owner", r.owner, "table", set.Table, "set", set.Set, "elements", removed)
		}
	}
}

func (l *liveSets) look(set LiveSet, held *ruleset.LoadedSet, at identity, generation uint32) (removed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of(set)
	if held == nil {
		s.status.Missing = s.list.Len()
		return 0
	}
	if at != s.at || s.anew {
		s.status.Missing = s.list.Uncovered(held)
		return 0
	}
	if later(s.generation, generation) { // what was read is older than what is remembered
		return 0
	}
	removed = s.list.Retain(held)
	s.status.Missing, s.held = 0, held.Len()
	s.status.Removed += removed
	return removed
}

// keepLive puts back what AddElements had put into live sets that were made anew. Where the Run made them itself, its plan has done so. It reports whether the
// Run is frozen instead.
func (r *run) keepLive(ctx context.Context, now *view) (frozen bool, err error) {
	for _, set := range liveSetsOf(r.spec) {
		have, err := r.m.load(ctx, r.owner)
		if err != nil {
			return false, err
		}
		held, at := findSet(have, set)
		missing, known := r.m.live.missing(set, held, at)
		if held == nil || known {
			continue
		}
		if len(missing) > 0 {
			if r.freeze(ctx, now) {
				return true, nil
			}
			generation, err := r.m.changeElements(ctx, ruleset.VerbAdd, set, missing, func(*ruleset.Loaded) {})
			if generation == 0 {
				return false, err
			}
			r.count(generation, true)
			r.leave(ctx, now)
			if err != nil {
				return false, err // ErrNotEvicted: the next look goes on from here
			}
			if have, err = r.m.load(ctx, r.owner); err != nil {
				return false, err
			}
			held, at = findSet(have, set)
		}
		if held == nil {
			return false, ErrConflict // it is gone again
		}
		if s := r.m.live.found(set, held, at, have.Generation()); s.Anew > 0 {
			r.m.log.WarnContext(ctx, "a live set was made anew", "owner", r.owner, "table", set.Table, "set", set.Set, "put back", s.PutBack, "lost", s.Lost)
		}
	}
	return false, nil
}

// missing are the elements that a set lacks. It is known if it is the one that was looked at last.
func (l *liveSets) missing(set LiveSet, held *ruleset.LoadedSet, at identity) (words []string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of(set)
	if held == nil || s.at == at && !s.anew {
		return nil, held != nil
	}
	return s.list.Missing(held), false
}

// found says that a set which was not known, or was made anew, holds what it can of what is remembered.
func (l *liveSets) found(set LiveSet, held *ruleset.LoadedSet, at identity, generation uint32) LiveSetStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of(set)
	s.status.Missing = s.list.Uncovered(held)
	if (s.at != identity{}) {
		s.status.Anew++
		s.status.At, s.status.PutBack, s.status.Lost = time.Now(), s.list.Len()-s.status.Missing, max(0, s.held-held.Len())
	}
	s.at, s.anew, s.generation, s.held = at, false, generation, held.Len()
	return s.status
}

// liveStatuses are those of the sets that there is something to tell of, in the Spec's order.
func (r *run) liveStatuses() (list []LiveSetStatus) {
	l := &r.m.live
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, set := range liveSetsOf(r.spec) {
		s := l.sets[set]
		if s == nil {
			continue
		}
		status := s.status
		status.Remembered = s.list.Len()
		if status.Remembered+status.Unremembered+status.Anew+status.Removed > 0 {
			list = append(list, status)
		}
	}
	return list
}
