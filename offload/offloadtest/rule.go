package offloadtest

import (
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// newRule adds a rule at the end or the beginning of its chain, after or before another, or in place of another.
func (t *transaction) newRule(r *request) *refusal {
	if bad := r.attrs.checkNames(nlmsg.NFTARuleTable, nlmsg.NFTARuleChain); bad != nil {
		return bad
	}
	tab, bad := t.tableOf(r, nlmsg.NFTARuleTable)
	if bad != nil {
		return bad
	}
	name := r.attrs.get(nlmsg.NFTARuleChain)
	if !name.there {
		return refuse(eINVAL)
	}
	c := tab.chain(name.String())
	if c == nil {
		return name.refuse(eNOENT)
	}
	made := &rule{id: r.attrs.get(nlmsg.NFTARuleID).u32(), userdata: slices.Clone(r.attrs.get(nlmsg.NFTARuleUserdata).Data)}
	at, bad := t.place(r, tab, c, made)
	if bad != nil {
		return bad
	}
	if made.exprs, bad = t.expressions(r, tab); bad != nil {
		return bad
	}
	if r.has(nlmsg.FlagReplace) {
		old := c.rules[at]
		if old.gone {
			return refuse(eNOENT)
		}
		c.rules[at] = made
		t.happened(event{msg: nlmsg.NFTMsgDelRule, request: r, table: tab, chain: c, rule: old})
		t.dropAnonymous(r, tab, old)
	} else {
		c.rules = slices.Insert(c.rules, at, made)
	}
	t.happened(event{msg: nlmsg.NFTMsgNewRule, request: r, table: tab, chain: c, rule: made})
	t.changed = true
	if !t.strictFor(tab) {
		return nil
	}
	bad = tab.invalid()
	if bad != nil && t.model == linux61 && made.jumps() { // 6.1 finds it out before it adds the rule, and points at it
		i := slices.IndexFunc(made.exprs, func(e expression) bool { return e.chain != "" })
		c.rules = slices.DeleteFunc(c.rules, func(x *rule) bool { return x == made })
		return r.attrs.get(nlmsg.NFTARuleExpressions).inside()[i].refuse(bad.errno)
	}
	return bad
}

func (r *rule) jumps() bool {
	return slices.ContainsFunc(r.exprs, func(e expression) bool { return e.chain != "" })
}

// place finds where a rule goes, and its handle.
func (t *transaction) place(r *request, tab *table, c *chain, made *rule) (int, *refusal) {
	if a := r.attrs.get(nlmsg.NFTARuleHandle); a.there {
		at := c.rule(a.u64())
		switch {
		case at < 0:
			return 0, a.refuse(eNOENT)
		case r.has(nlmsg.FlagExcl):
			return 0, a.refuse(eEXIST)
		case !r.has(nlmsg.FlagReplace):
			return 0, refuse(eOPNOTSUPP)
		}
		made.handle = a.u64()
		return at, nil
	}
	if !r.has(nlmsg.FlagCreate) || r.has(nlmsg.FlagReplace) {
		return 0, refuse(eINVAL)
	}
	made.handle = tab.nextHandle()
	at := -1
	if a := r.attrs.get(nlmsg.NFTARulePosition); a.there {
		if at = c.rule(a.u64()); at < 0 {
			return 0, a.refuse(eNOENT)
		}
	} else if a := r.attrs.get(nlmsg.NFTARulePositionID); a.there {
		if at = slices.IndexFunc(c.rules, func(x *rule) bool { return x.id != 0 && x.id == a.u32() }); at < 0 {
			return 0, a.refuse(eNOENT)
		}
	}
	switch {
	case at >= 0 && r.has(nlmsg.FlagAppend):
		return at + 1, nil
	case at >= 0:
		return at, nil
	case r.has(nlmsg.FlagAppend):
		return len(c.rules), nil
	}
	return 0, nil
}

// rule finds a rule by its handle; -1 if there is none.
func (c *chain) rule(handle uint64) int {
	return slices.IndexFunc(c.rules, func(x *rule) bool { return x.handle == handle })
}

// delRule deletes one rule, those of a chain, or those of a table.
func (t *transaction) delRule(r *request) *refusal {
	tab, bad := t.tableOf(r, nlmsg.NFTARuleTable)
	if bad != nil {
		return bad
	}
	every := func(*rule) bool { return true }
	name := r.attrs.get(nlmsg.NFTARuleChain)
	if !name.there {
		for _, c := range tab.chains {
			t.deleteRules(r, tab, c, every)
		}
		return nil
	}
	c := tab.chain(name.String())
	handle, id := r.attrs.get(nlmsg.NFTARuleHandle), r.attrs.get(nlmsg.NFTARuleID)
	switch {
	case c == nil && r.destroy:
		return nil
	case c == nil:
		return name.refuse(eNOENT)
	case handle.there && c.rule(handle.u64()) < 0:
		if r.destroy {
			return nil
		}
		return handle.refuse(eNOENT)
	case handle.there && c.rules[c.rule(handle.u64())].gone:
		return refuse(eNOENT)
	case handle.there:
		t.deleteRules(r, tab, c, func(x *rule) bool { return x.handle == handle.u64() })
	case id.there:
		match := func(x *rule) bool { return x.id != 0 && x.id == id.u32() }
		if !slices.ContainsFunc(c.rules, match) {
			return id.refuse(eNOENT)
		}
		t.deleteRules(r, tab, c, match)
	default:
		t.deleteRules(r, tab, c, every)
	}
	return nil
}

// deleteRules leaves a trace of each until the commit: others can be put beside it.
func (t *transaction) deleteRules(r *request, tab *table, c *chain, match func(*rule) bool) {
	for i, x := range c.rules {
		if !x.gone && match(x) {
			c.rules[i] = &rule{handle: x.handle, id: x.id, gone: true}
			t.happened(event{msg: nlmsg.NFTMsgDelRule, request: r, table: tab, chain: c, rule: x})
			t.dropAnonymous(r, tab, x)
			t.changed = true
		}
	}
}

// dropAnonymous deletes the sets that a rule brought with it.
func (t *transaction) dropAnonymous(r *request, tab *table, old *rule) {
	for _, e := range old.exprs {
		if s := tab.set(e.set); e.set != "" && s != nil && s.anonymous() {
			tab.sets = slices.DeleteFunc(tab.sets, func(x *set) bool { return x == s })
			t.happened(event{msg: nlmsg.NFTMsgDelSet, request: r, table: tab, set: s})
		}
	}
}
