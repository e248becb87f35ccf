package offloadtest

import (
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// chainBase is NFT_CHAIN_BASE, the flag that dumps show.
const chainBase = 1

// prioConntrack is NF_IP_PRI_CONNTRACK: NAT comes after it.
const prioConntrack = -200

func (t *transaction) newChain(r *request) *refusal {
	if bad := r.attrs.checkNames(nlmsg.NFTAChainTable, nlmsg.NFTAChainName, nlmsg.NFTAChainType); bad != nil {
		return bad
	}
	tab, bad := t.tableOf(r, nlmsg.NFTAChainTable)
	if bad != nil {
		return bad
	}
	old, name, bad := tab.chainOf(r, true)
	if bad != nil {
		return bad
	}
	policy, hook := r.attrs.get(nlmsg.NFTAChainPolicy), r.attrs.get(nlmsg.NFTAChainHook)
	if policy.there {
		switch {
		case old != nil && old.base == nil, old == nil && !hook.there:
			return policy.refuse(eOPNOTSUPP)
		case policy.u32() > nlmsg.VerdictAccept:
			return refuse(eINVAL)
		}
	}
	if r.attrs.get(nlmsg.NFTAChainFlags).u32()&^7 != 0 {
		return refuse(eOPNOTSUPP)
	}
	if old != nil {
		tab.unhooked = tab.unhooked || t.model != linux61
		return t.updateChain(r, old, name)
	}
	base, bad := parseBase(r)
	if bad != nil {
		return bad
	}
	if base != nil && tab.turned {
		return refuse(eINVAL)
	}
	tab.chains = append(tab.chains, &chain{
		name: name.String(), handle: tab.nextHandle(), base: base,
		userdata: slices.Clone(r.attrs.get(nlmsg.NFTAChainUserdata).Data),
	})
	t.changed = true
	return nil
}

// updateChain changes the policy; anything else must be as it is.
func (t *transaction) updateChain(r *request, old *chain, point attr) *refusal {
	switch {
	case r.has(nlmsg.FlagExcl):
		return point.refuse(eEXIST)
	case r.has(nlmsg.FlagReplace):
		return refuse(eOPNOTSUPP)
	}
	if r.attrs.get(nlmsg.NFTAChainHook).there {
		if bad := t.sameBase(r, old.base, point); bad != nil {
			return bad
		}
	}
	if a := r.attrs.get(nlmsg.NFTAChainPolicy); a.there {
		old.base.policy = a.u32()
	}
	t.changed = true
	return nil
}

// sameBase refuses another hook, priority or type than the chain has.
func (t *transaction) sameBase(r *request, old *baseChain, point attr) *refusal {
	if old == nil {
		return point.refuse(eEXIST)
	}
	in := r.attrs.get(nlmsg.NFTAChainHook).inside()
	hook, priority := in.get(nlmsg.NFTAHookHookNum), in.get(nlmsg.NFTAHookPriority)
	if t.model >= linux612 && (hook.there && hook.u32() != old.hook || priority.there && int32(priority.u32()) != old.priority) {
		return refuse(eOPNOTSUPP)
	}
	if t.model >= linux612 && (!hook.there || !priority.there) {
		return nil
	}
	if typ := r.attrs.get(nlmsg.NFTAChainType); t.model >= linux612 && typ.there && typ.String() != old.typ {
		return point.refuse(eEXIST)
	}
	base, bad := parseBase(r)
	switch {
	case bad != nil:
		return bad
	case base.typ != old.typ || base.hook != old.hook || base.priority != old.priority:
		return point.refuse(eEXIST)
	}
	return nil
}

// chainOf finds the chain that a message names by handle or name; nil where there is none of that name and create is set.
func (t *table) chainOf(r *request, create bool) (*chain, attr, *refusal) {
	if a := r.attrs.get(nlmsg.NFTAChainHandle); a.there {
		for _, c := range t.chains {
			if c.handle == a.u64() {
				return c, a, nil
			}
		}
		return nil, a, a.refuse(eNOENT)
	}
	a := r.attrs.get(nlmsg.NFTAChainName)
	if !a.there {
		return nil, a, refuse(eINVAL)
	}
	c := t.chain(a.String())
	if c == nil && !create {
		return nil, a, a.refuse(eNOENT)
	}
	return c, a, nil
}

// parseBase reads hook, type and policy; nil for a chain without hook.
func parseBase(r *request) (*baseChain, *refusal) {
	hook := r.attrs.get(nlmsg.NFTAChainHook)
	if !hook.there {
		return nil, nil
	}
	list := hook.inside()
	num, priority := list.get(nlmsg.NFTAHookHookNum), list.get(nlmsg.NFTAHookPriority)
	if len(num.Data) < 4 || len(priority.Data) < 4 {
		return nil, refuse(eINVAL)
	}
	b := &baseChain{typ: "filter", hook: num.u32(), priority: int32(priority.u32()), policy: nlmsg.VerdictAccept}
	if a := r.attrs.get(nlmsg.NFTAChainType); a.there {
		b.typ = a.String()
	}
	hooks, ok := hooksOf(r.family, b.typ)
	switch {
	case !ok:
		return nil, r.attrs.get(nlmsg.NFTAChainType).refuse(eNOENT)
	case b.hook > nlmsg.HookPostrouting, hooks&(1<<b.hook) == 0:
		return nil, refuse(eOPNOTSUPP)
	case b.typ == "nat" && b.priority <= prioConntrack:
		return nil, refuse(eOPNOTSUPP)
	}
	if a := r.attrs.get(nlmsg.NFTAChainPolicy); a.there {
		b.policy = a.u32()
	}
	return b, nil
}

// hooksOf are the hooks that a type of chain has, as bits.
func hooksOf(family byte, typ string) (hooks uint32, ok bool) {
	const all = 1<<nlmsg.HookPrerouting | 1<<nlmsg.HookInput | 1<<nlmsg.HookForward | 1<<nlmsg.HookOutput | 1<<nlmsg.HookPostrouting
	ip := family == nlmsg.FamilyIPv4 || family == nlmsg.FamilyIPv6 || family == nlmsg.FamilyInet
	switch {
	case typ == "filter" && (ip || family == nlmsg.FamilyBridge):
		return all, true
	case typ == "filter" && family == nlmsg.FamilyARP:
		return 1<<0 | 1<<1, true
	case typ == "filter" && family == nlmsg.FamilyNetdev:
		return 0, true // not imitated
	case typ == "route" && ip:
		return 1 << nlmsg.HookOutput, true
	case typ == "nat" && ip:
		return all &^ (1 << nlmsg.HookForward), true
	}
	return 0, false
}

// delChain takes the chain's rules with it. It is refused while rules lead to it.
func (t *transaction) delChain(r *request) *refusal {
	tab, bad := t.tableOf(r, nlmsg.NFTAChainTable)
	if bad != nil {
		return bad
	}
	c, point, bad := tab.chainOf(r, false)
	switch {
	case bad != nil && bad.errno == eNOENT && r.destroy:
		return nil
	case bad != nil:
		return bad
	case r.has(flagNonRecursive) && c.count() > 0:
		return refuse(eBUSY)
	}
	t.deleteRules(r, tab, c, func(*rule) bool { return true })
	if tab.uses().chains[c.name] > 0 {
		return point.refuse(eBUSY)
	}
	tab.chains = slices.DeleteFunc(tab.chains, func(x *chain) bool { return x == c })
	tab.unhooked = tab.unhooked || c.base != nil
	t.changed = true
	return nil
}
