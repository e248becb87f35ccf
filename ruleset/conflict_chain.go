package ruleset

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// ruleIndexes are the rules of a table.
func (c *conflicts) ruleIndexes(parts *loadedParts) iter.Seq[int] {
	return func(yield func(int) bool) {
		if parts == nil {
			return
		}
		for _, list := range parts.rules {
			for _, i := range list {
				if !yield(i) {
					return
				}
			}
		}
	}
}

// skippedChains finds the base chains of others that connections in the fast path do not come to, and that do something to them.
func (c *conflicts) skippedChains() {
	if !c.want.hasFlowtables() {
		return
	}
	s := skipping{conflicts: c, rules: map[chainKey][]*LoadedRule{}}
	asleep := map[tableKey]bool{}
	for _, t := range c.have.tables {
		asleep[tableKey{t.Family, t.Name}] = t.Flags&tableDormant != 0
	}
	for i := range c.have.rules {
		r := &c.have.rules[i]
		key := chainKey{tableKey{r.Family, r.Table}, r.Chain}
		s.rules[key] = append(s.rules[key], r)
	}
	for i := range c.have.chains {
		chain := &c.have.chains[i]
		key := tableKey{chain.Family, chain.Table}
		if chain.Hook != "" && chain.Type != NATChain && !c.ours[key] && !asleep[key] && c.skips(chain) {
			s.chain(chain)
		}
	}
}

// skips reports whether packets of connections that one of our flowtables takes would come to a base chain, and do not.
func (c *conflicts) skips(chain *LoadedChain) bool {
	skipped := false
	for i := range c.want.spec.Tables {
		t := &c.want.spec.Tables[i]
		for j := range t.Flowtables {
			switch priority, _ := t.Flowtables[j].Priority.Int32(); chain.Hook { // Validate read it
			case ingress:
				devices := c.want.listed(i, j)
				skipped = skipped || chain.Priority > priority && (chain.Family == "netdev" || meet(t.Family, chain.Family)) &&
					len(overlapping(devices, chain.Devices)) > 0
			case Prerouting, Forward, Postrouting:
				skipped = skipped || (chain.Family == IP || chain.Family == IP6 || chain.Family == Inet) && meet(t.Family, chain.Family)
			}
		}
	}
	return skipped
}

// A chainKey names a chain.
type chainKey struct {
	table tableKey
	name  string
}

// A skipping walks the chains that packets in the fast path skip.
type skipping struct {
	*conflicts
	rules map[chainKey][]*LoadedRule

	ended   map[chainKey]bool // whether all packets end in the chain; false while it is walked
	effects []string
	first   *LoadedRule // with an effect
}

// chain reports one base chain, if it does something.
func (s *skipping) chain(chain *LoadedChain) {
	s.ended, s.effects, s.first = map[chainKey]bool{}, nil, nil
	s.walk(chainKey{tableKey{chain.Family, chain.Table}, chain.Name})
	if s.first == nil {
		return
	}
	where := fmt.Sprintf("%s %s %s", chain.Family, chain.Table, chain.Name)
	in := ""
	if s.first.Chain != chain.Name {
		in = " of chain " + s.first.Chain
	}
	s.add("skipped-chain", "chain "+where,
		"exclude those connections from the fast path (Policy.Except), or do the same at egress, or at ingress in front of the flowtable",
		"chain %s at %s %d: connections in the fast path skip what it does (%s), first by the rule with handle %d%s",
		where, chain.Hook, chain.Priority, strings.Join(s.effects, ", "), s.first.Handle, in)
}

// walk goes through the rules of a chain as packets of established connections do. It reports whether all of them end there.
func (s *skipping) walk(key chainKey) (ended bool) {
	if ended, known := s.ended[key]; known {
		return ended
	}
	s.ended[key] = false
	defer func() { s.ended[key] = ended }()
	for _, r := range s.rules[key] {
		t := traitsOf(nlmsg.Native(), r.Expressions)
		if !t.meets {
			continue
		}
		for _, effect := range t.effects {
			if s.first == nil {
				s.first = r
			}
			if !slices.Contains(s.effects, effect) {
				s.effects = append(s.effects, effect)
			}
		}
		if t.target != "" {
			t.ends = s.walk(chainKey{key.table, t.target}) || t.leaves
		}
		switch {
		case t.ends && t.all:
			return true
		case t.returns && t.all:
			return false
		}
	}
	return false
}
