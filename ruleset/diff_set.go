package ruleset

import (
	"fmt"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// diffSets compares the named sets. One whose type or flags differ is replaced, with the rules that look it up.
func (d *tableDiff) diffSets() {
	declared := map[string]int{}
	for i := range d.table.Sets {
		declared[d.table.Sets[i].Name] = i
	}
	kept := map[string]bool{}
	for _, i := range d.present.sets {
		old := &d.have.sets[i]
		index, ok := declared[old.Name]
		if !ok {
			d.remove(KindSet, old.Name, "it is not declared", false)
			continue
		}
		if why := setDiffers(old, &d.table.Sets[index]); why != "" {
			d.remove(KindSet, old.Name, why+", and a set keeps what it is", false)
			continue
		}
		kept[old.Name] = true
		d.diffElements(old, index)
	}
	for i := range d.table.Sets {
		s := &d.table.Sets[i]
		if kept[s.Name] {
			continue
		}
		d.build = append(d.build, d.operation(VerbAdd, KindSet, s.Name, "it does not exist", s))
		if len(s.Elements) > 0 {
			d.build = append(d.build, d.operation(VerbAdd, KindElement, s.Name, "", d.want.wholeSet(d.index, i)))
		}
	}
}

// setDiffers says what of a set cannot be changed in place and is not as declared; "" if nothing is.
func setDiffers(old *LoadedSet, want *Set) string {
	typ, length, _ := kindOf(want.Type).SetType()
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
func (d *tableDiff) diffElements(old *LoadedSet, index int) {
	want := &d.table.Sets[index]
	if want.Live {
		return
	}
	have := old.ranges
	if old.torn {
		d.build = append(d.build, d.operation(VerbDelete, KindElement, want.Name, "someone added or deleted halves of intervals", &elements{set: want, all: true}))
		have = nil
	}
	lost, gained := split(have, d.want.elements[d.index][index], nftvalue.CompareRanges)
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
