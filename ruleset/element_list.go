package ruleset

import (
	"bytes"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// An ElementList remembers elements of one named set, none of which overlap: such as those that somebody put into a live set, to be put in again
// when the set is made anew. Its zero value is empty and takes elements of any type. Not safe for concurrent use.
type ElementList struct {
	typ    SetType
	ranges []nftvalue.Range // sorted
}

// Len is how many there are.
func (l *ElementList) Len() int { return len(l.ranges) }

// Type is that of the elements that were added last; "" if there never were any.
func (l *ElementList) Type() SetType { return l.typ }

// Add adds elements, in nft's spelling. Those that overlap one of them leave the list: a set that took the newer does not hold the older. It is an
// error, and nothing is added, if a word is no value of the type. Another type than before empties the list first.
func (l *ElementList) Add(typ SetType, words ...string) error {
	added, err := rangesOf(typ, words)
	if err != nil {
		return err
	}
	if l.typ != typ {
		*l = ElementList{typ: typ}
	}
	l.ranges = slices.DeleteFunc(l.ranges, func(r nftvalue.Range) bool { return overlapsAny(added, &r) })
	l.ranges = append(l.ranges, added...)
	nftvalue.SortRanges(l.ranges)
	return nil
}

// Remove takes elements out, and returns those that were there. Words that cannot be read are none.
func (l *ElementList) Remove(words ...string) (removed []string) {
	var gone []nftvalue.Range
	for _, word := range words {
		if r, err := rangesOf(l.typ, []string{word}); err == nil {
			gone = append(gone, r...)
		}
	}
	nftvalue.SortRanges(gone)
	left, out := within(l.ranges, gone)
	l.ranges = left
	return l.words(out)
}

// Retain takes out what a set does not hold, and tells how many that were.
func (l *ElementList) Retain(held *LoadedSet) (removed int) {
	missing, there := within(l.ranges, held.ranges)
	if len(missing) > 0 {
		l.ranges = there
	}
	return len(missing)
}

// Missing are the elements that a set lacks and could take: those that overlap what it holds are not among them. A set of another type could take none.
func (l *ElementList) Missing(held *LoadedSet) []string {
	if held.setType() != l.typ {
		return nil
	}
	return l.words(l.besides(held.ranges, held.Flags&nlmsg.SetInterval != 0))
}

// Uncovered is how many elements a set does not hold, alone or as a part of a wider one.
func (l *ElementList) Uncovered(held *LoadedSet) (n int) {
	if held.setType() != l.typ {
		return len(l.ranges)
	}
	for i := range l.ranges {
		r := &l.ranges[i]
		j, _ := slices.BinarySearchFunc(held.ranges, r, endsBefore)
		if j == len(held.ranges) || bytes.Compare(held.ranges[j].Low[:], r.Low[:]) > 0 || bytes.Compare(held.ranges[j].High[:], r.High[:]) < 0 {
			n++
		}
	}
	return n
}

// Into is a set with the elements of the list beside its own, as far as it can take them.
func (l *ElementList) Into(s Set) Set {
	own, err := rangesOf(s.Type, s.Elements)
	if err != nil || s.Type != l.typ {
		return s
	}
	s.Elements = append(slices.Clone(s.Elements), l.words(l.besides(own, s.Interval))...)
	return s
}

// besides are those that overlap none of a sorted list, and that are one value unless intervals can be taken.
func (l *ElementList) besides(held []nftvalue.Range, intervals bool) (list []nftvalue.Range) {
	for i := range l.ranges {
		if r := &l.ranges[i]; !overlapsAny(held, r) && (intervals || r.Low == r.High) {
			list = append(list, *r)
		}
	}
	return list
}

func (l *ElementList) words(ranges []nftvalue.Range) []string {
	kind := kindOf(l.typ)
	_, length, _ := kind.SetType()
	words := make([]string, len(ranges))
	for i := range ranges {
		words[i] = ranges[i].Span(kind, int(length)).Text(kind)
		if n := len(words[i]); kind == nftvalue.IfName && n > 2 {
			words[i] = words[i][1 : n-1] // a Spec has names without quotes
		}
	}
	return words
}

// rangesOf reads elements, and sorts them.
func rangesOf(typ SetType, words []string) ([]nftvalue.Range, error) {
	ranges := make([]nftvalue.Range, 0, len(words))
	for _, word := range words {
		value, err := nftvalue.Parse(kindOf(typ), word)
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, nftvalue.RangeOf(value))
	}
	nftvalue.SortRanges(ranges)
	return nftvalue.UniqueRanges(ranges), nil
}

// overlapsAny reports whether a range shares a value with any of a sorted list without overlaps.
func overlapsAny(sorted []nftvalue.Range, r *nftvalue.Range) bool {
	i, _ := slices.BinarySearchFunc(sorted, r, endsBefore)
	return i < len(sorted) && bytes.Compare(sorted[i].Low[:], r.High[:]) <= 0
}

// endsBefore compares the end of a range of a list with where another begins: the first that does not end before it is the one that may overlap it.
func endsBefore(s nftvalue.Range, r *nftvalue.Range) int { return bytes.Compare(s.High[:], r.Low[:]) }
