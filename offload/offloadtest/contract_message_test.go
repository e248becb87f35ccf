package offloadtest

import (
	"fmt"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// The messages that rows are made of, in the table t of family inet.

const create = nlmsg.FlagCreate

// marker is the owner's mark: of tables without one a real kernel's Dump leaves the elements out.
func marker() fields { return raw(nlmsg.NFTATableUserdata, "\x00\x14managed by fastpath\x00") }

func newTable(b *batch) {
	b.inet(nlmsg.NFTMsgNewTable, create, str(nlmsg.NFTATableName, "t"), marker())
}

func delTable(b *batch) { b.inet(nlmsg.NFTMsgDelTable, 0, str(nlmsg.NFTATableName, "t")) }

// newFlowtable sends a flowtable of the table t with anything in it.
func newFlowtable(b *batch, name string, flags uint16, attributes ...fields) {
	all := append([]fields{str(nlmsg.NFTAFlowtableTable, "t"), str(nlmsg.NFTAFlowtableName, name)}, attributes...)
	b.inet(nlmsg.NFTMsgNewFlowtable, create|flags, all...)
}

func delFlowtable(b *batch, msg uint16, attributes ...fields) {
	b.inet(msg, 0, append([]fields{str(nlmsg.NFTAFlowtableTable, "t")}, attributes...)...)
}

func ftName(name string) fields { return str(nlmsg.NFTAFlowtableName, name) }
func ftFlags(v uint32) fields   { return num(nlmsg.NFTAFlowtableFlags, v) }

// hook is a whole hook at priority 0.
func hook(devices ...string) fields {
	return nest(nlmsg.NFTAFlowtableHook, num(nlmsg.NFTAFlowtableHookNum, 0), num(nlmsg.NFTAFlowtableHookPriority, 0), devs(devices...))
}

// update is a hook that names devices alone.
func update(devices ...string) fields { return nest(nlmsg.NFTAFlowtableHook, devs(devices...)) }

func devs(names ...string) fields {
	var list []fields
	for _, n := range names {
		list = append(list, str(nlmsg.NFTADeviceName, n))
	}
	if len(list) == 0 {
		return func(*batch) {}
	}
	return nest(nlmsg.NFTAFlowtableHookDevs, list...)
}

// prefixes is a hook with prefixes.
func prefixes(names ...string) fields {
	var list []fields
	for _, n := range names {
		list = append(list, str(nlmsg.NFTADevicePrefix, n))
	}
	return nest(nlmsg.NFTAFlowtableHook, num(nlmsg.NFTAFlowtableHookNum, 0), num(nlmsg.NFTAFlowtableHookPriority, 0),
		nest(nlmsg.NFTAFlowtableHookDevs, list...))
}

func manyDevices(n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("x%d", i))
	}
	return list
}

func newChain(b *batch, name string, attributes ...fields) {
	all := append([]fields{str(nlmsg.NFTAChainTable, "t"), str(nlmsg.NFTAChainName, name)}, attributes...)
	b.inet(nlmsg.NFTMsgNewChain, create, all...)
}

// baseChainOf is a filter chain on a hook.
func baseChainOf(b *batch, name string, hookNum uint32, attributes ...fields) {
	newChain(b, name, append([]fields{chainHook(hookNum, 0), str(nlmsg.NFTAChainType, "filter")}, attributes...)...)
}

func chainHook(hookNum uint32, priority int32) fields {
	return nest(nlmsg.NFTAChainHook, num(nlmsg.NFTAHookHookNum, hookNum), num(nlmsg.NFTAHookPriority, uint32(priority)))
}

func delChain(b *batch, name string) {
	b.inet(nlmsg.NFTMsgDelChain, 0, str(nlmsg.NFTAChainTable, "t"), str(nlmsg.NFTAChainName, name))
}

// newRule appends a rule, or does with it what the flags and attributes say.
func newRule(b *batch, chain string, flags uint16, exprs fields, attributes ...fields) {
	all := append([]fields{str(nlmsg.NFTARuleTable, "t"), str(nlmsg.NFTARuleChain, chain), exprs}, attributes...)
	b.inet(nlmsg.NFTMsgNewRule, flags, all...)
}

const appended = create | nlmsg.FlagAppend

func delRule(b *batch, chain string, attributes ...fields) {
	b.inet(nlmsg.NFTMsgDelRule, 0, append([]fields{str(nlmsg.NFTARuleTable, "t"), str(nlmsg.NFTARuleChain, chain)}, attributes...)...)
}

// exprs is a list of expressions.
func exprs(list ...fields) fields { return nest(nlmsg.NFTARuleExpressions, list...) }

func expr(name string, data ...fields) fields {
	write := nest(nlmsg.NFTAListElem, str(nlmsg.NFTAExprName, name), nest(nlmsg.NFTAExprData, data...))
	return func(b *batch) {
		b.flowtables = b.flowtables || name == "flow_offload"
		write(b)
	}
}

func flowAdd(name string) fields { return expr("flow_offload", str(nlmsg.NFTAFlowTableName, name)) }
func counter() fields            { return expr("counter") }

func immediate(code uint32, chain string) fields {
	inside := []fields{num(nlmsg.NFTAVerdictCode, code)}
	if chain != "" {
		inside = append(inside, str(nlmsg.NFTAVerdictChain, chain))
	}
	return expr("immediate", num(nlmsg.NFTAImmediateDreg, nlmsg.RegVerdict),
		nest(nlmsg.NFTAImmediateData, nest(nlmsg.NFTADataVerdict, inside...)))
}

func jumpTo(chain string) fields { return immediate(nlmsg.VerdictJump, chain) }

// loadMark puts the mark into register 1, to be looked up.
func loadMark() fields {
	const mark = 3 // NFT_META_MARK
	return expr("meta", num(nlmsg.NFTAMetaKey, mark), num(nlmsg.NFTAMetaDreg, nlmsg.Reg1))
}

func lookup(set string, id uint32) fields {
	inside := []fields{num(nlmsg.NFTALookupSreg, nlmsg.Reg1), str(nlmsg.NFTALookupSet, set)}
	if id != 0 {
		inside = append(inside, num(nlmsg.NFTALookupSetID, id))
	}
	return expr("lookup", inside...)
}

// newSet makes a set of marks.
func newSet(b *batch, name string, flags uint16, id, setFlags uint32) {
	const markType = 19
	b.inet(nlmsg.NFTMsgNewSet, flags, str(nlmsg.NFTASetTable, "t"), str(nlmsg.NFTASetName, name), num(nlmsg.NFTASetFlags, setFlags),
		num(nlmsg.NFTASetKeyType, markType), num(nlmsg.NFTASetKeyLen, 4), num(nlmsg.NFTASetID, id))
}

func delSet(b *batch, name string) {
	b.inet(nlmsg.NFTMsgDelSet, 0, str(nlmsg.NFTASetTable, "t"), str(nlmsg.NFTASetName, name))
}

func elements(b *batch, msg, flags uint16, set string, id uint32, list ...fields) {
	all := []fields{str(nlmsg.NFTASetElemListTable, "t"), str(nlmsg.NFTASetElemListSet, set)}
	if id != 0 {
		all = append(all, num(nlmsg.NFTASetElemListSetID, id))
	}
	b.inet(msg, flags, append(all, nest(nlmsg.NFTASetElemListElements, list...))...)
}

// elem is an element of four bytes.
func elem(key string) fields {
	return nest(nlmsg.NFTAListElem, nest(nlmsg.NFTASetElemKey, raw(nlmsg.NFTADataValue, key)))
}
