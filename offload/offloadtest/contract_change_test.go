package offloadtest

import (
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// The rows in this file are what a small change of a ruleset sends: one rule, one element, one device, one policy.

func ruleHandle(n uint64) fields   { return num64(nlmsg.NFTARuleHandle, n) }
func rulePosition(n uint64) fields { return num64(nlmsg.NFTARulePosition, n) }
func ruleID(n uint32) fields       { return num(nlmsg.NFTARuleID, n) }

// threeRules has the chain c with the handle 1, and in it the rules 2, 3 and 4.
func threeRules(b *batch) {
	newTable(b)
	newChain(b, "c")
	for range 3 {
		newRule(b, "c", appended, exprs(counter()))
	}
}

func changeRuleRows() []row {
	const replace = nlmsg.FlagReplace
	other := exprs(loadMark())
	noted := raw(nlmsg.NFTARuleUserdata, "\x00\x05note\x00")
	change := func(name, want string, do func(*batch)) row {
		return same("change rule: "+name, "ok | "+want, threeRules, do)
	}
	return []row{
		change("replaced with a comment", "ok", func(b *batch) { newRule(b, "c", replace, other, ruleHandle(3), noted) }),
		change("replaced twice", "ok", func(b *batch) {
			newRule(b, "c", replace, other, ruleHandle(3))
			newRule(b, "c", replace, other, ruleHandle(3), noted)
		}),
		change("replaced, then deleted", "ok", func(b *batch) {
			newRule(b, "c", replace, other, ruleHandle(3))
			delRule(b, "c", ruleHandle(3))
		}),
		change("deleted, then replaced", "2:ENOENT", func(b *batch) {
			delRule(b, "c", ruleHandle(3))
			newRule(b, "c", replace, other, ruleHandle(3))
		}),
		change("deleted twice", "2:ENOENT", func(b *batch) {
			delRule(b, "c", ruleHandle(3))
			delRule(b, "c", ruleHandle(3))
		}),
		change("appended after one that is deleted", "ok", func(b *batch) {
			delRule(b, "c", ruleHandle(3))
			newRule(b, "c", appended, other, rulePosition(3))
		}),
		change("before one that is deleted", "ok", func(b *batch) {
			delRule(b, "c", ruleHandle(3))
			newRule(b, "c", create, other, rulePosition(3))
			newRule(b, "c", create, other, rulePosition(4), noted)
		}),
		change("beside one that is replaced and deleted", "ok", func(b *batch) {
			newRule(b, "c", replace, other, ruleHandle(3))
			delRule(b, "c", ruleHandle(3))
			newRule(b, "c", appended, exprs(counter(), counter()), rulePosition(3))
		}),
		change("beside one that is new and deleted", "ok", func(b *batch) {
			newRule(b, "c", create, other, rulePosition(3), ruleID(7))
			delRule(b, "c", ruleID(7))
			newRule(b, "c", appended, exprs(counter(), counter()), num(nlmsg.NFTARulePositionID, 7))
		}),
		change("chain flushed, then beside one of it", "ok", func(b *batch) {
			delRule(b, "c")
			newRule(b, "c", appended, other, rulePosition(3))
		}),
		change("beside one that is replaced", "ok", func(b *batch) {
			newRule(b, "c", replace, other, ruleHandle(3))
			newRule(b, "c", create, other, rulePosition(3), noted)
			newRule(b, "c", appended, other, rulePosition(3))
		}),
		change("beside one that is new", "ok", func(b *batch) {
			newRule(b, "c", create, other, rulePosition(3), ruleID(7))
			newRule(b, "c", create, exprs(counter()), num(nlmsg.NFTARulePositionID, 7))
			newRule(b, "c", appended, exprs(counter(), counter()), num(nlmsg.NFTARulePositionID, 7))
		}),
		change("several before one", "ok", func(b *batch) {
			newRule(b, "c", create, other, rulePosition(3))
			newRule(b, "c", create, other, rulePosition(3), noted)
		}),
		change("several after one", "ok", func(b *batch) {
			newRule(b, "c", appended, other, rulePosition(3))
			newRule(b, "c", appended, other, rulePosition(3), noted)
		}),
		change("inserted before, then that is deleted", "ok", func(b *batch) {
			newRule(b, "c", create, other, rulePosition(3))
			delRule(b, "c", ruleHandle(3))
		}),
		change("moved", "ok", func(b *batch) {
			delRule(b, "c", ruleHandle(2))
			newRule(b, "c", appended, exprs(counter()), rulePosition(4))
		}),
		change("chain flushed and filled again", "ok", func(b *batch) {
			delRule(b, "c")
			newRule(b, "c", appended, other)
		}),
		change("empty chain flushed", "ok", func(b *batch) { newChain(b, "d"); delRule(b, "d") }),
		change("all of the table", "ok", func(b *batch) { b.inet(nlmsg.NFTMsgDelRule, 0, str(nlmsg.NFTARuleTable, "t")) }),
		change("replaced without a handle", "1:EINVAL", func(b *batch) { newRule(b, "c", replace, other) }),
		change("a handle, neither replaced nor new", "1:EOPNOTSUPP", func(b *batch) { newRule(b, "c", create, other, ruleHandle(3)) }),
		change("a handle, exclusive", "1:EEXIST@NFTA_RULE_HANDLE", func(b *batch) { newRule(b, "c", create|nlmsg.FlagExcl, other, ruleHandle(3)) }),
		change("a handle of another chain", "2:ENOENT@NFTA_RULE_HANDLE", func(b *batch) {
			newChain(b, "d")
			newRule(b, "d", replace, other, ruleHandle(3))
		}),
		change("a position of another chain", "2:ENOENT@NFTA_RULE_POSITION", func(b *batch) {
			newChain(b, "d")
			newRule(b, "d", appended, other, rulePosition(3))
		}),
		change("a deletion in the wrong chain", "2:ENOENT@NFTA_RULE_HANDLE", func(b *batch) {
			newChain(b, "d")
			delRule(b, "d", ruleHandle(3))
		}),
		change("replaced with nonsense", "1:ENOENT@NFTA_LIST_ELEM", func(b *batch) { newRule(b, "c", replace, exprs(expr("nosuch")), ruleHandle(3)) }),
		change("a loop that nothing leads to", "ok", func(b *batch) { newRule(b, "c", appended, exprs(jumpTo("c"))) }),
		perKernel("change rule: a loop", wants{"ok | 3:EMLINK@NFTA_LIST_ELEM", "ok | 3:EMLINK", "ok | 3:EMLINK"}, threeRules, func(b *batch) {
			newRule(b, "c", appended, exprs(jumpTo("c")))
			baseChainOf(b, "b", nlmsg.HookForward)
			newRule(b, "b", appended, exprs(jumpTo("c")))
		}),
	}
}

// changeReferenceRows change who refers to what.
func changeReferenceRows() []row {
	using := func(b *batch) { // chain c 1, chain d 2, set s 3, rule 4: jump d, rule 5: lookup s
		newTable(b)
		newChain(b, "c")
		newChain(b, "d")
		newSet(b, "s", create, 1, 0)
		newRule(b, "c", appended, exprs(jumpTo("d")))
		newRule(b, "c", appended, exprs(loadMark(), lookup("s", 0)))
	}
	anonymous := func(b *batch) { // set 1+, rule
		newTable(b)
		newChain(b, "c")
		newSet(b, "__set%d", create, 2, nlmsg.SetAnonymous|nlmsg.SetConstant)
		elements(b, nlmsg.NFTMsgNewSetElem, create, "__set%d", 2, elem("aaaa"))
		newRule(b, "c", appended, exprs(loadMark(), lookup("__set%d", 2)))
	}
	flow := func(b *batch) { // flowtable 1, chain 2, rule 3
		first(b)
		baseChainOf(b, "c", nlmsg.HookForward)
		newRule(b, "c", appended, exprs(flowAdd("f")))
	}
	const replace = nlmsg.FlagReplace
	return []row{
		same("change reference: the jump goes, then the chain", "ok | ok", using, func(b *batch) { delRule(b, "c", ruleHandle(4)); delChain(b, "d") }),
		same("change reference: the chain goes before the jump", "ok | 1:EBUSY@NFTA_CHAIN_NAME", using, func(b *batch) { delChain(b, "d"); delRule(b, "c", ruleHandle(4)) }),
		same("change reference: the jump is replaced, then the chain goes", "ok | ok", using, func(b *batch) {
			newRule(b, "c", replace, exprs(counter()), ruleHandle(4))
			delChain(b, "d")
		}),
		same("change reference: the lookup goes, then the set", "ok | ok", using, func(b *batch) { delRule(b, "c", ruleHandle(5)); delSet(b, "s") }),
		same("change reference: the set goes before the lookup", "ok | 1:EBUSY@NFTA_SET_NAME", using, func(b *batch) { delSet(b, "s"); delRule(b, "c", ruleHandle(5)) }),
		same("change reference: the lookup is replaced, then the set goes", "ok | ok", using, func(b *batch) {
			newRule(b, "c", replace, exprs(counter()), ruleHandle(5))
			delSet(b, "s")
		}),
		same("change reference: a set is made again under a rule", "ok | ok", using, func(b *batch) {
			delRule(b, "c", ruleHandle(5))
			delSet(b, "s")
			newSet(b, "s", create, 9, nlmsg.SetInterval)
			newRule(b, "c", appended, exprs(loadMark(), lookup("s", 9)))
		}),
		same("change reference: a lookup of a deleted set", "ok | 3:ENOENT@NFTA_LIST_ELEM", using, func(b *batch) {
			delRule(b, "c", ruleHandle(5))
			delSet(b, "s")
			newRule(b, "c", appended, exprs(loadMark(), lookup("s", 0)))
		}),
		same("change reference: an anonymous set goes with a replaced rule", "ok | ok", anonymous, func(b *batch) {
			newRule(b, "c", replace, exprs(counter()), ruleHandle(3))
		}),
		same("change reference: an anonymous set in place of another", "ok | ok", anonymous, func(b *batch) {
			newSet(b, "__set%d", create, 5, nlmsg.SetAnonymous|nlmsg.SetConstant)
			elements(b, nlmsg.NFTMsgNewSetElem, create, "__set%d", 5, elem("bbbb"))
			newRule(b, "c", replace, exprs(loadMark(), lookup("__set%d", 5)), ruleHandle(3))
		}),
		same("change reference: flow add is replaced, then the flowtable goes", "ok | ok", flow, func(b *batch) {
			newRule(b, "c", replace, exprs(counter()), ruleHandle(3))
			delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("f"))
		}),
		same("change reference: a flowtable is made again under its rule", "ok | ok", flow, func(b *batch) {
			delRule(b, "c", ruleHandle(3))
			delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("f"))
			newFlowtable(b, "f", 0, nest(nlmsg.NFTAFlowtableHook, num(1, 0), num(2, 10), devs("d0", "d1")))
			newRule(b, "c", appended, exprs(flowAdd("f")))
		}),
		same("change reference: another flowtable under the same rule", "ok | ok", flow, func(b *batch) {
			newFlowtable(b, "g", 0, hook("d1"))
			newRule(b, "c", replace, exprs(flowAdd("g")), ruleHandle(3))
		}),
	}
}

func changeChainRows() []row {
	policy := func(v uint32) fields { return num(nlmsg.NFTAChainPolicy, v) }
	typ := func(s string) fields { return str(nlmsg.NFTAChainType, s) }
	base := func(b *batch) { // base chain c 1, regular chain d 2, rule 3 in c
		newTable(b)
		baseChainOf(b, "c", nlmsg.HookForward, policy(nlmsg.VerdictAccept))
		newChain(b, "d")
		newRule(b, "c", appended, exprs(counter()))
	}
	change := func(name string, want wants, do func(*batch)) row {
		for i, w := range want {
			if w != "" {
				want[i] = "ok | " + w
			}
		}
		return perKernel("change chain: "+name, want, base, do)
	}
	return []row{
		change("policy with the hook", only("ok"), func(b *batch) { baseChainOf(b, "c", nlmsg.HookForward, policy(nlmsg.VerdictDrop)) }),
		change("policy twice", only("ok"), func(b *batch) {
			newChain(b, "c", policy(nlmsg.VerdictDrop))
			newChain(b, "c", policy(nlmsg.VerdictAccept))
		}),
		change("policy by handle", only("ok"), func(b *batch) {
			b.inet(nlmsg.NFTMsgNewChain, 0, str(nlmsg.NFTAChainTable, "t"), num64(nlmsg.NFTAChainHandle, 1), policy(nlmsg.VerdictDrop))
		}),
		change("policy without create", only("ok"), func(b *batch) {
			b.inet(nlmsg.NFTMsgNewChain, 0, str(nlmsg.NFTAChainTable, "t"), str(nlmsg.NFTAChainName, "c"), policy(nlmsg.VerdictDrop))
		}),
		change("policy of a regular chain", only("1:EOPNOTSUPP@NFTA_CHAIN_POLICY"), func(b *batch) { newChain(b, "d", policy(nlmsg.VerdictDrop)) }),
		change("unknown policy", only("1:EINVAL"), func(b *batch) { newChain(b, "c", policy(7)) }),
		change("nothing", only("ok"), func(b *batch) { newChain(b, "c") }),
		change("a regular chain that is there", only("ok"), func(b *batch) { newChain(b, "d") }),
		change("exclusive", only("1:EEXIST@NFTA_CHAIN_NAME"), func(b *batch) { b.inet(nlmsg.NFTMsgNewChain, create|nlmsg.FlagExcl, str(1, "t"), str(3, "d")) }),
		change("replace", only("1:EOPNOTSUPP"), func(b *batch) { b.inet(nlmsg.NFTMsgNewChain, create|nlmsg.FlagReplace, str(1, "t"), str(3, "d")) }),
		change("other hook", wants{"1:EEXIST@NFTA_CHAIN_NAME", "1:EOPNOTSUPP", "1:EOPNOTSUPP"}, func(b *batch) { baseChainOf(b, "c", nlmsg.HookInput) }),
		change("other type", wants{"1:EOPNOTSUPP", "1:EEXIST@NFTA_CHAIN_NAME", "1:EEXIST@NFTA_CHAIN_NAME"}, func(b *batch) { newChain(b, "c", chainHook(nlmsg.HookForward, 0), typ("route")) }),
		change("type alone", only("ok"), func(b *batch) { newChain(b, "c", typ("route")) }),
		change("hook of a regular chain", only("1:EEXIST@NFTA_CHAIN_NAME"), func(b *batch) { baseChainOf(b, "d", nlmsg.HookForward) }),
		change("made again", only("ok"), func(b *batch) {
			delChain(b, "c")
			newChain(b, "c", chainHook(nlmsg.HookForward, 10), typ("filter"), policy(nlmsg.VerdictDrop))
			newRule(b, "c", appended, exprs(counter()))
		}),
		change("flushed and deleted", only("ok"), func(b *batch) { delRule(b, "c"); delChain(b, "c") }),
		change("deleted twice", only("2:ENOENT@NFTA_CHAIN_NAME"), func(b *batch) { delChain(b, "d"); delChain(b, "d") }),
		change("deleted by handle", only("ok"), func(b *batch) {
			b.inet(nlmsg.NFTMsgDelChain, 0, str(nlmsg.NFTAChainTable, "t"), num64(nlmsg.NFTAChainHandle, 2))
		}),
		change("a missing one deleted", only("1:ENOENT@NFTA_CHAIN_NAME"), func(b *batch) { delChain(b, "x") }),
		change("a rule in a deleted one", only("2:ENOENT@NFTA_RULE_CHAIN"), func(b *batch) { delChain(b, "d"); newRule(b, "d", appended, exprs(counter())) }),
		change("deleted with its hook alone", only("2:ENOENT@NFTA_CHAIN_NAME"), func(b *batch) {
			delChain(b, "c")
			b.inet(nlmsg.NFTMsgDelChain, 0, str(1, "t"), str(3, "c"), chainHook(nlmsg.HookForward, 0))
		}),
	}
}

func changeTableRows() []row {
	flags := func(b *batch, v uint32) {
		b.inet(nlmsg.NFTMsgNewTable, create, str(nlmsg.NFTATableName, "t"), num(nlmsg.NFTATableFlags, v))
	}
	const dormant = 1
	some := func(b *batch) {
		newTable(b)
		baseChainOf(b, "c", nlmsg.HookForward)
		newRule(b, "c", appended, exprs(counter()))
	}
	return []row{
		same("change table: dormant and back", "ok | ok | ok", some, func(b *batch) { flags(b, dormant) }, func(b *batch) { flags(b, 0) }),
		same("change table: the flags that it has", "ok | ok", some, func(b *batch) { flags(b, 0) }),
		same("change table: without flags", "ok | ok | ok", some, func(b *batch) { flags(b, dormant) }, newTable),
		exactly("change table: unknown flag", wants{"ok | 1:EOPNOTSUPP", "", "", "ok | 1:EINVAL@NFTA_TABLE_FLAGS"}, some, func(b *batch) { flags(b, 8) }),
		exactly("change table: new with an unknown flag", wants{"1:EOPNOTSUPP", "", "", "1:EINVAL@NFTA_TABLE_FLAGS"}, func(b *batch) { flags(b, 8) }),
		same("change table: made dormant", "ok", func(b *batch) { flags(b, dormant); baseChainOf(b, "c", nlmsg.HookForward) }),
		same("change table: woken, then a new base chain", "ok | ok | 2:EINVAL", some, func(b *batch) { flags(b, dormant) }, func(b *batch) {
			flags(b, 0)
			baseChainOf(b, "n", nlmsg.HookInput)
		}),
		same("change table: woken, then a new regular chain", "ok | ok | ok", some, func(b *batch) { flags(b, dormant) }, func(b *batch) {
			flags(b, 0)
			newChain(b, "n")
		}),
		same("change table: a new base chain, then woken", "ok | ok | ok", some, func(b *batch) { flags(b, dormant) }, func(b *batch) {
			baseChainOf(b, "n", nlmsg.HookInput)
			flags(b, 0)
		}),
		same("change table: woken, then a base chain goes", "ok | ok | ok", some, func(b *batch) { flags(b, dormant) }, func(b *batch) {
			flags(b, 0)
			delChain(b, "c")
		}),
		same("change table: a base chain goes, then woken", "ok | ok | 2:EINVAL", some, func(b *batch) { flags(b, dormant) }, func(b *batch) {
			delChain(b, "c")
			flags(b, 0)
		}),
		same("change table: a regular chain goes, then woken", "ok | ok | ok", func(b *batch) { some(b); newChain(b, "r") }, func(b *batch) { flags(b, dormant) }, func(b *batch) {
			delChain(b, "r")
			flags(b, 0)
		}),
		perKernel("change table: a policy, then woken", wants{"ok | ok | ok", "ok | ok | 2:EINVAL", "ok | ok | 2:EINVAL"}, some, func(b *batch) { flags(b, dormant) }, func(b *batch) {
			newChain(b, "c", num(nlmsg.NFTAChainPolicy, nlmsg.VerdictDrop))
			flags(b, 0)
		}),
		perKernel("change table: a regular chain that is there, then woken", wants{"ok | ok | ok", "ok | ok | 2:EINVAL", "ok | ok | 2:EINVAL"}, func(b *batch) { some(b); newChain(b, "r") }, func(b *batch) { flags(b, dormant) }, func(b *batch) {
			newChain(b, "r")
			flags(b, 0)
		}),
		same("change table: dormant and back in one batch", "ok | 2:EINVAL", some, func(b *batch) { flags(b, dormant); flags(b, 0) }),
		same("change table: woken, deleted and made again", "ok | ok | ok", some, func(b *batch) { flags(b, dormant) }, func(b *batch) {
			flags(b, 0)
			delTable(b)
			some(b)
		}),
		same("change table: another's base chain goes, then woken", "ok | ok | ok", func(b *batch) {
			some(b)
			b.inet(nlmsg.NFTMsgNewTable, create, str(nlmsg.NFTATableName, "u"))
			b.inet(nlmsg.NFTMsgNewChain, create, str(1, "u"), str(3, "c"), chainHook(nlmsg.HookForward, 0), str(nlmsg.NFTAChainType, "filter"))
		}, func(b *batch) { flags(b, dormant) }, func(b *batch) {
			b.inet(nlmsg.NFTMsgDelChain, 0, str(1, "u"), str(3, "c"))
			flags(b, 0)
		}),
		same("change table: the flags that it has, and a new base chain", "ok | ok", some, func(b *batch) { flags(b, 0); baseChainOf(b, "n", nlmsg.HookInput) }),
		same("change table: dormant, then a policy", "ok | ok", some, func(b *batch) {
			flags(b, dormant)
			newChain(b, "c", num(nlmsg.NFTAChainPolicy, nlmsg.VerdictDrop))
		}),
		same("change table: replace", "ok | 1:EOPNOTSUPP", some, func(b *batch) {
			b.inet(nlmsg.NFTMsgNewTable, create|nlmsg.FlagReplace, str(nlmsg.NFTATableName, "t"))
		}),
		same("change table: deleted twice", "ok | 2:ENOENT@NFTA_TABLE_NAME", some, func(b *batch) { delTable(b); delTable(b) }),
		same("change table: by handle", "ok | ok", some, func(b *batch) { b.inet(nlmsg.NFTMsgDelTable, 0, num64(nlmsg.NFTATableHandle, 1)) }),
	}
}

func changeFlowtableRows() []row {
	two := func(b *batch) { // f 1 on d0, g 2 on d1
		newTable(b)
		newFlowtable(b, "f", 0, hook("d0"), ftFlags(nlmsg.FlowtableCounter))
		newFlowtable(b, "g", 0, hook("d1"))
	}
	del := func(b *batch, name string, devices ...string) {
		delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName(name), update(devices...))
	}
	change := func(name, want string, do func(*batch)) row {
		return same("change flowtable: "+name, "ok | "+want, two, do)
	}
	return []row{
		change("counter comes", "ok", func(b *batch) { newFlowtable(b, "g", 0, update(), ftFlags(nlmsg.FlowtableCounter)) }),
		change("counter comes with a whole hook", "ok", func(b *batch) { newFlowtable(b, "g", 0, hook("d1"), ftFlags(nlmsg.FlowtableCounter)) }),
		change("without a hook", "1:EINVAL", func(b *batch) { newFlowtable(b, "g", 0, ftFlags(nlmsg.FlowtableCounter)) }),
		change("counter goes and comes", "ok", func(b *batch) {
			newFlowtable(b, "f", 0, update(), ftFlags(0))
			newFlowtable(b, "f", 0, update(), ftFlags(nlmsg.FlowtableCounter))
		}),
		change("devices swap", "ok", func(b *batch) {
			del(b, "f", "d0")
			del(b, "g", "d1")
			newFlowtable(b, "f", 0, update("d1"))
			newFlowtable(b, "g", 0, update("d0"))
		}),
		change("device leaves and comes back", "ok", func(b *batch) { del(b, "f", "d0"); newFlowtable(b, "f", 0, update("d0")) }),
		change("device leaves twice", "2:ENOENT", func(b *batch) { del(b, "f", "d0"); del(b, "f", "d0") }),
		change("one of the devices is not there", "1:ENOENT", func(b *batch) { del(b, "f", "d0", "d1") }),
		change("device leaves, then the flowtable goes", "ok", func(b *batch) { del(b, "f", "d0"); delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("f")) }),
		change("flowtable goes, its device moves", "ok", func(b *batch) {
			delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("f"))
			newFlowtable(b, "g", 0, update("d0"))
		}),
		change("device is added and counter goes", "ok", func(b *batch) { newFlowtable(b, "f", 0, update("hwno0"), ftFlags(0)) }),
		change("deleted twice", "2:ENOENT@NFTA_FLOWTABLE_NAME", func(b *batch) {
			delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("f"))
			delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("f"))
		}),
		change("device leaves by handle", "ok", func(b *batch) {
			delFlowtable(b, nlmsg.NFTMsgDelFlowtable, num64(nlmsg.NFTAFlowtableHandle, 1), update("d0"))
		}),
		change("device leaves, other priority", "1:EOPNOTSUPP", func(b *batch) {
			delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("f"), nest(nlmsg.NFTAFlowtableHook, num(1, 0), num(2, 10), devs("d0")))
		}),
		change("all in one batch", "ok", func(b *batch) {
			newFlowtable(b, "h", 0, hook("hwno0"))
			newFlowtable(b, "h", 0, update(), ftFlags(nlmsg.FlowtableCounter))
			delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("h"))
		}),
	}
}
