package conntrack

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Changes yields a snapshot, every matching connection as New, and then what happens to them, in one ordered stream that ends only with
// ctx, an error, or the caller's break. The match selects connections, not moments: one that matched once is followed until
// it ends, so that its way back to slow is told.
//
// The kernel notifies of beginnings and ends, and those are told at once; the steps between the paths and the counters are seen by
// reading the table every Config.Poll, and what went back and forth between two readings is missed. Notifications that the
// kernel had to drop are a change too, Overrun, followed by the differences that a new reading shows.
//
// Everything happens in the caller's goroutine, between its steps: a slow caller is told late, and of an Overrun if it is too
// slow. An error is the last pair, ctx's own when ctx ended.
func (w *Watcher) Changes(ctx context.Context, m Match) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		f := follower{ctx: ctx, source: w.source, poll: w.cfg.Poll, match: m, flows: newFlows(), yield: yield}
		if err := f.run(); err != nil && !errors.Is(err, errStopped) {
			yield(Change{}, err)
		}
	}
}

// errStopped says that the caller broke out.
var errStopped = errors.New("stopped")

// A follower is one call of Changes.
type follower struct {
	ctx    context.Context
	source Source
	queue  Subscription
	poll   time.Duration
	match  Match
	flows  flows
	yield  func(Change, error) bool

	round     uint32 // number of the latest reading
	resync    bool   // notifications were lost since the latest reading began
	congested bool   // they still are: the kernel says so once, and drops until the queue is empty
	settled   bool   // what is still queued is younger than the latest reading
}

func (f *follower) run() (err error) {
	if err := f.match.Validate(); err != nil {
		return err
	}
	if err := f.ctx.Err(); err != nil {
		return err
	}
	if f.queue, err = f.source.Subscribe(f.ctx, f.match); err != nil {
		return err
	}
	defer f.queue.Close()
	for {
		if err := f.read(); err != nil {
			return err
		}
		if err := f.wait(); err != nil {
			return err
		}
	}
}

// wait listens until the next reading is due: after an overrun, as soon as the queue is empty.
func (f *follower) wait() error {
	if err := f.listen(0); err != nil || f.resync {
		return err
	}
	if err := f.listen(f.poll); err != nil || !f.resync {
		return err
	}
	return f.listen(0)
}

// listen works on notifications for so long; 0 is those that are queued. However many there are, it ends when
// the next reading is due.
func (f *follower) listen(wait time.Duration) error {
	end := time.Now().Add(f.poll)
	for n, err := range f.queue.Notifications(f.ctx, wait) {
		switch {
		case errors.Is(err, ErrOverrun):
			f.resync, f.congested = true, true
			err = f.emit(Change{Kind: Overrun, Lost: true})
		case err == nil:
			err = f.notified(&n)
		}
		if err != nil {
			return err
		}
		if wait > 0 && f.resync || time.Now().After(end) {
			return nil
		}
	}
	if wait == 0 {
		f.settled, f.congested = true, false
	}
	return nil
}

func (f *follower) emit(c Change) error {
	if !f.yield(c, nil) {
		return errStopped
	}
	return nil
}
