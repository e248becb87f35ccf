package ruleset

import (
	"fmt"
	"iter"
	"maps"
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
		if chain.Hook != "" && chain.Type != NATChain && !c.ours[key] && !asleep[key] {
			s.chain(chain, c.skips(chain))
		}
	}
}

// skips are the families of the connections that one of our flowtables takes, of which packets would come to a base chain and do not.
func (c *conflicts) skips(chain *LoadedChain) []Family {
	skipped := map[Family]bool{}
	for i := range c.want.spec.Tables {
		t := &c.want.spec.Tables[i]
		for j := range t.Flowtables {
			come := false
			switch priority, _ := t.Flowtables[j].Priority.Int32(); chain.Hook { // Validate read it
			case ingress:
				devices := c.want.listed(i, j)
				come = chain.Priority > priority && (chain.Family == "netdev" || meet(t.Family, chain.Family)) &&
					len(overlapping(devices, chain.Devices)) > 0
			case Prerouting, Forward, Postrouting:
				come = (chain.Family == IP || chain.Family == IP6 || chain.Family == Inet) && meet(t.Family, chain.Family)
			}
			if !come {
				continue
			}
			for _, family := range c.familiesOf(t, t.Flowtables[j].Name) {
				skipped[family] = skipped[family] || chain.Family == "netdev" || meet(family, chain.Family)
			}
		}
	}
	maps.DeleteFunc(skipped, func(_ Family, come bool) bool { return !come })
	return slices.Sorted(maps.Keys(skipped))
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

	base    string // the chain that is reported
	early   bool   // it stands before conntrack
	by      passage
	ended   map[chainKey]bool // whether all packets end in the chain; false while it is walked
	effects map[*LoadedRule][]string
	first   []*LoadedRule // those with effects, in the order in which packets meet them
	lets    bool          // a packet may pass
	visits  int
}

// maxVisits bounds how many rules are looked at for single pairs of devices.
const maxVisits = 1 << 16

// chain reports one base chain, if it does something to packets of these families.
func (s *skipping) chain(chain *LoadedChain, families []Family) {
	s.base, s.early = chain.Name, isEarly(chain)
	s.begin()
	for _, family := range families {
		s.pass(chain, passage{carried: &s.want.carried, family: family})
	}
	found, effects := s.first, s.effects
	if !onlyInforms(found, effects) {
		if met, known := s.between(chain, families); known {
			found = slices.DeleteFunc(found, func(r *LoadedRule) bool { return !met[r] })
		}
	}
	if len(found) > 0 {
		s.tell(chain, found, effects)
	}
}

// isEarly reports whether packets come to a base chain before conntrack sees them. A connection of which one direction is dropped there by address, port or
// device is never answered, and so never offloaded.
func isEarly(chain *LoadedChain) bool {
	const conntrackPriority = -200 // NF_IP_PRI_CONNTRACK
	return chain.Hook == Prerouting && chain.Priority < conntrackPriority
}

func (s *skipping) begin() { s.effects, s.first = map[*LoadedRule][]string{}, nil }

// pass walks a base chain. It reports whether all packets are stopped there.
func (s *skipping) pass(chain *LoadedChain, by passage) (stopped bool) {
	s.by, s.ended, s.lets = by, map[chainKey]bool{}, false
	ended := s.walk(chainKey{tableKey{chain.Family, chain.Table}, chain.Name})
	return ended && !s.lets
}

// between looks again, for each pair of devices alone: an isolating firewall drops what comes from one and goes to another, and behind what it accepts before. It
// returns the rules that do something to packets of some pair. Where both ways are stopped there are no connections. It is not known if it were too much
// to look at.
func (s *skipping) between(chain *LoadedChain, families []Family) (met map[*LoadedRule]bool, known bool) {
	met, s.visits = map[*LoadedRule]bool{}, 0
	for _, family := range families {
		passages := s.want.carried.passages(family, chain.Hook)
		if passages == nil {
			return nil, false
		}
		effects, stopped := make([]map[*LoadedRule][]string, len(passages)), map[[2]string]bool{}
		for i, by := range passages {
			s.begin()
			stopped[[2]string{by.in, by.out}] = s.pass(chain, by)
			if effects[i] = s.effects; s.visits > maxVisits {
				return nil, false
			}
		}
		for i, by := range passages {
			if by.out != "" && stopped[[2]string{by.in, by.out}] && stopped[[2]string{by.out, by.in}] {
				continue
			}
			for r := range effects[i] {
				met[r] = true
			}
		}
	}
	return met, true
}

// What connections can do without in the fast path, in the words of a finding.
const (
	counts       = "counter"
	countsByName = "named counter"
	reversePath  = "reverse-path filter"
)

// onlyInforms reports whether rules do nothing that a connection in the fast path misses.
func onlyInforms(rules []*LoadedRule, effects map[*LoadedRule][]string) bool {
	for _, r := range rules {
		for _, effect := range effects[r] {
			if effect != counts && effect != countsByName && effect != reversePath {
				return false
			}
		}
	}
	return true
}

// tell reports what the rules of a base chain do.
func (s *skipping) tell(chain *LoadedChain, rules []*LoadedRule, effects map[*LoadedRule][]string) {
	var all []string
	for _, r := range rules {
		for _, effect := range effects[r] {
			if !slices.Contains(all, effect) {
				all = append(all, effect)
			}
		}
	}
	where := fmt.Sprintf("%s %s %s", chain.Family, wordOf(chain.Table), wordOf(chain.Name))
	first := fmt.Sprintf("first by the rule with handle %d", rules[0].Handle)
	if rules[0].Chain != chain.Name {
		first += " of chain " + wordOf(rules[0].Chain)
	}
	f := Finding{
		Code: "skipped-chain", Path: "chain " + where, Information: onlyInforms(rules, effects),
		Fix: "exclude those connections from the fast path (Policy.Except), or do the same at egress, or at ingress in front of the flowtable",
	}
	missed, behind := "skip what it does", ""
	switch {
	case f.Information && slices.Contains(all, reversePath):
		behind = "; what the filter stops is not in the fast path: a flowtable takes an address's packets by the device alone that the route to it led to"
		f.Fix = "after routes change evict stale flows (RunConfig.Stale), for the flowtable does not look again"
	case f.Information:
		missed = "are not counted by it"
		f.Fix = "count by conntrack, which a flowtable with its counter on goes on with"
	}
	f.Text = fmt.Sprintf("chain %s at %s %d: connections in the fast path %s (%s), %s%s", where, chain.Hook, chain.Priority, missed, strings.Join(all, ", "), first, behind)
	s.findings = append(s.findings, f)
}

// walk goes through the rules of a chain as packets of established connections do. It reports whether all of them end there.
func (s *skipping) walk(key chainKey) (ended bool) {
	if ended, known := s.ended[key]; known {
		return ended
	}
	s.ended[key] = false
	defer func() { s.ended[key] = ended }()
	for _, r := range s.rules[key] {
		s.visits++
		t := traitsOf(nlmsg.Native(), r.Expressions, &s.by)
		if !t.meets {
			continue
		}
		if s.early && r.Chain == s.base && !t.varies {
			t.effects = slices.DeleteFunc(t.effects, func(e string) bool { return e == "drop" || e == "reject" })
		}
		if s.effects[r] == nil && len(t.effects) > 0 {
			s.effects[r] = t.effects
			s.first = append(s.first, r)
		}
		s.lets = s.lets || t.lets
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
