package conntrack

import (
	"errors"
	"io/fs"
	"time"
)

// notified works on one notification. Notifications that were queued while the table was read may be older than the reading:
// until the queue was empty once (settled), they are believed only where the reading cannot contradict them.
func (f *follower) notified(n *Notification) error {
	fl := f.get(&n.Entry)
	switch {
	case n.Kind == NotifyDestroy && fl == nil:
		return f.cameAndWent(&n.Entry)
	case n.Kind == NotifyDestroy:
		return f.finished(fl, &n.Entry)
	case fl == nil:
		if !f.match.matches(&n.Entry) {
			return nil
		}
		return f.began(&n.Entry)
	case n.Kind == NotifyNew && fl.is(flowDoubted):
		doubt := f.doubts[fl]
		return f.restarted(fl, &doubt)
	case n.Kind == NotifyNew && f.settled:
		return f.restarted(fl, &n.Entry)
	case n.Kind == NotifyNew:
		return nil // the reading was first to see it
	}
	return f.changed(fl, &n.Entry)
}

// cameAndWent reports a connection whose beginning was not seen, or which did not match until its last message.
func (f *follower) cameAndWent(e *Entry) error {
	k := e.Key()
	p := packKey(&k)
	if !f.match.matches(e) || f.ended.again(&p, e) {
		return nil
	}
	f.ended.told(&p, e)
	if err := f.emit(Change{Kind: New, Entry: e.uncounted()}); err != nil {
		return err
	}
	return f.emit(Change{Kind: Destroyed, Entry: *e, Delta: Delta{Sent: e.Sent, Received: e.Received}})
}

// finished reports the end, and a last step between paths if the message shows one. If the reading had
// another incarnation's counters, that one begins now.
func (f *follower) finished(fl *flow, e *Entry) error {
	doubt, doubted := f.doubts[fl]
	f.ended.told(&fl.key, e)
	final := f.merge(fl, e)
	behind := fl.behind(&final)
	if doubted && behind {
		doubted = false
		f.mark(fl, flowDoubted, false)
		if err := f.update(fl, &doubt); err != nil { // the counters were set back, and then it ended
			return err
		}
		final = f.merge(fl, e)
		behind = false
	}
	if from := fl.path(); from != final.Path() {
		moved := f.flows.entry(fl)
		moved.Status = final.Status
		if err := f.emit(Change{Kind: PathChanged, From: from, Entry: moved}); err != nil {
			return err
		}
	}
	if behind && !f.settled {
		return f.replaced(fl, &final)
	}
	delta := fl.since(&final)
	f.forget(fl)
	if err := f.emit(Change{Kind: Destroyed, Entry: final, Delta: delta}); err != nil {
		return err
	}
	if doubted && f.match.matches(&doubt) {
		return f.began(&doubt)
	}
	return nil
}

// replaced reports the end of a connection whose key the latest reading already found with another one, that had counted more. What was then
// taken for the first one's counts, and was not, is left out of what the second one has counted until now.
func (f *follower) replaced(fl *flow, final *Entry) error {
	next := f.flows.entry(fl)
	f.forget(fl)
	err := f.emit(Change{Kind: Destroyed, Entry: *final, Delta: Delta{final.Sent.beyond(next.Sent), final.Received.beyond(next.Received)}})
	if err != nil || !f.match.matches(&next) {
		return err
	}
	return f.beganWith(&next, Delta{final.Sent.atMost(next.Sent), final.Received.atMost(next.Received)})
}

// restarted reports an end that was not announced, and the next incarnation: connections that began before anybody listened
// send no message when they end.
func (f *follower) restarted(fl *flow, e *Entry) error {
	if err := f.vanished(fl); err != nil || !f.match.matches(e) {
		return err
	}
	return f.began(e)
}

// changed works on an update. Where it shows another path, and may be older than the reading or only have lost its tag, the kernel is asked.
func (f *follower) changed(fl *flow, e *Entry) error {
	e.Untagged = untaggedStill(fl, e)
	if e.Path() == fl.path() || f.settled && !(f.cfg.LosesTags && e.Path() == Slow) {
		merged := f.merge(fl, e)
		return f.update(fl, &merged)
	}
	f.settled = false // what is queued may be older than the answer
	key := fl.key.key()
	now, err := f.source.Lookup(f.ctx, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // its end is queued
	case err != nil:
		return err
	case now.Key() != key:
		return nil
	}
	return f.observed(&now, false)
}

// untaggedStill reports whether a notification, which does not tell what holds a connection, leaves it as Unknown as it was.
func untaggedStill(fl *flow, e *Entry) bool { return fl.path() == Unknown && e.Status.Path() == Slow }

// merge adds what notifications lack and readings have.
func (f *follower) merge(fl *flow, e *Entry) Entry {
	m := *e
	m.Untagged = untaggedStill(fl, e)
	sent, received := fl.counters()
	if !m.Sent.OK {
		m.Sent = sent
	}
	if !m.Received.OK {
		m.Received = received
	}
	if m.Start.IsZero() && fl.start != 0 {
		m.Start = time.Unix(0, fl.start).UTC()
	}
	if m.Use == 0 {
		m.Use = fl.use
	}
	if m.Helper == "" {
		m.Helper = f.flows.helpers[fl.helper]
	}
	return m
}

// uncounted is e as it would have been announced when it began.
func (e *Entry) uncounted() Entry {
	u := *e
	u.Sent, u.Received = Counters{}, Counters{}
	u.Event, u.Stop = e.Start, time.Time{}
	return u
}
