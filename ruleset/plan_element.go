package ruleset

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// ElementPlan plans one change of a set's elements, in nft's spelling, that no Spec declares: a verb of VerbAdd or VerbDelete. What
// is there already, or not, is left out, so that the plan may be empty. It is meant for sets that are declared Live: to any
// other the next plan of its Spec gives back the declared elements.
//
// The error matches ErrForeign if the table does not bear the mark of have's owner.
func ElementPlan(have *Loaded, verb Verb, family Family, table, set string, words ...string) (*Plan, error) {
	if family == "" {
		family = Inet
	}
	if verb != VerbAdd && verb != VerbDelete {
		return nil, fmt.Errorf("elements are added and deleted; %q is neither", verb)
	}
	held, err := have.ownSet(family, table, set)
	if err != nil {
		return nil, err
	}
	s := &Set{Name: set, Type: held.setType(), Interval: held.Flags&nlmsg.SetInterval != 0, Live: true, Elements: slices.Clone(words)}
	v := &validator{}
	wanted := v.checkElements("set "+set, s)
	if err := errors.Join(v.mistakes...); err != nil {
		return nil, err
	}
	p := &Plan{
		want:       &Resolved{spec: Spec{Owner: have.owner}, declared: Spec{Owner: have.owner}},
		generation: have.generation,
		ground:     have,
		heedless:   func(key setKey) bool { return verb == VerbAdd || key != (setKey{family, table, set}) },
		again:      func(now *Loaded) (*Plan, error) { return ElementPlan(now, verb, family, table, set, s.Elements...) },
	}
	missing, there := within(wanted, held.ranges)
	change := &elements{set: s, ranges: missing}
	if verb == VerbDelete {
		change.ranges = there
	}
	if len(change.ranges) > 0 {
		p.operations = []Operation{{Verb: verb, Kind: KindElement, Family: family, Table: table, Name: set, Reason: "it was asked for", object: change}}
	}
	return p, nil
}

// ownSet finds a named set in a table of our own.
func (l *Loaded) ownSet(family Family, table, set string) (*LoadedSet, error) {
	t, ok := l.table(family, table)
	switch {
	case !ok:
		return nil, fmt.Errorf("table %s %s does not exist; apply the Spec that declares it first", family, table)
	case t.Owner != l.owner:
		return nil, foreign(t, l.owner)
	}
	for i := range l.sets {
		s := &l.sets[i]
		if s.Family != family || s.Table != table || s.Name != set || s.Flags&nlmsg.SetAnonymous != 0 {
			continue
		}
		if s.adorned || s.setType() == "" {
			return nil, fmt.Errorf("set %s %s %s is a map, or its elements are of a type that cannot be declared", family, table, set)
		}
		return s, nil
	}
	return nil, fmt.Errorf("table %s %s has no set %s; declare it, with \"live\"", family, table, set)
}

// setType is the type of the set's elements; "" if a Set cannot have it.
func (s *LoadedSet) setType() SetType {
	for _, t := range [...]SetType{IPv4Addr, IPv6Addr, InetService, IfName} {
		if typ, length, _ := kindOf(t).SetType(); typ == s.KeyType && length == s.KeyLen {
			return t
		}
	}
	return ""
}

// within tells those of a sorted list that another holds from those that it does not.
func within(list, held []nftvalue.Range) (missing, there []nftvalue.Range) {
	for _, r := range list {
		if _, ok := slices.BinarySearchFunc(held, r, nftvalue.CompareRanges); ok {
			there = append(there, r)
		} else {
			missing = append(missing, r)
		}
	}
	return missing, there
}
