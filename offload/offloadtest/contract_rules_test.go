package offloadtest

import (
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// placementRows are flow add where it belongs and where not, for real and in a dry run.
func placementRows() []row {
	in := func(hookNum uint32) func(*batch) {
		return func(b *batch) {
			first(b)
			baseChainOf(b, "c", hookNum)
			newRule(b, "c", appended, exprs(flowAdd("f")))
			newRule(b, "c", appended, exprs(counter()))
		}
	}
	jumped := func(b *batch) {
		first(b)
		baseChainOf(b, "c", nlmsg.HookInput)
		newChain(b, "sub")
		newRule(b, "sub", appended, exprs(flowAdd("f")))
		newRule(b, "c", appended, exprs(jumpTo("sub")))
	}
	ready := func(b *batch) { first(b); baseChainOf(b, "c", nlmsg.HookInput) }
	misplaced := func(b *batch) { newRule(b, "c", appended, exprs(flowAdd("f"))) }
	return []row{
		same("flow add: forward", "ok", in(nlmsg.HookForward)),
		same("flow add: input", "4:EOPNOTSUPP 5:EOPNOTSUPP", in(nlmsg.HookInput)),
		same("flow add: postrouting", "4:EOPNOTSUPP 5:EOPNOTSUPP", in(nlmsg.HookPostrouting)),
		perKernel("flow add: by a jump from input", wants{"6:EOPNOTSUPP@NFTA_LIST_ELEM", "6:EOPNOTSUPP", "6:EOPNOTSUPP"}, jumped),
		same("flow add: missing flowtable", "3:ENOENT@NFTA_LIST_ELEM", func(b *batch) {
			newTable(b)
			baseChainOf(b, "c", nlmsg.HookForward)
			newRule(b, "c", appended, exprs(counter(), flowAdd("g")))
		}),
		same("flow add: without a name", "3:EINVAL@NFTA_LIST_ELEM", func(b *batch) {
			newTable(b)
			newChain(b, "c")
			newRule(b, "c", appended, exprs(expr("flow_offload")))
		}),
		{name: "flow add: input, dry run of a new table", want: wants{"4:EOPNOTSUPP 5:EOPNOTSUPP", "ok", "ok"},
			steps: []step{{batch: in(nlmsg.HookInput), dry: true}}},
		{name: "flow add: input, dry run in a table that is there", want: only("ok | 1:EOPNOTSUPP"),
			steps: []step{{batch: ready}, {batch: misplaced, dry: true}}},
		{name: "flow add: input, dry run after a real one failed", want: only("4:EOPNOTSUPP 5:EOPNOTSUPP | 4:EOPNOTSUPP 5:EOPNOTSUPP"),
			steps: []step{{batch: in(nlmsg.HookInput)}, {batch: in(nlmsg.HookInput), dry: true}}},
	}
}

// batchRows are the frame around messages.
func batchRows() []row {
	pinned := func(by uint32) func(*batch) {
		return func(b *batch) { b.pin = b.generation + by; newTable(b) }
	}
	return []row{
		same("batch: empty", "silence", func(*batch) {}),
		same("batch: this generation", "ok", pinned(0)),
		same("batch: another generation", "0:ERESTART", pinned(1)),
		{name: "batch: dry run changes nothing", want: only("ok"), steps: []step{{batch: first, dry: true}}},
		same("batch: all or nothing, every error is told", "2:ENOENT@NFTA_RULE_CHAIN 4:ENOENT@NFTA_FLOWTABLE_TABLE", func(b *batch) {
			newTable(b)
			newRule(b, "gone", appended, exprs(counter()))
			newChain(b, "c")
			b.inet(nlmsg.NFTMsgNewFlowtable, create, str(nlmsg.NFTAFlowtableTable, "u"), ftName("f"), hook())
		}),
		same("batch: unknown message", "2:EINVAL", func(b *batch) { newTable(b); b.inet(99, create) }),
		same("batch: a question", "1:EINVAL", func(b *batch) { b.inet(nlmsg.NFTMsgGetTable, 0) }),
		same("table: twice", "ok", func(b *batch) { newTable(b); newTable(b) }),
		same("table: exclusive", "2:EEXIST@NFTA_TABLE_NAME", func(b *batch) {
			newTable(b)
			b.inet(nlmsg.NFTMsgNewTable, create|nlmsg.FlagExcl, str(nlmsg.NFTATableName, "t"))
		}),
		same("table: a comment comes too late", "ok | ok", func(b *batch) {
			b.inet(nlmsg.NFTMsgNewTable, create, str(nlmsg.NFTATableName, "t"))
		}, newTable),
		same("table: without a name", "1:EINVAL", func(b *batch) { b.inet(nlmsg.NFTMsgNewTable, create) }),
		perKernel("table: name of 256 bytes", wants{"1:ERANGE", "1:ERANGE", "1:ERANGE@NFTA_TABLE_NAME"}, func(b *batch) {
			b.inet(nlmsg.NFTMsgNewTable, create, str(nlmsg.NFTATableName, strings.Repeat("t", 256)))
		}),
		same("table: delete a missing one", "1:ENOENT@NFTA_TABLE_NAME", delTable),
		same("table: same name in two families", "ok", func(b *batch) {
			newTable(b)
			b.add(nlmsg.NFTMsgNewTable, create, nlmsg.FamilyIPv4, str(nlmsg.NFTATableName, "t"))
		}),
	}
}

func ruleRows() []row {
	three := func(b *batch) {
		newTable(b)
		newChain(b, "c")
		for range 3 {
			newRule(b, "c", appended, exprs(counter()))
		}
	}
	handle := func(n uint64) fields { return num64(nlmsg.NFTARuleHandle, n) }
	position := func(n uint64) fields { return num64(nlmsg.NFTARulePosition, n) }
	limit := exprs(loadMark())
	return []row{
		same("rule: appended and inserted", "ok | ok", three, func(b *batch) {
			newRule(b, "c", appended, limit, position(2))
			newRule(b, "c", create, limit, position(2))
			newRule(b, "c", create, limit)
		}),
		same("rule: replaced in place", "ok | ok", three, func(b *batch) { newRule(b, "c", nlmsg.FlagReplace, limit, handle(3)) }),
		same("rule: one deleted", "ok | ok", three, func(b *batch) { delRule(b, "c", handle(3)) }),
		same("rule: missing handle", "ok | 1:ENOENT@NFTA_RULE_HANDLE", three, func(b *batch) { delRule(b, "c", handle(99)) }),
		same("rule: missing position", "ok | 1:ENOENT@NFTA_RULE_POSITION", three, func(b *batch) { newRule(b, "c", appended, limit, position(99)) }),
		same("rule: neither created nor replaced", "ok | 1:EINVAL", three, func(b *batch) { newRule(b, "c", 0, limit) }),
		same("rule: unknown expression", "ok | 1:ENOENT@NFTA_LIST_ELEM", three, func(b *batch) { newRule(b, "c", appended, exprs(counter(), expr("nosuch"))) }),
		same("rule: missing chain", "ok | 1:ENOENT@NFTA_RULE_CHAIN", three, func(b *batch) { newRule(b, "d", appended, limit) }),
		same("rule: jump to a missing chain", "ok | 1:ENOENT@NFTA_LIST_ELEM", three, func(b *batch) { newRule(b, "c", appended, exprs(jumpTo("d"))) }),
		same("rule: jump to a base chain", "ok | 2:EOPNOTSUPP@NFTA_LIST_ELEM", three, func(b *batch) {
			baseChainOf(b, "b", nlmsg.HookForward)
			newRule(b, "c", appended, exprs(jumpTo("b")))
		}),
		same("chain: in use", "ok | 3:EBUSY@NFTA_CHAIN_NAME", three, func(b *batch) {
			newChain(b, "d")
			newRule(b, "d", appended, exprs(jumpTo("c")))
			delChain(b, "c")
		}),
		same("chain: takes its rules with it", "ok | ok", three, func(b *batch) { delChain(b, "c") }),
		same("chain: policy changed in place", "ok | ok", func(b *batch) { newTable(b); baseChainOf(b, "c", nlmsg.HookForward) }, func(b *batch) {
			newChain(b, "c", num(nlmsg.NFTAChainPolicy, nlmsg.VerdictDrop))
		}),
		perKernel("chain: other priority", wants{"ok | 1:EEXIST@NFTA_CHAIN_NAME", "ok | 1:EOPNOTSUPP", "ok | 1:EOPNOTSUPP"}, func(b *batch) {
			newTable(b)
			baseChainOf(b, "c", nlmsg.HookForward)
		}, func(b *batch) {
			newChain(b, "c", chainHook(nlmsg.HookForward, 10), str(nlmsg.NFTAChainType, "filter"))
		}),
		same("chain: policy without hook", "2:EOPNOTSUPP@NFTA_CHAIN_POLICY", func(b *batch) { newTable(b); newChain(b, "c", num(nlmsg.NFTAChainPolicy, 0)) }),
		same("chain: unknown type", "2:ENOENT@NFTA_CHAIN_TYPE", func(b *batch) {
			newTable(b)
			newChain(b, "c", chainHook(nlmsg.HookForward, 0), str(nlmsg.NFTAChainType, "nosuch"))
		}),
		same("chain: nat has no forward", "2:EOPNOTSUPP", func(b *batch) {
			newTable(b)
			newChain(b, "c", chainHook(nlmsg.HookForward, 0), str(nlmsg.NFTAChainType, "nat"))
		}),
		same("masquerade: in a filter chain", "3:EOPNOTSUPP", func(b *batch) {
			newTable(b)
			baseChainOf(b, "c", nlmsg.HookPostrouting)
			newRule(b, "c", appended, exprs(expr("masq")))
		}),
	}
}

func setRows() []row {
	marks := func(b *batch) {
		newTable(b)
		newSet(b, "s", create, 1, 0)
		elements(b, nlmsg.NFTMsgNewSetElem, create, "s", 0, elem("aaaa"), elem("bbbb"))
	}
	const add, del = nlmsg.NFTMsgNewSetElem, nlmsg.NFTMsgDelSetElem
	return []row{
		same("set: elements added and deleted", "ok | ok", marks, func(b *batch) {
			elements(b, add, create, "s", 0, elem("cccc"))
			elements(b, del, 0, "s", 0, elem("aaaa"))
		}),
		same("set: an element that is there", "ok | ok", marks, func(b *batch) { elements(b, add, create, "s", 0, elem("aaaa")) }),
		same("set: an element that is there, exclusive", "ok | 1:EEXIST@NFTA_LIST_ELEM", marks, func(b *batch) {
			elements(b, add, create|nlmsg.FlagExcl, "s", 0, elem("aaaa"))
		}),
		same("set: a missing element", "ok | 1:ENOENT@NFTA_LIST_ELEM", marks, func(b *batch) { elements(b, del, 0, "s", 0, elem("zzzz")) }),
		same("set: an element that is too long", "ok | 1:EINVAL@NFTA_LIST_ELEM", marks, func(b *batch) { elements(b, add, create, "s", 0, elem("aaaaa")) }),
		perKernel("set: missing set", wants{"ok | 1:ENOENT", "ok | 1:ENOENT@NFTA_SET_ELEM_LIST_SET", "ok | 1:ENOENT@NFTA_SET_ELEM_LIST_SET"}, marks, func(b *batch) {
			elements(b, add, create, "r", 0, elem("aaaa"))
		}),
		same("set: exclusive", "ok | 1:EEXIST@NFTA_SET_NAME", marks, func(b *batch) { newSet(b, "s", create|nlmsg.FlagExcl, 1, 0) }),
		same("set: not created", "ok | 1:ENOENT", marks, func(b *batch) { newSet(b, "r", 0, 1, 0) }),
		same("set: in use", "ok | 3:EBUSY@NFTA_SET_NAME", marks, func(b *batch) {
			newChain(b, "c")
			newRule(b, "c", appended, exprs(loadMark(), lookup("s", 0)))
			delSet(b, "s")
		}),
		same("set: deleted", "ok | ok", marks, func(b *batch) { delSet(b, "s") }),
		same("set: lookup of a missing one", "ok | 2:ENOENT@NFTA_LIST_ELEM", marks, func(b *batch) {
			newChain(b, "c")
			newRule(b, "c", appended, exprs(loadMark(), lookup("r", 0)))
		}),
		same("set: anonymous goes with its rule", "ok | ok | ok", marks, func(b *batch) {
			newChain(b, "c")
			newSet(b, "__set%d", create, 2, nlmsg.SetAnonymous|nlmsg.SetConstant)
			elements(b, add, create, "__set%d", 2, elem("aaaa"), elem("bbbb"))
			newRule(b, "c", appended, exprs(loadMark(), lookup("__set%d", 2)))
		}, func(b *batch) { delRule(b, "c") }),
		same("set: anonymous without a rule", "ok | 1:EINVAL", marks, func(b *batch) {
			newSet(b, "__set%d", create, 2, nlmsg.SetAnonymous|nlmsg.SetConstant)
		}),
	}
}

// compiledRows are batches of our compiler.
func compiledRows() []row {
	declared := func(devices ...string) *ruleset.Spec {
		f := flowtable.Spec{Name: "fast"}
		for _, d := range devices {
			f.Devices = append(f.Devices, flowtable.Selector{Name: d})
		}
		return &ruleset.Spec{Tables: []ruleset.Table{{
			Name:       "fw",
			Flowtables: []flowtable.Spec{f},
			Sets:       []ruleset.Set{{Name: "slow", Type: ruleset.IPv4Addr, Interval: true, Elements: []string{"192.0.2.0/24", "198.51.100.7"}}},
			Chains: []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{
				ruleset.R(ruleset.CTState.Is(ruleset.Established), ruleset.IPSaddr.NotIn("slow"), ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.FlowAdd("fast")),
				ruleset.R(ruleset.TCPDport.Is(22, 80, 443), ruleset.Counter(), ruleset.Accept()).Note("services"),
			}}},
		}}}
	}
	hardware := declared("d0", "hwno0")
	hardware.Tables[0].Flowtables[0].Hardware = flowtable.HardwareOn
	missing := wants{"5:ENOENT 8:ENOENT@NFTA_LIST_ELEM", "5:ENOENT@NFTA_DEVICE_NAME 8:ENOENT@NFTA_LIST_ELEM", "ok"}
	return []row{
		{name: "compiled: applied", want: only("ok"), steps: []step{{spec: declared("d0", "d1")}}},
		{name: "compiled: dry run", want: only("ok"), steps: []step{{spec: declared("d0", "d1"), dry: true}}},
		{name: "compiled: changed", want: only("ok | ok"), steps: []step{{spec: declared("d0")}, {spec: declared("d0", "d1")}}},
		{name: "compiled: taken away", want: only("ok | ok"), steps: []step{{spec: declared("d0")}, {spec: &ruleset.Spec{}}}},
		{name: "compiled: missing device", want: missing, steps: []step{{spec: declared("d0", "gone0")}}},
		{name: "compiled: hardware refused", want: only("5:EOPNOTSUPP 8:ENOENT@NFTA_LIST_ELEM"), steps: []step{{spec: hardware}}},
	}
}
