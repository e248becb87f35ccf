package conntrack

import (
	"context"
	"errors"
	"iter"
)

// Changes yields a snapshot, every matching connection as New, then Synced, and then what happens to them, in one ordered stream that ends
// only with ctx, an error, or the caller's break. The match selects connections, not moments: one that matched once is followed
// until it ends, so that its way back to slow is told.
//
// The kernel notifies of beginnings and ends, and those are told at once; the steps between the paths and the counters are seen by
// reading the table every Config.Poll or less often, and what went back and forth between two readings is missed. The kernel filters
// what is read and what it notifies of as far as it can. Of a connection that matched once and whose status or mark the kernel's filter
// leaves out now, such as a slow one where m asks for software, counters are read in turn with others, 512 at a reading; its last
// ones come with its end.
//
// Notifications that the kernel had to drop are a change too, Overrun, followed by the differences that a new reading shows and by Synced.
//
// Everything happens in the caller's goroutine, between its steps: a slow caller is told late, and of an Overrun if it is too
// slow. A connection that is followed takes less than 200 bytes; see Config.MaxFlows. An error is the last pair, ctx's own when ctx ended.
func (w *Watcher) Changes(ctx context.Context, m Match) iter.Seq2[Change, error] {
	answered := w.asked.count() // ReadNow can be called before the loop begins
	return func(yield func(Change, error) bool) {
		f := w.follow(ctx, m, yield)
		f.answered = answered
		if err := f.run(); err != nil && !errors.Is(err, errStopped) {
			yield(Change{}, err)
		}
	}
}

// follow makes the follower of one stream.
func (w *Watcher) follow(ctx context.Context, m Match, yield func(Change, error) bool) *follower {
	return &follower{
		ctx: ctx, source: w.source, cfg: &w.cfg, naming: w.naming, asked: &w.asked, match: newMatcher(m), limits: w.limits, flows: newFlows(w.limits), ended: newRecent(), yield: yield,
	}
}
