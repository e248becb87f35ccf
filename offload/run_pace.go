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
)

// A pace decides when changes are served: the first after quiet at once, in a storm many together.
type pace struct {
	first, last time.Time // of those that were not served yet; a zero first is none
	credit      int
}

// note is for changes that came in between two moments.
func (p *pace) note(first, last time.Time) {
	if first.Sub(p.last) >= quiet {
		p.credit = credit
	}
	p.last = last
	if p.first.IsZero() {
		p.first = first
	}
}

// due is when the changes are to be served; zero is never.
func (p *pace) due() time.Time {
	switch {
	case p.first.IsZero() || p.credit > 0:
		return p.first
	default:
		return earlier(p.last.Add(quiet), p.first.Add(patience))
	}
}

// served says that someone looked, and whether that led to a commit.
func (p *pace) served(committed bool) {
	p.first = time.Time{}
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

// A rate is the commits of the last minute.
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
