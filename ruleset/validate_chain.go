package ruleset

import (
	"errors"
	"fmt"

	"github.com/go-fastpath/fastpath/flowtable"
)

// natPriority is the priority that a nat chain must be above, that of conntrack (NF_IP_PRI_CONNTRACK,
// include/uapi/linux/netfilter_ipv4.h); nft_chain_parse_hook answers EOPNOTSUPP.
const natPriority = -200

func (v *validator) checkChains(p place, t *Table) {
	names := map[string]int{}
	for i := range t.Chains {
		p.chain = i
		v.addChain(p, "name", flowtable.CheckName(t.Chains[i].Name))
		v.unique(names, t.Chains[i].Name, i, p.chainPath("name"), "chain", "chains")
		v.checkHook(p, &t.Chains[i])
	}
	lowered := t.lowered()
	s := newScope(&lowered)
	v.checkPolicies(p, s, t, names)
	v.checkJumps(p, s)
	v.checkRules(p, s, t)
}

// checkHook refuses the combinations of type, hook, priority and policy that the kernel or nft refuses.
func (v *validator) checkHook(p place, c *Chain) {
	if c.Hook == "" {
		v.checkRegular(p, c)
		return
	}
	if _, ok := c.Hook.number(); !ok {
		v.addChain(p, "hook", fmt.Errorf(`unknown hook %q; write "prerouting", "input", "forward", "output" or "postrouting"`, string(c.Hook)))
	}
	switch c.Type {
	case NATChain:
		if c.Hook == Forward {
			v.addChain(p, "hook", errors.New(`the kernel has no nat chain in "forward"; write dnat in "prerouting", snat and masquerade in "postrouting"`))
		}
	case RouteChain:
		if c.Hook != Output {
			v.addChain(p, "hook", fmt.Errorf(`the kernel has route chains only in "output", not in %q; write "output", or another type`, string(c.Hook)))
		}
	}
	if !c.Type.isKnown() {
		v.addChain(p, "type", fmt.Errorf(`unknown chain type %q; write "filter", "nat" or "route"`, string(c.Type)))
	}
	v.checkPriority(p, c)
	if c.Policy != "" && c.Policy != VerdictAccept && c.Policy != VerdictDrop {
		v.addChain(p, "policy", fmt.Errorf(`a policy cannot be %q; write "accept" or "drop"`, string(c.Policy)))
	}
}

// isKnown reports whether there is such a type; "" is filter.
func (t ChainType) isKnown() bool {
	return t == "" || t == FilterChain || t == NATChain || t == RouteChain
}

func (v *validator) checkPriority(p place, c *Chain) {
	priority, err := c.Priority.Int32()
	if err != nil {
		v.addChain(p, "priority", err)
		return
	}
	if c.Type == NATChain && priority <= natPriority {
		v.addChain(p, "priority", fmt.Errorf("priority %d of a nat chain is before conntrack, which the kernel refuses; choose one above %d, such as %q", priority, natPriority, natName(c.Hook)))
	}
}

// natName is the usual priority of a nat chain.
func natName(h Hook) string {
	if h == Prerouting || h == Output {
		return "dstnat"
	}
	return "srcnat"
}

// checkRegular refuses what only base chains have.
func (v *validator) checkRegular(p place, c *Chain) {
	for _, field := range []struct {
		name string
		set  bool
	}{{"type", c.Type != ""}, {"priority", c.Priority != ""}, {"policy", c.Policy != ""}} {
		if field.set {
			v.addChain(p, field.name, fmt.Errorf("a chain without hook has no %s; add a hook, or leave it out", field.name))
		}
	}
}
