package ruleset

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// encodedOtherwise are the rules that nft encodes in another way than we do, to the same effect, by family, table, chain and
// place: two comparisons of fields side by side become one (src/payload.c, payload_try_merge), and 1.1 has other ways with
// ranges.
func encodedOtherwise(r *Resolved, version int) map[string]bool {
	otherwise := map[string]bool{}
	for i := range r.spec.Tables {
		t := &r.spec.Tables[i]
		for j := range t.Chains {
			c := &t.Chains[j]
			for k := range c.Rules {
				if hasNeighbours(c.Rules[k].Do) || version >= 1_01_00 && hasRange(c.Rules[k].Do) {
					otherwise[fmt.Sprint(t.Family, t.Name, c.Name, k)] = true
				}
			}
		}
	}
	return otherwise
}

var namedCodePoint = regexp.MustCompile(`(ip6 dscp \{[^}]*)\bef\b`)

// sameCodePoints undoes what nft 1.1 does to the elements of a set of IPv6 code points: it encodes them in its own way, and then
// finds no names for them when it lists them.
func sameCodePoints(text string) string { return namedCodePoint.ReplaceAllString(text, "${1}0x2e") }

// hasNeighbours reports whether two matches in a row compare fields that touch in one header, each with one value.
func hasNeighbours(do []Statement) bool {
	for i := 1; i < len(do); i++ {
		a, b := do[i-1].Match, do[i].Match
		if a == nil || b == nil || len(a.Is) != 1 || len(b.Is) != 1 || nftvalue.IsReference(a.Is[0]) || nftvalue.IsReference(b.Is[0]) {
			continue
		}
		x, _ := infoOf(a.Field)
		y, _ := infoOf(b.Field)
		if x.source == fromPayload && y.source == fromPayload && x.base == y.base && (x.offset+x.length == y.offset || y.offset+y.length == x.offset) {
			return true
		}
	}
	return false
}

// hasRange reports whether a match compares with one range outside of a set, which is one expression to nft 1.1 and two to us,
// or a shifted field with ranges in a set: nft 1.1 shifts the field then, we shift the elements.
func hasRange(do []Statement) bool {
	for _, s := range do {
		if s.Match == nil {
			continue
		}
		info, _ := infoOf(s.Match.Field)
		for _, words := range [][]string{s.Match.Is, s.Match.Not} {
			if (len(words) == 1 || info.shift != 0) && slices.ContainsFunc(words, func(word string) bool { return isRange(info.kind, word) }) {
				return true
			}
		}
	}
	return false
}

// isRange reports whether a word is more than one value, and neither a prefix nor a set.
func isRange(k nftvalue.Kind, word string) bool {
	v, err := nftvalue.Parse(k, word)
	return err == nil && !nftvalue.IsReference(word) && !v.Prefix && !v.Single()
}
