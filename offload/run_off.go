package offload

import (
	"context"

	"github.com/go-fastpath/fastpath/ruleset"
)

// A killed is the kill switch as a Run saw it last, with the tables that stood beside it, by their handles.
type killed struct {
	off    ruleset.Off // zero is on
	tables map[part]uint64
}

// killedBy reads it.
func killedBy(have *ruleset.Loaded, owner string) killed {
	if have == nil {
		return killed{}
	}
	off, is := have.Off(owner)
	if !is {
		return killed{}
	}
	k := killed{off, map[part]uint64{}}
	for _, t := range have.Tables() {
		if t.Owner == owner {
			k.tables[part{t.Family, t.Name, ""}] = t.Handle
		}
	}
	return k
}

// flushed reports whether the mark went together with all tables that stood beside it: by `nft flush ruleset`, which means the tables.
func (k killed) flushed(have *ruleset.Loaded, owner string) bool {
	if k.off == (ruleset.Off{}) || len(k.tables) == 0 || have.ToldOn(owner) {
		return false
	}
	if _, is := have.Off(owner); is {
		return false
	}
	for _, t := range have.Tables() {
		if h, known := k.tables[part{t.Family, t.Name, ""}]; known && h == t.Handle {
			return false
		}
	}
	return true
}

// keepOff makes the mark of the kill switch again if a flush took it, and takes the sign away that it ended on purpose. It reports whether it
// changed something, so that it is time for another plan.
func (r *run) keepOff(ctx context.Context, have *ruleset.Loaded) (changed bool, err error) {
	if r.cfg.Observe {
		return false, nil
	}
	owner := r.owner
	if r.killed.flushed(have, owner) {
		since := r.killed.off.Since
		err := r.m.turn(ctx, owner, func(now *ruleset.Loaded) (*ruleset.Plan, error) {
			if !r.killed.flushed(now, owner) {
				return ruleset.ForgetOn(now, owner)
			}
			return ruleset.SwitchOff(now, owner, since)
		})
		r.changes++
		r.m.log.ErrorContext(ctx, "a flush took the mark of the kill switch, the fast path stays off; switch it on if that was meant", "owner", owner, "off", since, "err", err)
		return true, err
	}
	if !have.ToldOn(owner) {
		return false, nil
	}
	err = r.m.turn(ctx, owner, func(now *ruleset.Loaded) (*ruleset.Plan, error) { return ruleset.ForgetOn(now, owner) })
	if err == nil {
		r.changes++
		r.killed = killed{}
	}
	return true, err
}
