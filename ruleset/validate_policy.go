package ruleset

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// checkPolicies checks the policies of a table. The scope is that of the table with its policies lowered; names are the chains
// that the table declares itself.
func (v *validator) checkPolicies(p place, s *scope, t *Table, names map[string]int) {
	chains := map[string]int{}
	for i := range t.Offload {
		c := policyCheck{validator: v, place: p, scope: s, table: t, policy: &t.Offload[i], path: "offload[" + strconv.Itoa(i) + "]"}
		c.place.chain = len(t.Chains) + i
		c.flowtable()
		c.chain(names, chains, i)
		c.selection()
		c.exclusions()
		c.rules()
		v.add(c.at("after.direction"), checkDirection(c.policy.After.Direction))
	}
}

// A policyCheck is one policy under validation.
type policyCheck struct {
	*validator
	place  place
	scope  *scope
	table  *Table
	policy *Policy
	path   string
}

// at is the path of something in the policy.
func (c *policyCheck) at(below string) string { return c.place.path(c.path + "." + below) }

// item is the path of an item of a list in the policy.
func (c *policyCheck) item(list string) func(int) string {
	return func(i int) string { return c.at(list + "[" + strconv.Itoa(i) + "]") }
}

func (c *policyCheck) flowtable() {
	if name := c.policy.Flowtable; !c.scope.flowtables[name] {
		c.add(c.at("flowtable"), fmt.Errorf("no flowtable %q in this table; add it, or correct the name", name))
	}
}

// chain checks the chain that the policy compiles to.
func (c *policyCheck) chain(names, chains map[string]int, index int) {
	name := c.policy.chain()
	where := c.at("chain")
	c.add(where, flowtable.CheckName(name))
	if other, taken := names[name]; taken {
		c.add(where, fmt.Errorf("chain %q is already chains[%d]; rename that one, or set chain to another name", name, other))
	} else if other, taken := chains[name]; taken {
		c.add(where, fmt.Errorf("chain %q is already that of offload[%d]; set chain to another name", name, other))
	} else {
		chains[name] = index
	}
	if !c.policy.Inline {
		_, err := c.policy.Priority.Int32()
		c.add(c.at("priority"), err)
		return
	}
	if c.policy.Priority != "" {
		c.add(c.at("priority"), errors.New("an inline policy has no hook and so no priority; leave one of the two out"))
	}
	if base := c.scope.misplaced(c.place.chain, func(b *Chain) bool { return b.Hook == Forward }); base != nil {
		c.add(c.at("inline"), fmt.Errorf(`flow add works only in "forward", and chain %q is reached from base chain %q at hook %q; jump to it from forward chains alone`,
			name, base.Name, string(base.Hook)))
	}
}

func (c *policyCheck) selection() {
	only := &c.policy.Only
	switch family := familyText(c.table.Family); {
	case only.Family != "" && only.Family != IP && only.Family != IP6:
		c.add(c.at("only.family"), fmt.Errorf(`%q is not a family of connections; write "ip" or "ip6", or leave it out for both`, string(only.Family)))
	case only.Family != "" && family != string(Inet) && family != string(only.Family):
		c.add(c.at("only.family"), fmt.Errorf("no packet of family %s comes to a table of family %s; leave it out, or use an inet table", only.Family, family))
	}
	c.add(c.at("only.direction"), checkDirection(only.Direction))
	c.words("only.protocols", nftvalue.Proto, only.Protocols)
	for i, word := range only.Protocols {
		if n, err := nftvalue.Parse(nftvalue.Proto, word); err == nil && !slices.Contains([]byte{nftvalue.ProtoTCP, nftvalue.ProtoUDP, protoGRE}, n.Low[0]) {
			c.add(c.item("only.protocols")(i), fmt.Errorf(`no kernel offloads %q; write "tcp", "udp" or "gre"`, word))
		}
	}
	c.words("only.states", nftvalue.CTState, only.States)
	for i, word := range only.States {
		if word == Invalid || word == Untracked {
			c.add(c.item("only.states")(i), fmt.Errorf("no kernel offloads what is %s; write %q, %q or %q", word, Established, Related, New))
		}
	}
	for i := range only.Between {
		c.pair("only.between["+strconv.Itoa(i)+"]", &only.Between[i])
	}
}

func (c *policyCheck) pair(path string, pair *DevicePair) {
	if len(pair.From)+len(pair.To) == 0 {
		c.add(c.at(path), errors.New("the pair names no device; set from, to or both"))
	}
	c.checkValues(c.scope, fieldIIFName, nftvalue.IfName, 0, pair.From, c.item(path+".from"))
	c.checkValues(c.scope, fieldOIFName, nftvalue.IfName, 0, pair.To, c.item(path+".to"))
}

// words checks a list of values that cannot be a set.
func (c *policyCheck) words(list string, kind nftvalue.Kind, words []string) {
	for i, word := range words {
		if nftvalue.IsReference(word) {
			c.add(c.item(list)(i), fmt.Errorf("%q is a set; list the values, or name it in except.sets to exclude its elements", word))
			return
		}
	}
	c.checkValues(c.scope, "", kind, 0, words, c.item(list))
}

func (c *policyCheck) exclusions() {
	e := &c.policy.Except
	c.marks("except.marks", e.Marks)
	c.marks("except.ctMarks", e.CTMarks)
	c.words("except.dscp", nftvalue.DSCP, e.DSCP)
	c.words("except.devices", nftvalue.IfName, e.Devices)
	c.words("except.ports", nftvalue.Port, e.Ports)
	c.words("except.helpers", nftvalue.Helper, e.Helpers)
	c.addrs(e.Addrs)
	ports := len(e.Ports) > 0
	seen := map[string]int{}
	for i, name := range e.Sets {
		where := c.item("except.sets")(i)
		index, ok := c.scope.sets[name]
		if !ok {
			c.add(where, fmt.Errorf("no set %q in this table; add it, or correct the name", name))
			continue
		}
		c.unique(seen, name, i, where, "set", c.path+".except.sets")
		ports = ports || c.table.Sets[index].Type == InetService
	}
	if ports && len(c.policy.portful()) == 0 {
		c.add(c.at("except"), errors.New("ports are excluded, but none of the protocols has ports; leave the ports out"))
	}
	zones := map[string]int{}
	for i, zone := range e.Zones {
		c.unique(zones, strconv.Itoa(int(zone)), i, c.item("except.zones")(i), "zone", c.path+".except.zones")
	}
}

// addrs are of both families.
func (c *policyCheck) addrs(words []string) {
	var four, six values
	before := len(c.mistakes)
	for i, word := range words {
		list, kind := &four, nftvalue.IPv4
		if _, of6 := splitAddrs([]string{word}); len(of6) > 0 {
			list, kind = &six, nftvalue.IPv6
		}
		span, err := nftvalue.Parse(kind, word)
		if nftvalue.IsReference(word) {
			err = fmt.Errorf("%q is a set; name it in except.sets", word)
		}
		if err != nil {
			c.add(c.item("except.addrs")(i), err)
			continue
		}
		*list = append(*list, newValue(i, word, span))
	}
	c.checkOverlaps(four, c.item("except.addrs"))
	c.checkOverlaps(six, c.item("except.addrs"))
	c.cut(before)
}

func (c *policyCheck) marks(list string, all []MarkBits) {
	for i, m := range all {
		where := c.item(list)(i)
		mask, err := uint32(1<<32-1), error(nil)
		if m.Mask != "" {
			mask, err = parseMask(m.Mask)
		}
		c.add(where+".mask", err)
		if m.Value != "" {
			c.checkValues(c.scope, "", nftvalue.Mark, mask, []string{m.Value}, func(int) string { return where + ".value" })
		}
		if bit, ok := c.policy.announces(); ok && list == "except.ctMarks" && mask&bit != 0 {
			c.add(where+".mask", fmt.Errorf("the mask holds the announcement bit %s, which keeps a connection from being offloaded a second time; leave the bit out of the mask", nftvalue.Hex(bit)))
		}
	}
}

// announces is the announcement bit of the policy, if it has a usable one.
func (p *Policy) announces() (bit uint32, ok bool) {
	n, err := nftvalue.ParseNumber(p.Announce)
	return uint32(n), err == nil && n < 1<<32 && bits.OnesCount64(n) == 1
}

// checkAnnouncements refuses what is not one bit, and one bit for two flowtables.
func (v *validator) checkAnnouncements(s *Spec) {
	type use struct{ path, flowtable string }
	seen := map[uint32]use{}
	for i := range s.Tables {
		for j := range s.Tables[i].Offload {
			p := &s.Tables[i].Offload[j]
			path := place{table: i}.path("offload[" + strconv.Itoa(j) + "].announce")
			bit, ok := p.announces()
			if p.Announce == "" {
				continue
			} else if !ok {
				v.add(path, fmt.Errorf(`%q is not one bit of a mark; write one such as "0x100"`, p.Announce))
				continue
			}
			flowtable := familyText(s.Tables[i].Family) + " " + s.Tables[i].Name + " " + p.Flowtable
			if first, taken := seen[bit]; !taken {
				seen[bit] = use{path, flowtable}
			} else if first.flowtable != flowtable {
				v.add(path, fmt.Errorf("%s is also the bit of %s, for another flowtable; take another bit", nftvalue.Hex(bit), first.path))
			}
		}
	}
}

func checkDirection(word string) error {
	if word == "" || word == Original || word == Reply {
		return nil
	}
	return fmt.Errorf("%q is not a direction; write %q or %q, or leave it out for both", word, Original, Reply)
}
