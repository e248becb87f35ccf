package offload

import (
	"math/rand/v2"
	"time"
)

// What Run does with changes that follow each other.
const (
	quiet    = 50 * time.Millisecond  // without changes, after which a storm is over
	patience = 700 * time.Millisecond // that the first change waits for the end of a storm
	credit   = 3                      // looks that changes find at once after quiet; one that commits takes them all
	gather   = time.Second            // from a commit to the next that only follows the machine
)

// A pace decides when changes are served: the first after quiet at once, in a storm many together, and those of the machine at most once a second.
type pace struct {
	first, last time.Time // of those that were not served yet; a zero first is none
	rules       bool      // one of them may be of the ruleset
	credit      int
	committed   time.Time // when somebody looked last and that led to a commit
}

// note is for changes that came in between two moments, of the ruleset or of the machine alone.
func (p *pace) note(first, last time.Time, rules bool) {
	if first.Sub(p.last) >= quiet {
		p.credit = credit
	}
	p.last = last
	if p.first.IsZero() {
		p.first = first
	}
	p.rules = p.rules || rules
}

// due is when the changes are to be served; zero is never.
func (p *pace) due() time.Time {
	at := p.first
	if at.IsZero() {
		return at
	}
	if p.credit <= 0 {
		at = earlier(p.last.Add(quiet), p.first.Add(patience))
	}
	if again := p.again(); !p.rules && again.After(at) {
		return again
	}
	return at
}

// again is when the next commit is due that undoes nothing.
func (p *pace) again() time.Time { return p.committed.Add(gather) }

// served says that someone looked, and whether that led to a commit.
func (p *pace) served(now time.Time, committed bool) {
	p.first, p.rules = time.Time{}, false
	if committed {
		p.committed = now
	}
	if p.credit--; committed || p.credit < 0 {
		p.credit = 0
	}
}

// earlier is the earlier of two moments; zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// A backoff is a pause that doubles, with some jitter, so that many machines do not retry together.
type backoff struct {
	shortest, longest time.Duration
	times             int
}

// next is the next pause: between half and all of what it grew to.
func (b *backoff) next() time.Duration {
	d := b.longest
	if b.times < 20 {
		d = min(d, b.shortest<<b.times)
		b.times++
	}
	return d/2 + rand.N(d/2+1)
}

func (b *backoff) reset() { b.times = 0 }

// A rate is what happened in the last minute.
type rate []time.Time

// add counts one more.
func (r *rate) add(now time.Time) { *r = append(*r, now) }

// within counts those of the last minute.
func (r *rate) within(now time.Time) int {
	old := 0
	for old < len(*r) && now.Sub((*r)[old]) >= time.Minute {
		old++
	}
	*r = append((*r)[:0], (*r)[old:]...)
	return len(*r)
}
