package conntrack

import (
	"context"
	"sync"
)

// ReadNow has every Changes of w that is under way read the whole table at once, however long its pause would have been. What that shows comes as
// changes, and then one of kind Read: counters are those that the kernel had when it was asked, or later ones. It is for a monitor that stops and
// books a last reading first.
//
// It returns at once: the reading is done by whoever takes the stream's changes. A stream that lost notifications meanwhile tells Read when another
// reading has made up for that. Several calls before a reading begins are answered by one Read. A Changes that is called later has its first
// reading, and no Read; one that was called before and is not ranged over yet has it behind its first.
func (w *Watcher) ReadNow() { w.asked.ask() }

// asked is how often a reading was asked for, and who waits meanwhile.
type asked struct {
	mu      sync.Mutex
	times   uint64
	waiting map[*follower]context.CancelFunc
}

func (a *asked) ask() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.times++
	for _, wake := range a.waiting {
		wake()
	}
}

func (a *asked) count() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.times
}

// until is f's ctx, which also ends when a reading is asked for that f has not answered. The caller calls done.
func (a *asked) until(f *follower) (ctx context.Context, done func()) {
	ctx, wake := context.WithCancel(f.ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.times != f.answered {
		wake()
	}
	if a.waiting == nil {
		a.waiting = map[*follower]context.CancelFunc{}
	}
	a.waiting[f] = wake
	return ctx, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.waiting, f)
		wake()
	}
}

// answer tells Read when what was asked for is told: all that was queued while the table was read is worked on, and nothing was lost.
func (f *follower) answer(times uint64) error {
	if times == f.answered {
		return nil
	}
	if err := f.drain(); err != nil || !f.settled || f.resync {
		return err
	}
	f.answered = times
	return f.emit(Change{Kind: Read})
}
