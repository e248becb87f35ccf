package offloadtest

import "github.com/go-fastpath/fastpath/internal/nlmsg"

// maxJumps is NFT_JUMP_STACK_SIZE.
const maxJumps = 16

// invalid looks from every base chain for statements that do not belong there: a flow add outside forward, a NAT
// in a chain of another type. The kernel tells the errno alone.
func (t *table) invalid() *refusal {
	for _, c := range t.chains {
		if c.base == nil {
			continue
		}
		if bad := t.walk(c, c, 1, new(int)); bad != nil {
			return bad
		}
	}
	return nil
}

// maxVisits bounds the walk through chains that lead to each other in many ways.
const maxVisits = 1 << 20

func (t *table) walk(base, c *chain, depth int, visits *int) *refusal {
	if *visits++; depth > maxJumps || *visits > maxVisits {
		return refuse(eMLINK)
	}
	for _, r := range c.rules {
		for _, e := range r.exprs {
			if errno := e.misplaced(t, base.base); errno != 0 {
				return refuse(errno)
			}
			if e.chain == "" {
				continue
			}
			if bad := t.walk(base, t.chain(e.chain), depth+1, visits); bad != nil {
				return bad
			}
		}
	}
	return nil
}

func (e expression) misplaced(t *table, base *baseChain) int32 {
	ok := true
	switch e.name {
	case "flow_offload":
		ok = t.hasFlowtables() && base.hook == nlmsg.HookForward
	case "masq":
		ok = base.typ == "nat" && base.hook == nlmsg.HookPostrouting
	case "nat":
		in := base.hook == nlmsg.HookPrerouting || base.hook == nlmsg.HookOutput
		if e.natType == nlmsg.NATSource {
			in = base.hook == nlmsg.HookPostrouting || base.hook == nlmsg.HookInput
		}
		ok = base.typ == "nat" && in
	}
	if !ok {
		return eOPNOTSUPP
	}
	return 0
}

// hasFlowtables: the kernel has them for three families.
func (t *table) hasFlowtables() bool {
	return t.family == nlmsg.FamilyInet || t.family == nlmsg.FamilyIPv4 || t.family == nlmsg.FamilyIPv6
}

// validate looks at the whole at the end of a batch, as the kernel does before it commits or, in a dry run, takes back.
// If it is false, the batch is gone through again with strict tables, and the message at fault answers.
//
// Before Linux 6.4 strictness is a matter of the batch, since then of the table: the table of a dry run is gone when it is
// gone through again, so the error is lost. After a commit that failed so, every new table is strict until one succeeds.
func (k *Kernel) validate(t *transaction) bool {
	valid := true
	for _, tab := range t.state.tables {
		if tab.invalid() == nil {
			delete(k.strictTables, tab.handle)
			continue
		}
		valid = false
		k.strictTables[tab.handle] = true
		if k.model >= linux612 {
			break
		}
	}
	if !valid && (t.ended || k.model == linux61) {
		k.strict = true
	}
	return valid
}

func (t *transaction) strictFor(tab *table) bool {
	return t.strict || t.strictTables[tab.handle]
}
