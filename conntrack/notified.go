package conntrack

import (
	"errors"
	"io/fs"
)

// notified works on one notification. Notifications that were queued while the table was read may be older than the reading:
// until the queue was empty once (settled), they are believed only where the reading cannot contradict them.
func (f *follower) notified(n *Notification) error {
	fl := f.flows.get(&n.Entry)
	switch {
	case n.Kind == NotifyDestroy && fl == nil:
		return f.cameAndWent(&n.Entry)
	case n.Kind == NotifyDestroy:
		return f.ended(fl, &n.Entry)
	case fl == nil:
		if !f.match.Matches(&n.Entry) {
			return nil
		}
		return f.began(&n.Entry)
	case n.Kind == NotifyNew && fl.doubted:
		return f.restarted(fl, &fl.doubt)
	case n.Kind == NotifyNew && f.settled:
		return f.restarted(fl, &n.Entry)
	case n.Kind == NotifyNew:
		return nil // the reading was first to see it
	}
	return f.changed(fl, &n.Entry)
}

// cameAndWent reports a connection whose beginning was not seen, or which did not match until its last message.
func (f *follower) cameAndWent(e *Entry) error {
	if !f.match.Matches(e) {
		return nil
	}
	if err := f.emit(Change{Kind: New, Entry: e.uncounted()}); err != nil {
		return err
	}
	return f.emit(Change{Kind: Destroyed, Entry: *e, Delta: Delta{Sent: e.Sent, Received: e.Received}})
}

// ended reports the end, and a last step between paths if the message shows one. If the reading had
// another incarnation's counters, that one begins now.
func (f *follower) ended(fl *flow, e *Entry) error {
	final := fl.merge(e)
	behind := fl.behind(&final)
	if fl.doubted && behind {
		fl.doubted = false
		if err := f.update(fl, &fl.doubt); err != nil { // the counters were set back, and then it ended
			return err
		}
		final = fl.merge(e)
		behind = false
	}
	if from := fl.entry.Path(); from != final.Path() {
		moved := fl.entry
		moved.Status = final.Status
		if err := f.emit(Change{Kind: PathChanged, From: from, Entry: moved}); err != nil {
			return err
		}
	}
	c := Change{Kind: Destroyed, Entry: final, Delta: fl.since(&final)}
	if behind && !f.settled {
		c.Delta = Delta{} // the reading already had the next incarnation's counters
	}
	f.flows.remove(fl)
	if err := f.emit(c); err != nil {
		return err
	}
	if fl.doubted && f.match.Matches(&fl.doubt) {
		return f.began(&fl.doubt)
	}
	return nil
}

// restarted reports an end that was not announced, and the next incarnation: connections that began before anybody listened
// send no message when they end.
func (f *follower) restarted(fl *flow, e *Entry) error {
	f.flows.remove(fl)
	if err := f.emit(Change{Kind: Destroyed, Lost: true, Entry: fl.entry}); err != nil || !f.match.Matches(e) {
		return err
	}
	return f.began(e)
}

// changed works on an update. Where it may be older than the reading and shows another path, the kernel is asked.
func (f *follower) changed(fl *flow, e *Entry) error {
	if f.settled || e.Path() == fl.entry.Path() {
		merged := fl.merge(e)
		return f.update(fl, &merged)
	}
	now, err := f.source.Lookup(f.ctx, fl.entry.Key())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // its end is queued
	case err != nil:
		return err
	case now.Key() != fl.entry.Key():
		return nil
	}
	return f.observed(&now, false)
}

// merge adds what notifications lack and readings have.
func (fl *flow) merge(e *Entry) Entry {
	m, old := *e, &fl.entry
	if !m.Sent.OK {
		m.Sent = old.Sent
	}
	if !m.Received.OK {
		m.Received = old.Received
	}
	if m.Start.IsZero() {
		m.Start = old.Start
	}
	if m.Use == 0 {
		m.Use = old.Use
	}
	if m.Helper == "" {
		m.Helper = old.Helper
	}
	return m
}

// uncounted is e as it would have been announced when it began.
func (e *Entry) uncounted() Entry {
	u := *e
	u.Sent, u.Received = Counters{}, Counters{}
	return u
}
