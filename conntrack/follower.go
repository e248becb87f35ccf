package conntrack

import (
	"context"
	"errors"
	"time"
)

// A follower is one call of Changes.
type follower struct {
	ctx    context.Context
	source Source
	queue  Subscription
	cfg    *Config
	match  *matcher
	asking Match // what of match a Source can tell
	naming *naming
	asked  *asked
	limits limits
	flows  flows
	yield  func(Change, error) bool

	round     uint32 // number of the latest reading
	read      int    // flows that the latest reading had
	parked    int    // flows that the kernel's filter leaves out
	absent    int    // flows that the latest reading did not find
	cursor    uint32 // where the next look at parked flows begins
	resync    bool   // notifications were lost since the latest reading began
	congested bool   // they still are: the kernel says so once, and drops until the queue is empty
	settled   bool   // what is still queued is younger than the latest reading
	full      bool   // flows were left out since the latest reading began
	doubts    map[*flow]Entry
	ended     recent        // ends that were told
	reading   bool          // time is taken
	away      time.Duration // the caller's share of it
	answered  uint64        // so many readings had been asked for when the latest began that was told by Read
}

// errStopped says that the caller broke out.
var errStopped = errors.New("stopped")

func (f *follower) run() (err error) {
	if err := f.match.Validate(); err != nil {
		return err
	}
	if err := f.ctx.Err(); err != nil {
		return err
	}
	f.asking = f.match.undivided()
	if f.queue, err = f.source.Subscribe(f.ctx, f.asking); err != nil {
		return err
	}
	defer f.queue.Close()
	news := true // the stream does not tell the whole table yet
	for {
		lost, wasFull, times := f.resync, f.full, f.asked.count()
		cost, err := f.takeReading(lost, times != f.answered)
		if err != nil {
			return err
		}
		news = news || lost || wasFull
		if news && !f.resync && !f.full {
			news = false
			if err := f.emit(Change{Kind: Synced}); err != nil {
				return err
			}
		}
		if err := f.answer(times); err != nil {
			return err
		}
		if err := f.wait(cost, lost); err != nil {
			return err
		}
	}
}

// A reading that took a second is followed by a pause of twelve: with some room for what is not measured, the table costs less than a tenth of
// one processor.
const pollShare = 12

func (f *follower) pause(cost time.Duration) time.Duration {
	return min(max(cost*pollShare, f.naming.poll(f.cfg.Poll)), f.cfg.PollMost)
}

// wait listens until the next reading is due: when somebody asks for it, and after an overrun at once, or, where the reading before was made
// for an overrun as well, when as much time was spent on listening.
func (f *follower) wait(cost time.Duration, again bool) error {
	pause := f.pause(cost)
	if again {
		if err := f.listenFor(f.ctx, min(cost, pause), false); err != nil {
			return err
		}
		pause -= min(cost, pause)
	}
	ctx, done := f.asked.until(f)
	defer done()
	if err := f.listenFor(ctx, pause, true); err != nil {
		return err
	}
	return f.drain()
}

// listenFor works on notifications for so long, or until ctx ends; with untilLost no longer than until some were lost.
func (f *follower) listenFor(ctx context.Context, d time.Duration, untilLost bool) error {
	end := time.Now().Add(d)
	if err := f.drain(); err != nil {
		return err
	}
	if untilLost && f.resync || d <= 0 || ctx.Err() != nil {
		return f.ctx.Err()
	}
	return f.listen(ctx, max(time.Until(end), time.Millisecond), untilLost)
}

// drain works on the notifications that are queued. Those decide about doubts.
func (f *follower) drain() error {
	if err := f.listen(f.ctx, 0, false); err != nil || !f.settled {
		return err
	}
	return f.resolveDoubts()
}

// So many notifications are worked on between two looks at the clock.
const clockEvery = 64

// listen works on notifications as long as Subscription.Notifications waits. However many there are, it ends when the next reading is due. That ctx
// ended is an error where f's own did.
func (f *follower) listen(ctx context.Context, wait time.Duration, untilLost bool) error {
	end := time.Now().Add(max(wait, f.naming.poll(f.cfg.Poll)))
	n := 0
	for note, err := range f.queue.Notifications(ctx, wait) {
		switch {
		case errors.Is(err, ErrOverrun):
			f.resync, f.congested = true, true
			err = f.emit(Change{Kind: Overrun, Lost: true})
		case err == nil:
			err = f.notified(&note)
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			return f.ctx.Err()
		}
		if err != nil {
			return err
		}
		if n++; untilLost && f.resync || n%clockEvery == 0 && time.Now().After(end) {
			return nil
		}
	}
	if wait == 0 {
		f.settled, f.congested = true, false
	}
	return nil
}

func (f *follower) emit(c Change) error {
	var err error
	if c.Entry.Flowtable, err = f.naming.flowtable(f.ctx, &c.Entry); err != nil {
		return err
	}
	if f.reading {
		start := time.Now()
		defer func() { f.away += time.Since(start) }()
	}
	if !f.yield(c, nil) {
		return errStopped
	}
	return nil
}

// get is the flow of e's key; nil if it is not followed.
func (f *follower) get(e *Entry) *flow {
	k := e.Key()
	p := packKey(&k)
	return f.flows.get(&p)
}

// began follows a connection from now on, unless there are too many.
func (f *follower) began(e *Entry) error {
	return f.beganWith(e, Delta{Sent: e.Sent, Received: e.Received})
}

func (f *follower) beganWith(e *Entry, counted Delta) error {
	if f.flows.count >= f.cfg.MaxFlows {
		if f.full {
			return nil
		}
		f.full = true
		return f.emit(Change{Kind: Full, Lost: true})
	}
	k := e.Key()
	p := packKey(&k)
	f.flows.add(&p, e, f.round)
	f.read++
	return f.emit(Change{Kind: New, Entry: *e, Delta: counted})
}

// forget follows a connection no longer.
func (f *follower) forget(fl *flow) {
	if fl.round == f.round {
		f.read--
	}
	f.mark(fl, flowAbsent|flowParked|flowDoubted, false)
	f.flows.remove(fl)
}

// mark sets or clears flags of a flow, and keeps count.
func (f *follower) mark(fl *flow, flags flowFlags, on bool) {
	step := -1
	if on {
		step = 1
	}
	if flags&flowParked != 0 && fl.is(flowParked) != on {
		f.parked += step
	}
	if flags&flowAbsent != 0 && fl.is(flowAbsent) != on {
		f.absent += step
	}
	if flags&flowDoubted != 0 && fl.is(flowDoubted) && !on {
		delete(f.doubts, fl)
	}
	fl.set(flags, on)
}

// update reports the differences between e and what was last reported.
func (f *follower) update(fl *flow, e *Entry) error {
	from, delta := fl.path(), fl.since(e)
	sent, received := fl.counters()
	f.flows.store(fl, e)
	switch {
	case from != e.Path():
		return f.emit(Change{Kind: PathChanged, From: from, Entry: *e, Delta: delta})
	case !sent.same(e.Sent) || !received.same(e.Received):
		return f.emit(Change{Kind: Counted, Entry: *e, Delta: delta})
	}
	return nil
}

// since is what e counted since fl's last report. Where e's counters stand lower they were set back, or are another
// incarnation's: then all that they show is new.
func (fl *flow) since(e *Entry) Delta {
	sent, received := fl.counters()
	if fl.behind(e) {
		return Delta{Sent: e.Sent, Received: e.Received}
	}
	return Delta{Sent: e.Sent.since(sent), Received: e.Received.since(received)}
}

func (fl *flow) behind(e *Entry) bool {
	sent, received := fl.counters()
	return e.Sent.behind(sent) || e.Received.behind(received)
}
