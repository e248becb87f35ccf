package ruleset

import (
	"fmt"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// diffSets compares the named sets. One whose type or flags differ is replaced, with the rules that look it up.
func (d *tableDiff) diffSets() {
	declared := map[string]*Set{}
	for i := range d.table.Sets {
		declared[d.table.Sets[i].Name] = &d.table.Sets[i]
	}
	kept := map[string]bool{}
	for _, i := range d.present.sets {
		old := &d.have.sets[i]
		want := declared[old.Name]
		if want == nil {
			d.remove(KindSet, old.Name, "it is not declared", false)
			continue
		}
		if why := setDiffers(old, want); why != "" {
			d.remove(KindSet, old.Name, why+", and a set keeps what it is", false)
			continue
		}
		kept[old.Name] = true
		d.diffElements(old, want)
	}
	for i := range d.table.Sets {
		s := &d.table.Sets[i]
		if kept[s.Name] {
			continue
		}
		d.build = append(d.build, d.operation(VerbAdd, KindSet, s.Name, "it does not exist", s))
		if len(s.Elements) > 0 {
			d.build = append(d.build, d.operation(VerbAdd, KindElement, s.Name, "", wholeSet(s)))
		}
	}
}

// setDiffers says what of a set cannot be changed in place and is not as declared; "" if nothing is.
func setDiffers(old *LoadedSet, want *Set) string {
	typ, length, _ := kindOf(want.Type).setType()
	flags := want.flags()
	switch {
	case old.KeyType != typ || old.KeyLen != length:
		return fmt.Sprintf("its elements are not of type %s", want.Type)
	case old.Flags != flags:
		return fmt.Sprintf("its flags are %#x and not %#x", old.Flags, flags)
	case old.adorned:
		return "it is a map, or its elements time out or carry statements"
	}
	return ""
}

func (s *Set) flags() uint32 {
	if s.Interval {
		return nlmsg.SetInterval
	}
	return 0
}

// diffElements compares the elements one by one: what both hold is not sent. Those of a live set are not ours to plan.
func (d *tableDiff) diffElements(old *LoadedSet, want *Set) {
	if want.Live {
		return
	}
	lost, gained := split(old.ranges, declaredRanges(want), compareRanges)
	if len(lost) > 0 {
		why := fmt.Sprintf("%d of %d are not declared", len(lost), len(old.ranges))
		d.build = append(d.build, d.operation(VerbDelete, KindElement, want.Name, why, &elements{set: want, ranges: lost}))
	}
	if len(gained) > 0 {
		why := fmt.Sprintf("%d are missing", len(gained))
		d.build = append(d.build, d.operation(VerbAdd, KindElement, want.Name, why, &elements{set: want, ranges: gained}))
	}
}

// split walks two sorted lists: what only the first has, and what only the second has.
func split[T any](have, want []T, compare func(a, b T) int) (lost, gained []T) {
	for len(have) > 0 && len(want) > 0 {
		switch c := compare(have[0], want[0]); {
		case c == 0:
			have, want = have[1:], want[1:]
		case c < 0:
			lost, have = append(lost, have[0]), have[1:]
		default:
			gained, want = append(gained, want[0]), want[1:]
		}
	}
	return append(lost, have...), append(gained, want...)
}

// declaredRanges are a set's elements, sorted: their order means nothing. Validate read them.
func declaredRanges(s *Set) []keyRange {
	kind := kindOf(s.Type)
	ranges := make([]keyRange, 0, len(s.Elements))
	for _, word := range s.Elements {
		if v, err := parseValue(kind, word); err == nil {
			ranges = append(ranges, rangeOf(kind, v))
		}
	}
	sortRanges(ranges)
	return ranges
}

// rangeOf is a value as the elements of a set hold it. The types of named sets are all in network byte order.
func rangeOf(kind valueKind, s span) keyRange {
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
