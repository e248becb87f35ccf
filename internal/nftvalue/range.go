package nftvalue

import (
	"bytes"
	"slices"
)

// A Range is one element of a set: inclusive bounds as the register holds them, in the first bytes of low and high.
type Range struct{ Low, High [16]byte }

// RangeOf is a value as the elements of a named set hold it: those are all in network byte order.
func RangeOf(s Span) Range {
	var r Range
	copy(r.Low[:], s.Low)
	copy(r.High[:], s.High)
	if s.IsNamePrefix() {
		for i := len(s.Low); i < len(r.High); i++ {
			r.High[i] = 0xff
		}
	}
	return r
}

// StartsAtZero reports whether nothing is before the range.
func (r *Range) StartsAtZero() bool { return r.Low == [16]byte{} }

// After is the first value behind the range; open is set if there is none.
func (r *Range) After(length int) (next [16]byte, open bool) {
	next = r.High
	for i := length - 1; i >= 0; i-- {
		next[i]++
		if next[i] != 0 {
			return next, false
		}
	}
	return next, true
}

// SortRanges sorts by the lower bounds, then by the upper ones.
func SortRanges(ranges []Range) {
	if !slices.IsSortedFunc(ranges, CompareRanges) { // those of dumps and of machine-made lists often are
		slices.SortFunc(ranges, CompareRanges)
	}
}

// CompareRanges is their order.
func CompareRanges(a, b Range) int {
	if c := bytes.Compare(a.Low[:], b.Low[:]); c != 0 {
		return c
	}
	return bytes.Compare(a.High[:], b.High[:])
}

// HaveOverlaps reports whether any of sorted ranges share a value.
func HaveOverlaps(ranges []Range) bool {
	for i := 1; i < len(ranges); i++ {
		if bytes.Compare(ranges[i].Low[:], ranges[i-1].High[:]) <= 0 {
			return true
		}
	}
	return false
}

// UniqueRanges leaves repetitions out of sorted ranges, in place.
func UniqueRanges(ranges []Range) []Range { return slices.Compact(ranges) }

// JoinRanges joins sorted ranges that overlap or touch.
func JoinRanges(ranges []Range, length int) []Range {
	joined := ranges[:0]
	for _, r := range ranges {
		if n := len(joined); n > 0 {
			last := &joined[n-1]
			next, open := last.After(length)
			if open || bytes.Compare(r.Low[:], next[:]) <= 0 {
				if bytes.Compare(r.High[:], last.High[:]) > 0 {
					last.High = r.High
				}
				continue
			}
		}
		joined = append(joined, r)
	}
	return joined
}

// IntervalCount is how many elements nft announces: a start and an end for each range, and the gap before the first.
func IntervalCount(ranges []Range) uint32 {
	n := 2 * uint32(len(ranges))
	if !ranges[0].StartsAtZero() {
		n++
	}
	return n
}

// Span is the range as a value of one kind.
func (r *Range) Span(kind Kind, length int) Span {
	s := Span{Low: r.Low[:length], High: r.High[:length]}
	switch {
	case kind == IfName:
		s.Low = bytes.TrimRight(s.Low, "\x00")
		s.Prefix = r.Low != r.High
		s.High = s.Low
	case (kind == IPv4 || kind == IPv6) && r.Low != r.High:
		bits := PrefixLength(s.Low, s.High)
		s.Prefix = bytes.Equal(firstOf(s.Low, bits), s.Low) && bytes.Equal(lastOf(s.Low, bits), s.High)
	}
	return s
}

// firstOf is the first address of a prefix of so many bits.
func firstOf(b []byte, bits int) []byte {
	first := bytes.Clone(b)
	for i := range first {
		keep := min(max(bits-8*i, 0), 8)
		first[i] &= ^byte(0) << (8 - keep)
	}
	return first
}
