package ruleset

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

func (v *validator) checkSets(p place, sets []Set) {
	names := map[string]int{}
	elements := make([][]nftvalue.Range, len(sets))
	for i := range sets {
		path := p.path("sets[" + strconv.Itoa(i) + "]")
		v.add(path+".name", flowtable.CheckReference(sets[i].Name))
		v.unique(names, sets[i].Name, i, path+".name", "set", "sets")
		elements[i] = v.checkElements(path, &sets[i])
	}
	v.elements = append(v.elements, elements)
}

// checkElements gives back the elements, sorted: their order means nothing.
func (v *validator) checkElements(path string, s *Set) []nftvalue.Range {
	kind := kindOf(s.Type)
	if kind == 0 {
		v.add(path+".type", fmt.Errorf(`unknown set type %q; write "ipv4_addr", "ipv6_addr", "inet_service" or "ifname"`, string(s.Type)))
		return nil
	}
	at := func(i int) string { return path + ".elements[" + strconv.Itoa(i) + "]" }
	before := len(v.mistakes)
	defer func() { v.cut(before) }()
	ranges := make([]nftvalue.Range, 0, len(s.Elements))
	for i, word := range s.Elements {
		v.reader.Forget()
		value, err := v.reader.Value(kind, word)
		switch {
		case err != nil:
			v.add(at(i), err)
		case !s.Interval && !value.Single():
			v.add(at(i), fmt.Errorf(`%q is more than one value; set "interval" to true, or list single values`, word))
		default:
			ranges = append(ranges, nftvalue.RangeOf(value))
		}
	}
	nftvalue.SortRanges(ranges)
	if nftvalue.HaveOverlaps(ranges) {
		v.checkOverlaps(s.values(), at)
	}
	return ranges
}

// values are the elements that can be read, as they are listed.
func (s *Set) values() values {
	var all values
	for i, word := range s.Elements {
		if value, err := nftvalue.Parse(kindOf(s.Type), word); err == nil && (s.Interval || value.Single()) {
			all = append(all, newValue(i, word, value))
		}
	}
	return all
}

// A value is a word of a list with its place in it.
type value struct {
	index     int
	word      string
	low, high []byte
}

type values []value

// newValue makes device names comparable: a name stands for itself padded with NULs, a prefix for all names that begin with it.
func newValue(index int, word string, s nftvalue.Span) value {
	return value{index: index, word: word, low: s.Low, high: s.UpperName()}
}

// checkOverlaps refuses values that share anything with an earlier one of the list: the kernel answers EEXIST.
func (v *validator) checkOverlaps(all values, path func(index int) string) {
	slices.SortStableFunc(all, func(a, b value) int {
		if c := bytes.Compare(a.low, b.low); c != 0 {
			return c
		}
		return bytes.Compare(b.high, a.high)
	})
	var clashes [][2]value // first in the list, then the later one
	widest := 0
	for i := 1; i < len(all); i++ {
		if bytes.Compare(all[i].low, all[widest].high) <= 0 {
			clashes = append(clashes, inListOrder(all[widest], all[i]))
		}
		if bytes.Compare(all[i].high, all[widest].high) > 0 {
			widest = i
		}
	}
	slices.SortFunc(clashes, func(a, b [2]value) int { return a[1].index - b[1].index })
	for _, c := range clashes {
		if c[0].word == c[1].word {
			v.add(path(c[1].index), fmt.Errorf("%q is listed twice; remove one", c[1].word))
			continue
		}
		v.add(path(c[1].index), fmt.Errorf("%q overlaps %q; remove one, or write the range that covers both", c[1].word, c[0].word))
	}
}

func inListOrder(a, b value) [2]value {
	if a.index < b.index {
		return [2]value{a, b}
	}
	return [2]value{b, a}
}
