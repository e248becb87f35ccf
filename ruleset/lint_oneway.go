package ruleset

import (
	"fmt"
	"math"
	"slices"
)

// oneWay looks for drops in front of flow add that are about answers, or about one direction of what is established, alone. They hold for TCP, which
// is offloaded after its handshake. A UDP connection is offloaded by its other direction, and what the rule drops takes the fast path in
// front of it. `ct state established` does not help: conntrack sees an answer before it is dropped. An address or a device alone is passed over: it
// is not known which side begins.
func (t *tableLint) oneWay() {
	first, ok := t.firstFlowAdd()
	if !ok || !t.offloadsUDP() {
		return
	}
	w := oneWayWalk{tableLint: t, seen: make([]bool, len(t.lowered.Chains))}
	for i := range t.lowered.Chains {
		c := &t.lowered.Chains[i]
		priority, err := c.Priority.Int32()
		switch {
		case err != nil || c.Type == NATChain: // nat chains see the first packet alone
		case i == first.chain:
			w.chain(i, first.rule)
		case c.Hook == Forward && priority < first.priority, c.Hook == Prerouting && priority > natPriority: // behind conntrack
			w.chain(i, len(c.Rules))
		}
	}
	w.report()
}

// offloadsUDP reports whether a rule with flow add takes packets of UDP, for all that is known.
func (t *tableLint) offloadsUDP() bool {
	for chain, adds := range t.adds {
		for _, rule := range adds {
			if takesUDP(&t.lowered.Chains[chain].Rules[rule]) {
				return true
			}
		}
	}
	return false
}

// A oneWayWalk follows packets in front of flow add.
type oneWayWalk struct {
	*tableLint
	seen  []bool
	ends  []map[string]bool // what rules match that take packets away before flow add
	drops []dropAt          // of one direction
}

// chain walks the rules of a chain in front of the last one, and the chains that they jump to.
func (w *oneWayWalk) chain(chain, last int) {
	for next := []int{chain}; len(next) > 0; last = math.MaxInt {
		chain := next[len(next)-1]
		next = next[:len(next)-1]
		if !w.seen[chain] {
			w.seen[chain] = true
			next = append(next, w.rules(chain, last)...)
		}
	}
}

// rules notes what established packets come to in a chain, and returns where they go on.
func (w *oneWayWalk) rules(chain, last int) (targets []int) {
	established := R(CTState.Is(Established))
	rules := w.lowered.Chains[chain].Rules
	for i := range rules[:min(last, len(rules))] {
		r := &rules[i]
		if drops(r) && aimsAtAnswers(r) && len(w.drops) < maxFlowAdds {
			w.drops = append(w.drops, dropAt{chain, i})
		}
		if leaves(r) {
			if covers(r, &established) {
				break
			}
			if set, ok := matched(r, false); ok {
				w.ends = append(w.ends, set)
			}
		}
		for j := range r.Do {
			for _, name := range r.Do[j].targets() {
				if target, ok := w.scope.chains[name]; ok {
					targets = append(targets, target)
				}
			}
		}
	}
	return targets
}

// report tells the first such drop of each chain, unless another rule takes away the packets of the other direction.
func (w *oneWayWalk) report() {
	slices.SortStableFunc(w.drops, func(a, b dropAt) int { return a.chain - b.chain })
	told := -1
	for _, d := range w.drops {
		other, ok := matched(&w.lowered.Chains[d.chain].Rules[d.rule], true)
		if !ok || d.chain == told || slices.ContainsFunc(w.ends, func(end map[string]bool) bool { return partOf(end, other) }) {
			continue
		}
		told = d.chain
		w.add("one-way-drop", w.rulePath(d.chain, d.rule), "drop, or exclude from flow add, the packets of the other direction too",
			"rule %d of chain %s %s drops one direction of UDP connections: the other one offloads them, and then the fast path takes both",
			d.rule+1, w.name(), w.lowered.Chains[d.chain].Name)
	}
}

// partOf reports whether each of some matches is among others.
func partOf(some, others map[string]bool) bool {
	for m := range some {
		if !others[m] {
			return false
		}
	}
	return true
}

// takesUDP reports whether packets of UDP pass a rule, for all that is known.
func takesUDP(r *Rule) bool {
	return !slices.ContainsFunc(r.Do, func(s Statement) bool {
		if s.Match == nil {
			return false
		}
		info, known := infoOf(s.Match.Field)
		switch {
		case s.Match.Field == fieldL4Proto && len(s.Match.Is) > 0:
			return !slices.Contains(s.Match.Is, UDP) && !slices.Contains(s.Match.Is, "17")
		case s.Match.Field == fieldL4Proto:
			return slices.Contains(s.Match.Not, UDP) || slices.Contains(s.Match.Not, "17")
		}
		return known && info.l4proto != 0 && info.l4proto != 17
	})
}

// aimsAtAnswers reports whether a rule is about packets of UDP that go one way, and does not concern the first one of a connection.
func aimsAtAnswers(r *Rule) bool {
	if !takesUDP(r) {
		return false
	}
	oneWay, answers := false, false
	for i := range r.Do {
		m := r.Do[i].Match
		if m == nil {
			continue
		}
		switch m.Field {
		case fieldCTDir:
			if isWord(m, Original) {
				return false
			}
			return true
		case fieldCTState:
			answers = answers || !isWord(m, New)
		case fieldUDPSport, fieldTHSport:
			oneWay, answers = true, true
		case fieldIIFName, fieldOIFName, fieldIPSaddr, fieldIPDaddr, fieldIP6Saddr, fieldIP6Daddr, fieldUDPDport, fieldTHDport:
			oneWay = true
		}
	}
	return oneWay && answers
}

// isWord reports whether a match can be true of a word.
func isWord(m *Match, word string) bool {
	return (len(m.Is) == 0 || slices.Contains(m.Is, word)) && !slices.Contains(m.Not, word)
}

// theOther is what a field of one direction's packets is in the other's.
func theOther(f Field) Field {
	for _, pair := range [][2]Field{
		{fieldIIFName, fieldOIFName}, {fieldIPSaddr, fieldIPDaddr}, {fieldIP6Saddr, fieldIP6Daddr}, {fieldUDPSport, fieldUDPDport}, {fieldTHSport, fieldTHDport},
	} {
		switch f {
		case pair[0]:
			return pair[1]
		case pair[1]:
			return pair[0]
		}
	}
	return f
}

// matched are what a rule matches, the state and the protocol aside, or what a rule for the other direction would. It is not known of a
// rule with a limit or a Raw.
func matched(r *Rule, other bool) (set map[string]bool, ok bool) {
	set = map[string]bool{}
	for i := range r.Do {
		m := r.Do[i].Match
		switch {
		case r.Do[i].Limit != nil, r.Do[i].Raw != nil:
			return nil, false
		case m == nil || m.Field == fieldCTState || m.Field == fieldL4Proto && takesUDP(r):
			continue
		}
		field, is := m.Field, m.Is
		if other {
			field = theOther(field)
		}
		if other && field == fieldCTDir {
			is = []string{Original}
		}
		set[fmt.Sprint(field, is, m.Not, m.Mask, m.AtLeast, m.Below)] = true
	}
	return set, true
}
