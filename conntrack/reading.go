package conntrack

import (
	"cmp"
	"errors"
	"io/fs"
	"time"
)

// limits bound what a follower does at once. Tests make them small.
type limits struct {
	chunk       int           // flows for which memory is taken at once, a power of two
	keepChunks  int           // of those, how many are kept when nothing is followed
	manyLookups int           // so many flows are looked up one by one, however small the table
	rotation    int           // parked flows that one reading looks up
	doubts      int           // flows whose counters went backwards that wait for what the queue says
	grace       time.Duration // for the notification of an end that a lookup saw first
}

// usualLimits keep 3 MB.
func usualLimits() limits {
	return limits{chunk: chunkSize, keepChunks: 64, manyLookups: 256, rotation: 512, doubts: 4096, grace: 20 * time.Millisecond}
}

// takeReading reads the table once: what matches by a filtered dump, and then what is followed and was not in it. It tells what reading
// cost, without the caller's share. After a loss, and where somebody asked for it, every flow is looked for, and those that ended are told at once.
func (f *follower) takeReading(lost, asked bool) (cost time.Duration, err error) {
	if _, err := f.naming.current(f.ctx, 0); err != nil {
		return 0, err
	}
	f.round++
	f.read = 0
	f.resync, f.settled, f.full = f.congested, false, false
	f.ended.age(time.Now())
	if cost, err = f.timed(func() error { return f.dump(&f.asking, true) }); err != nil {
		return 0, err
	}
	if err := f.drain(); err != nil { // ends that are announced need no lookup
		return 0, err
	}
	seeking, err := f.timed(func() error { return f.seekRest(lost || asked) })
	if err == nil && (lost || asked) && f.absent > 0 {
		err = f.confirmEnds()
	}
	return cost + seeking, err
}

// timed tells how long a step takes, but for what the caller does meanwhile.
func (f *follower) timed(step func() error) (time.Duration, error) {
	start := time.Now()
	f.reading, f.away = true, 0
	err := step()
	f.reading = false
	return time.Since(start) - f.away, err
}

// dump works on each entry of one dump; without news, on those that are followed already.
func (f *follower) dump(m *Match, news bool) error {
	f.settled = false
	var failed error
	err := eachEntry(f.ctx, f.source, m, func(e *Entry) bool {
		failed = f.observed(e, news)
		return failed == nil
	})
	if failed != nil || err != nil {
		return cmp.Or(failed, err)
	}
	return f.ctx.Err()
}

// observed compares an entry that was read with what was reported of it.
func (f *follower) observed(e *Entry, news bool) error {
	fl := f.get(e)
	f.judge(fl, e)
	switch {
	case fl == nil && (!news || !f.match.matches(e)):
		return nil
	case fl == nil:
		return f.began(e)
	}
	if fl.round != f.round {
		fl.round = f.round
		f.read++
	}
	f.mark(fl, flowAbsent|flowDoubted, false)
	f.mark(fl, flowParked, !f.match.inDump(e))
	if fl.behind(e) && len(f.doubts) < f.limits.doubts {
		if f.doubts == nil {
			f.doubts = map[*flow]Entry{}
		}
		f.doubts[fl] = *e
		fl.set(flowDoubted, true)
		return nil
	}
	return f.update(fl, e)
}

// resolveDoubts decides about counters that went backwards and whose flow was not announced as destroyed meanwhile: they
// were set back.
func (f *follower) resolveDoubts() error {
	for fl, e := range f.doubts {
		f.mark(fl, flowDoubted, false)
		if err := f.update(fl, &e); err != nil {
			return err
		}
	}
	return nil
}

// seekRest looks for the flows that the dump did not have: they went back to slow, ended, or were overlooked by the kernel. Of those that
// are known to be outside of the kernel's filter some are looked up in turn, and with all every one.
func (f *follower) seekRest(all bool) error {
	if f.read == f.flows.count {
		return nil
	}
	rest := f.countRest(all)
	if rest > f.limits.manyLookups {
		settings, err := f.source.Settings(f.ctx)
		if err != nil {
			return err
		}
		if 2*rest > settings.Count { // a lookup costs about twice what an entry of a dump does
			if err := f.dump(f.match.lasting(), false); err != nil {
				return err
			}
		}
	}
	for _, fl := range f.flows.from(0) {
		if fl.round == f.round || !all && fl.is(flowParked) {
			continue
		}
		if err := f.revisit(fl); err != nil {
			return err
		}
	}
	return f.seekParked()
}

// countRest counts what seekRest has to look up.
func (f *follower) countRest(all bool) (n int) {
	if all {
		return f.flows.count - f.read
	}
	for _, fl := range f.flows.from(0) {
		if fl.round != f.round && !fl.is(flowParked) {
			n++
		}
	}
	return n
}

// seekParked looks some parked flows up, from where the last reading left off.
func (f *follower) seekParked() error {
	if f.parked == 0 {
		return nil
	}
	n := 0
	for at, fl := range f.flows.from(f.cursor) {
		if fl.round == f.round || !fl.is(flowParked) {
			continue
		}
		if err := f.revisit(fl); err != nil {
			return err
		}
		if n++; n == f.limits.rotation {
			f.cursor = at
			break
		}
	}
	return nil
}

// revisit looks one flow up. An end is reported at the second failure, because the notification of it, with the final counters, may
// still be on its way.
func (f *follower) revisit(fl *flow) error {
	f.settled = false
	e, err := f.source.Lookup(f.ctx, fl.key.key())
	switch {
	case err == nil && e.Key() == fl.key.key():
		return f.observed(&e, false)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case !fl.is(flowAbsent):
		f.mark(fl, flowAbsent, true)
		f.mark(fl, flowParked, false)
		return nil
	}
	return f.vanished(fl)
}

// confirmEnds gives the notifications of ends that were not lost their time, and tells the others.
func (f *follower) confirmEnds() error {
	if err := f.listenFor(f.ctx, f.limits.grace, false); err != nil {
		return err
	}
	for _, fl := range f.flows.from(0) {
		if !fl.is(flowAbsent) {
			continue
		}
		if err := f.revisit(fl); err != nil {
			return err
		}
	}
	return nil
}

// vanished reports an end without the kernel's last message.
func (f *follower) vanished(fl *flow) error {
	e := f.flows.entry(fl)
	f.ended.concluded(&fl.key)
	f.forget(fl)
	return f.emit(Change{Kind: Destroyed, Lost: true, Entry: e})
}
