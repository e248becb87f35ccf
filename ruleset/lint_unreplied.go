package ruleset

import (
	"slices"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// unreplied looks for flow adds that UDP connections come to before their first answer. The kernel offloads such a connection by its second
// packet, and takes its answers at ingress, where conntrack does not learn of them: it stays UNREPLIED, and ends with the short timeout of
// such connections. A rule of which it is not known what it matches is passed over. A policy says New only if that is meant.
func (t *tableLint) unreplied() {
	seen := make([]bool, len(t.lowered.Chains))
	var next []int
	for i := range t.lowered.Chains {
		if t.lowered.Chains[i].Hook == Forward {
			next = append(next, i)
		}
	}
	var found [][2]int
	for len(next) > 0 {
		chain := next[len(next)-1]
		next = next[:len(next)-1]
		if seen[chain] {
			continue
		}
		seen[chain] = true
		rules := t.lowered.Chains[chain].Rules
		var ended []int
		for i := range rules {
			r := &rules[i]
			if !takesUnreplied(r) {
				continue
			}
			if r.Offloads() {
				if len(ended) > maxFlowAdds || slices.ContainsFunc(ended, func(j int) bool { return takesUnrepliedOf(&rules[j], r) }) {
					continue
				}
				found = append(found, [2]int{chain, i})
				break // the first of a chain tells
			}
			for j := range r.Do {
				for _, name := range r.Do[j].targets() {
					if target, ok := t.scope.chains[name]; ok {
						next = append(next, target)
					}
				}
			}
			if leaves(r) {
				if takesUnrepliedOf(r, &Rule{}) {
					break
				}
				ended = append(ended, i)
			}
		}
	}
	slices.SortFunc(found, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
	for _, at := range found {
		if at[0] < len(t.declared.Chains) {
			t.add("unreplied-udp", t.rulePath(at[0], at[1]), "match ct state established in front of flow add",
				"rule %d of chain %s %s offloads UDP connections before their first answer: they stay UNREPLIED in conntrack and end by the timeout of such ones, though packets go both ways",
				at[1]+1, t.name(), t.lowered.Chains[at[0]].Name)
		}
	}
}

// takesUnreplied reports whether packets of a UDP connection without an answer pass a rule as far as flow add, for all that is known.
func takesUnreplied(r *Rule) bool {
	for i := range r.Do {
		switch s := &r.Do[i]; {
		case s.Offloads():
			return true
		case s.Raw != nil, s.Match != nil && !unrepliedPasses(s.Match):
			return false
		}
	}
	return true
}

// unrepliedPasses reports whether a match can be true of UDP without an answer.
func unrepliedPasses(m *Match) bool {
	is := func(word string) bool {
		return (len(m.Is) == 0 || slices.Contains(m.Is, word)) && !slices.Contains(m.Not, word)
	}
	info, known := infoOf(m.Field)
	switch {
	case m.Field == fieldCTState:
		return is(New)
	case m.Field == fieldCTDir:
		return is(Original)
	case m.Field == fieldL4Proto:
		return is(UDP) || len(m.Is) > 0 && slices.Contains(m.Is, "17")
	case m.Field == fieldCTStatus:
		return len(m.Is) == 0 || slices.ContainsFunc(m.Is, func(word string) bool { return word != "seen-reply" && word != "assured" })
	case known && info.kind == nftvalue.Meter && info.direction > 0:
		return false
	}
	return !known || info.l4proto == 0 || info.l4proto == 17
}

// takesUnrepliedOf reports whether all packets of UDP connections without an answer that another rule matches pass a rule.
func takesUnrepliedOf(r, other *Rule) bool {
	return !slices.ContainsFunc(r.Do, func(s Statement) bool {
		if s.Match == nil {
			return s.Limit != nil || s.Raw != nil
		}
		switch s.Match.Field {
		case fieldCTState, fieldL4Proto, fieldCTDir:
			return !unrepliedPasses(s.Match)
		}
		return !implied(s.Match, other)
	})
}
