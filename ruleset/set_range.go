package ruleset

import (
	"bytes"
	"slices"
)

// A keyRange is one element of a set: inclusive bounds as the register holds them, in the first bytes of low and high.
type keyRange struct{ low, high [16]byte }

// rangeOf is a value as the elements of a named set hold it: those are all in network byte order.
func rangeOf(s span) keyRange {
	var r keyRange
	copy(r.low[:], s.low)
	copy(r.high[:], s.high)
	if s.isNamePrefix() {
		for i := len(s.low); i < len(r.high); i++ {
			r.high[i] = 0xff
		}
	}
	return r
}

// keyRange encodes a span's bounds for a set over a field.
func (e *encoder) keyRange(f *fieldInfo, s span) keyRange {
	if s.isNamePrefix() {
		return rangeOf(s)
	}
	var r keyRange
	copy(r.low[:], e.appendValue(e.scratch[:0], f, s.low))
	copy(r.high[:], e.appendValue(e.scratch[:0], f, s.high))
	return r
}

func (r *keyRange) startsAtZero() bool { return r.low == [16]byte{} }

// after is the first value behind the range; open is set if there is none.
func (r *keyRange) after(length int) (next [16]byte, open bool) {
	next = r.high
	for i := length - 1; i >= 0; i-- {
		next[i]++
		if next[i] != 0 {
			return next, false
		}
	}
	return next, true
}

func sortRanges(ranges []keyRange) {
	if !slices.IsSortedFunc(ranges, compareRanges) { // those of dumps and of machine-made lists often are
		slices.SortFunc(ranges, compareRanges)
	}
}

func compareRanges(a, b keyRange) int {
	if c := bytes.Compare(a.low[:], b.low[:]); c != 0 {
		return c
	}
	return bytes.Compare(a.high[:], b.high[:])
}

// haveOverlaps reports whether any of sorted ranges share a value.
func haveOverlaps(ranges []keyRange) bool {
	for i := 1; i < len(ranges); i++ {
		if bytes.Compare(ranges[i].low[:], ranges[i-1].high[:]) <= 0 {
			return true
		}
	}
	return false
}

func uniqueRanges(ranges []keyRange) []keyRange { return slices.Compact(ranges) }

// joinRanges joins sorted ranges that overlap or touch.
func joinRanges(ranges []keyRange, length int) []keyRange {
	joined := ranges[:0]
	for _, r := range ranges {
		if n := len(joined); n > 0 {
			last := &joined[n-1]
			next, open := last.after(length)
			if open || bytes.Compare(r.low[:], next[:]) <= 0 {
				if bytes.Compare(r.high[:], last.high[:]) > 0 {
					last.high = r.high
				}
				continue
			}
		}
		joined = append(joined, r)
	}
	return joined
}

// intervalCount is how many elements nft announces: a start and an end for each range, and the gap before the first.
func intervalCount(ranges []keyRange) uint32 {
	n := 2 * uint32(len(ranges))
	if !ranges[0].startsAtZero() {
		n++
	}
	return n
}
