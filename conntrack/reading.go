package conntrack

import (
	"errors"
	"io/fs"
)

// More flows than this are not looked up one by one: the whole table is read first.
const manyLookups = 256

// read reads the table once: what matches by a filtered dump, and then what is followed and was not in it.
func (f *follower) read() error {
	f.round++
	f.resync, f.settled = f.congested, false
	if err := f.dump(f.match, true); err != nil {
		return err
	}
	if err := f.listen(0); err != nil { // ends that are announced need no lookup
		return err
	}
	if err := f.resolveDoubts(); err != nil {
		return err
	}
	rest := f.flows.unread(f.round)
	if len(rest) > manyLookups {
		if err := f.dump(Match{}, false); err != nil {
			return err
		}
		rest = f.flows.unread(f.round)
	}
	for _, fl := range rest {
		if err := f.revisit(fl); err != nil {
			return err
		}
	}
	return nil
}

// dump works on each entry of one dump; without news, on those that are followed already.
func (f *follower) dump(m Match, news bool) error {
	f.settled = false
	for e, err := range f.source.Dump(f.ctx, m) {
		if err != nil {
			return err
		}
		if err := f.observed(&e, news); err != nil {
			return err
		}
	}
	return f.ctx.Err()
}

// observed compares an entry that was read with what was reported of it.
func (f *follower) observed(e *Entry, news bool) error {
	fl := f.flows.get(e)
	switch {
	case fl == nil && (!news || !f.match.Matches(e)):
		return nil
	case fl == nil:
		return f.began(e)
	}
	fl.round, fl.absent = f.round, false
	if fl.behind(e) {
		fl.doubted, fl.doubt = true, *e
		return nil
	}
	fl.doubted = false
	return f.update(fl, e)
}

// revisit looks for a flow that the dump did not have: it went back to slow, ended, or was overlooked by the kernel. An end is
// reported at the second failure, because the notification of it, with the final counters, may still be on its way.
func (f *follower) revisit(fl *flow) error {
	if !f.flows.still(fl) || fl.round == f.round {
		return nil
	}
	f.settled = false
	e, err := f.source.Lookup(f.ctx, fl.entry.Key())
	switch {
	case err == nil && e.Key() == fl.entry.Key():
		return f.observed(&e, false)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case !fl.absent:
		fl.absent = true
		return nil
	}
	f.flows.remove(fl)
	return f.emit(Change{Kind: Destroyed, Lost: true, Entry: fl.entry})
}

// resolveDoubts decides about counters that went backwards and whose flow was not announced as destroyed meanwhile: they
// were set back.
func (f *follower) resolveDoubts() error {
	for _, fl := range f.flows.inDoubt() {
		fl.doubted = false
		if err := f.update(fl, &fl.doubt); err != nil {
			return err
		}
	}
	return nil
}

// began follows a connection from now on.
func (f *follower) began(e *Entry) error {
	f.flows.add(*e, f.round)
	return f.emit(Change{Kind: New, Entry: *e, Delta: Delta{Sent: e.Sent, Received: e.Received}})
}

// update reports the differences between e and what was last reported.
func (f *follower) update(fl *flow, e *Entry) error {
	old := fl.entry
	c := Change{Entry: *e, Delta: fl.since(e)}
	fl.entry = *e
	switch {
	case old.Path() != e.Path():
		c.Kind, c.From = PathChanged, old.Path()
	case !old.Sent.same(e.Sent) || !old.Received.same(e.Received):
		c.Kind = Counted
	default:
		return nil
	}
	return f.emit(c)
}

// since is what e counted since fl's last report. Where e's counters stand lower they were set back, or are another
// incarnation's: then all that they show is new.
func (fl *flow) since(e *Entry) Delta {
	if fl.behind(e) {
		return Delta{Sent: e.Sent, Received: e.Received}
	}
	return Delta{Sent: e.Sent.since(fl.entry.Sent), Received: e.Received.since(fl.entry.Received)}
}

func (fl *flow) behind(e *Entry) bool {
	return e.Sent.behind(fl.entry.Sent) || e.Received.behind(fl.entry.Received)
}
