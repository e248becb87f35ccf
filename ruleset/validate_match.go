package ruleset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

func (v *validator) checkMatch(p place, s *scope, m *Match, known *packet) {
	info, ok := infoOf(m.Field)
	if !ok {
		v.addStatement(p, "match.field", fmt.Errorf(`unknown field %q; write one such as "ct state", "meta l4proto", "ip daddr", "tcp dport", "iifname"`, string(m.Field)))
		return
	}
	if err := m.checkShape(info.kind); err != nil {
		v.addStatement(p, "match", err)
		return
	}
	if info.kind == nftvalue.Meter {
		return
	}
	mask, err := m.maskOf(info.kind)
	v.addStatement(p, "match.mask", err)
	list, words := "match.is", m.Is
	if len(m.Not) > 0 {
		list, words = "match.not", m.Not
	}
	at := func(i int) string { return p.statementPath(list + "[" + strconv.Itoa(i) + "]") }
	spans := v.checkValues(s, m.Field, info.kind, mask, words, at)
	v.addStatement(p, "match", known.learn(m, &info, spans))
}

// checkShape refuses a match with no comparison, with several, or with one that does not suit the field.
func (m *Match) checkShape(kind nftvalue.Kind) error {
	set := 0
	for _, is := range [...]bool{len(m.Is) > 0, len(m.Not) > 0, m.AtLeast != 0, m.Below != 0} {
		if is {
			set++
		}
	}
	meter := kind == nftvalue.Meter
	switch {
	case set == 0 && meter:
		return fmt.Errorf("the match on %q compares with nothing; set atLeast or below to 1 or more", string(m.Field))
	case set == 0:
		return fmt.Errorf("the match on %q compares with nothing; set is or not", string(m.Field))
	case set > 1:
		return errors.New("the match has several of is, not, atLeast and below; set one, and make another match of the other")
	case meter && (len(m.Is) > 0 || len(m.Not) > 0):
		return fmt.Errorf("%q is a counter; compare it by atLeast or below", string(m.Field))
	case !meter && (m.AtLeast != 0 || m.Below != 0):
		return fmt.Errorf("%q is no counter; compare it by is or not", string(m.Field))
	}
	return nil
}

// maskOf reads the mask; every bit if there is none.
func (m *Match) maskOf(kind nftvalue.Kind) (uint32, error) {
	if m.Mask == "" {
		return 1<<32 - 1, nil
	}
	if kind != nftvalue.Mark {
		return 1<<32 - 1, fmt.Errorf("%q has no mask; only marks have", string(m.Field))
	}
	return parseMask(m.Mask)
}

// parseMask reads a mask that is set; an error comes with every bit, so that no further mistake follows from it.
func parseMask(word string) (uint32, error) {
	n, err := nftvalue.ParseNumber(word)
	switch {
	case err != nil || n >= 1<<32:
		return 1<<32 - 1, nftvalue.Mark.Unfit(word)
	case n == 0:
		return 1<<32 - 1, errors.New(`the mask is 0, which picks no bit; for every bit leave it out, or write 0xffffffff`)
	}
	return uint32(n), nil
}

// checkValues checks a list of values, or one set, and gives back the values, which stay valid until the next list.
func (v *validator) checkValues(s *scope, f Field, kind nftvalue.Kind, mask uint32, words []string, at func(i int) string) []nftvalue.Span {
	v.reader.Forget()
	v.spans, v.values = v.spans[:0], v.values[:0]
	before := len(v.mistakes)
	if len(words) == 1 && nftvalue.IsReference(words[0]) {
		if err := s.checkSet(f, kind, words[0][1:]); err != nil {
			v.add(at(0), err)
		}
		return nil
	}
	for i, word := range words {
		if nftvalue.IsReference(word) {
			v.add(at(i), fmt.Errorf("%q is a set beside other values; match the set alone, or add the values to it", word))
			continue
		}
		value, err := v.reader.Value(kind, word)
		if err == nil && kind == nftvalue.Mark && binary.BigEndian.Uint32(value.Low)&^mask != 0 {
			err = fmt.Errorf("%q has bits outside the mask %s and never matches; widen the mask, or clear the bits", word, nftvalue.Hex(mask))
		}
		if err != nil {
			v.add(at(i), err)
			continue
		}
		v.spans = append(v.spans, value)
		if len(words) > 1 {
			v.values = append(v.values, newValue(i, word, value))
		}
	}
	v.checkOverlaps(v.values, at)
	v.cut(before)
	return v.spans
}

// checkSet asks for a set of the table whose elements are of the field's kind.
func (s *scope) checkSet(f Field, kind nftvalue.Kind, name string) error {
	index, ok := s.sets[name]
	if !ok {
		return fmt.Errorf("no set %q in this table; add it, or correct the name", name)
	}
	if t := s.table.Sets[index].Type; kindOf(t) != 0 && kindOf(t) != kind {
		return fmt.Errorf("set %q holds elements of type %s, which %q cannot be compared with; %s", name, t, string(f), setHint(kind))
	}
	return nil
}

// setHint says which set type goes with the kind.
func setHint(k nftvalue.Kind) string {
	for _, t := range [...]SetType{IPv4Addr, IPv6Addr, InetService, IfName} {
		if kindOf(t) == k {
			return "use a set of type " + string(t)
		}
	}
	return "list the values in the match"
}
