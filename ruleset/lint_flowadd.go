package ruleset

import (
	"slices"
	"strconv"
)

// Bounds of the work: how many flow adds of a chain are held against the rules before them, and how many pairs of words.
const (
	maxFlowAdds = 100
	maxCompared = 1000
)

// verdictBehind looks at what is behind flow add. The kernel ends the rule there if it did not offload
// (net/netfilter/nft_flow_offload.c), so that a refused connection skips the verdict.
func (t *tableLint) verdictBehind(chain, rule int, behind []Statement) {
	for i := range behind {
		if s := &behind[i]; s.ends() {
			t.add("verdict-after-flow-add", t.rulePath(chain, rule), "put it into a rule of its own behind this one",
				"chain %s %s: %q stands behind flow add in one rule, and packets of connections that are not offloaded skip it",
				t.name(), t.lowered.Chains[chain].Name, statementText(t.declared.Family, s))
		}
	}
}

// unreachable looks for flow adds that no packet comes to that could be offloaded.
func (t *tableLint) unreachable(chain int) {
	c := &t.lowered.Chains[chain]
	var ended []int // rules that end the chain for some packets
	seen := 0
	for i := range c.Rules {
		r := &c.Rules[i]
		if !r.Offloads() {
			if leaves(r) {
				ended = append(ended, i)
			}
			continue
		}
		if len(t.scope.bases[chain]) == 0 {
			t.add("unreachable-flow-add", t.rulePath(chain, i), "jump to it from a forward chain, or give it a hook",
				"chain %s %s holds flow add, and no base chain leads to it", t.name(), c.Name)
			return
		}
		if seen++; seen > maxFlowAdds {
			return
		}
		for _, j := range ended {
			if covers(&c.Rules[j], r) {
				t.add("unreachable-flow-add", t.rulePath(chain, i), "move it in front of that rule",
					"chain %s %s: no established packet comes to flow add, because rule %d before it ends with %q for all of them",
					t.name(), c.Name, j+1, statementText(t.declared.Family, &c.Rules[j].Do[len(c.Rules[j].Do)-1]))
				return
			}
		}
	}
}

// leaves reports whether packets that pass the rule do not come to the next one.
func leaves(r *Rule) bool {
	n := len(r.Do)
	return n > 0 && (r.Do[n-1].Verdict != "" || r.Do[n-1].Goto != "")
}

// covers reports whether every packet that the other rule could offload passes all statements of this one.
func covers(r, other *Rule) bool {
	for i := range r.Do {
		switch s := &r.Do[i]; {
		case s.Match != nil:
			if !implied(s.Match, other) {
				return false
			}
		case s.Limit != nil, s.Raw != nil, s.FlowAdd != "":
			return false
		}
	}
	return true
}

// implied reports whether a match lets every packet pass that a rule with flow add could offload: established ones, of TCP and
// UDP unless the rule says otherwise, and what the rule itself matches.
func implied(m *Match, other *Rule) bool {
	switch {
	case m.Field == fieldCTState && len(m.Not) > 0:
		return !slices.Contains(m.Not, Established)
	case m.Field == fieldCTState:
		return slices.Contains(m.Is, Established)
	case m.Field == fieldL4Proto && len(m.Is) > 0 && matchOn(other, fieldL4Proto, "") == nil:
		return slices.Contains(m.Is, TCP) && slices.Contains(m.Is, UDP)
	}
	theirs := matchOn(other, m.Field, m.Mask)
	if theirs == nil || len(theirs.Is) == 0 || len(m.Is) == 0 || len(theirs.Is)*len(m.Is) > maxCompared {
		return false
	}
	return !slices.ContainsFunc(theirs.Is, func(word string) bool { return !slices.Contains(m.Is, word) })
}

// matchOn is a rule's first match on a field with a mask.
func matchOn(r *Rule, f Field, mask string) *Match {
	for i := range r.Do {
		if m := r.Do[i].Match; m != nil && m.Field == f && m.Mask == mask {
			return m
		}
	}
	return nil
}

// families looks for flowtables of inet tables that are filled by rules of one family. A policy that names one means it.
func (t *tableLint) families() {
	if familyText(t.declared.Family) != string(Inet) {
		return
	}
	filled := map[string]Family{} // by the name of the flowtable; Inet is both
	for chain, adds := range t.adds {
		meant := chain >= len(t.declared.Chains) && t.declared.Offload[chain-len(t.declared.Chains)].Only.Family != ""
		for _, rule := range adds {
			r := &t.lowered.Chains[chain].Rules[rule]
			at := r.flowAdd()
			name, _ := r.Do[at].flowtable()
			family := familyMatched(r.Do[:at])
			if before, ok := filled[name]; meant || family == "" || ok && before != family {
				family = Inet
			}
			filled[name] = family
		}
	}
	for i := range t.declared.Flowtables {
		name := t.declared.Flowtables[i].Name
		if family := filled[name]; family == IP || family == IP6 {
			t.add("one-family", t.path+".flowtables["+strconv.Itoa(i)+"]", "add a rule for the other family, or leave the family out",
				"only connections of family %s are offloaded to flowtable %s %s, although the table carries both", family, t.name(), name)
		}
	}
}

// familyMatched is the family that statements let pass, "" if it is both.
func familyMatched(do []Statement) Family {
	known := packetOf(Inet)
	for i := range do {
		m := do[i].Match
		if m == nil {
			continue
		}
		if info, ok := infoOf(m.Field); ok && info.family != "" {
			known.family = info.family
		}
		if m.Field == fieldNFProto && len(m.Is) == 1 {
			known.family = IP6
			if m.Is[0] == "ipv4" {
				known.family = IP
			}
		}
	}
	return known.family
}
