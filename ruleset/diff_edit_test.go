package ruleset_test

import (
	"slices"
	"testing"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// An editor is someone else who changes our tables, by messages of his own.
type editor struct {
	*choice
	b    *nlmsg.Builder
	have *ruleset.Loaded
}

// edit changes something on a machine, unless the kernel refuses. It reports whether something was sent.
func edit(t testing.TB, c *choice, k anyKernel) bool {
	t.Helper()
	have, _ := read(t, k)
	e := editor{choice: c, b: nlmsg.NewBuilder(nlmsg.Native(), nil), have: have}
	e.frame(nlmsg.NFTypeBatchBegin)
	empty := e.b.Len()
	e.any()
	if e.b.Len() == empty {
		return false
	}
	e.frame(nlmsg.NFTypeBatchEnd)
	_, err := k.Commit(t.Context(), ruleset.RawBatch(e.b.Bytes()))
	return err == nil
}

func (e *editor) frame(typ uint16) {
	e.b.BeginNetfilter(typ, nlmsg.FlagRequest, 0, 0, nlmsg.SubsysNFTables)
	e.b.End()
}

func (e *editor) any() {
	switch e.n(7) {
	case 0, 1:
		e.editRule()
	case 2:
		e.addRule()
	case 3:
		e.editSet()
	case 4:
		e.editChain()
	case 5:
		e.editFlowtable()
	case 6:
		e.editTable()
	}
}

// begin opens a message about a table; it asks for an answer, so that silence means something.
func (e *editor) begin(msg, flags uint16, family ruleset.Family, table string) {
	number := map[ruleset.Family]byte{ruleset.Inet: nlmsg.FamilyInet, ruleset.IP: nlmsg.FamilyIPv4, ruleset.IP6: nlmsg.FamilyIPv6}[family]
	e.b.BeginNetfilter(nlmsg.NFTablesType(msg), nlmsg.FlagRequest|nlmsg.FlagAck|flags, 1, number, 0)
	e.b.String(nlmsg.NFTATableName, table)
}

// theirs is a rule of theirs.
func (e *editor) theirs() {
	list := e.b.Nest(nlmsg.NFTARuleExpressions)
	for range 1 + e.n(2) {
		elem := e.b.Nest(nlmsg.NFTAListElem)
		e.b.String(nlmsg.NFTAExprName, "counter")
		e.b.EndNest(elem)
	}
	e.b.EndNest(list)
	if e.one(2) {
		e.b.Data(nlmsg.NFTARuleUserdata, []byte("\x00\x04one\x00"))
	}
}

// editRule deletes, replaces, or repeats a rule.
func (e *editor) editRule() {
	rules := e.have.Rules()
	if len(rules) == 0 {
		return
	}
	r := rules[e.n(len(rules))]
	rule := func(msg, flags uint16) {
		e.begin(msg, flags, r.Family, r.Table)
		e.b.String(nlmsg.NFTARuleChain, r.Chain)
	}
	switch e.n(4) {
	case 0:
		rule(nlmsg.NFTMsgDelRule, 0)
		e.b.Uint64BE(nlmsg.NFTARuleHandle, r.Handle)
	case 1:
		rule(nlmsg.NFTMsgNewRule, nlmsg.FlagReplace)
		e.b.Uint64BE(nlmsg.NFTARuleHandle, r.Handle)
		e.theirs()
	case 2: // with the same words about it
		rule(nlmsg.NFTMsgNewRule, nlmsg.FlagReplace)
		e.b.Uint64BE(nlmsg.NFTARuleHandle, r.Handle)
		e.b.Data(nlmsg.NFTARuleExpressions|nlmsg.AttrNested, nil)
		e.b.Data(nlmsg.NFTARuleUserdata, e.userdata(r))
	case 3: // once more somewhere
		rule(nlmsg.NFTMsgNewRule, pick[uint16](e.choice, nlmsg.FlagCreate, nlmsg.FlagCreate|nlmsg.FlagAppend))
		e.b.Data(nlmsg.NFTARuleExpressions|nlmsg.AttrNested, r.Expressions)
		e.b.Data(nlmsg.NFTARuleUserdata, e.userdata(r))
	}
	e.b.End()
}

// userdata of a rule, as the kernel gave it.
func (e *editor) userdata(r ruleset.LoadedRule) (data []byte) {
	for m := range e.have.Messages() {
		if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewRule) {
			continue
		}
		var handle uint64
		var udata []byte
		var table string
		_ = nlmsg.EachAttr(nlmsg.Native(), m.Data[4:], func(a nlmsg.Attr) error {
			switch a.Type {
			case nlmsg.NFTARuleTable:
				table = a.String()
			case nlmsg.NFTARuleHandle:
				handle, _ = a.Uint64BE()
			case nlmsg.NFTARuleUserdata:
				udata = a.Data
			}
			return nil
		})
		if handle == r.Handle && table == r.Table {
			data = udata
		}
	}
	return data
}

func (e *editor) addRule() {
	list := e.have.Chains()
	if len(list) == 0 {
		return
	}
	c := list[e.n(len(list))]
	e.begin(nlmsg.NFTMsgNewRule, pick[uint16](e.choice, nlmsg.FlagCreate, nlmsg.FlagCreate|nlmsg.FlagAppend), c.Family, c.Table)
	e.b.String(nlmsg.NFTARuleChain, c.Name)
	rules := e.have.Rules()
	if i := slices.IndexFunc(rules, func(r ruleset.LoadedRule) bool {
		return r.Chain == c.Name && r.Table == c.Table && r.Family == c.Family
	}); i >= 0 && e.one(2) {
		e.b.Uint64BE(nlmsg.NFTARulePosition, rules[i].Handle)
	}
	e.theirs()
	e.b.End()
}

// editSet adds or deletes an element, flushes a set, or makes one.
func (e *editor) editSet() {
	sets := e.have.Sets()
	sets = slices.DeleteFunc(sets, func(s ruleset.LoadedSet) bool { return s.Flags&nlmsg.SetAnonymous != 0 })
	if len(sets) == 0 {
		return
	}
	s := sets[e.n(len(sets))]
	if e.n(4) == 3 {
		e.begin(nlmsg.NFTMsgNewSet, nlmsg.FlagCreate, s.Family, s.Table)
		e.b.String(nlmsg.NFTASetName, "theirs")
		e.b.Uint32BE(nlmsg.NFTASetKeyType, s.KeyType)
		e.b.Uint32BE(nlmsg.NFTASetKeyLen, s.KeyLen)
		e.b.Uint32BE(nlmsg.NFTASetID, 1)
		e.b.End()
		return
	}
	msg, flags := uint16(nlmsg.NFTMsgNewSetElem), uint16(nlmsg.FlagCreate)
	if e.one(2) {
		msg, flags = nlmsg.NFTMsgDelSetElem, 0
	}
	e.begin(msg, flags, s.Family, s.Table)
	e.b.String(nlmsg.NFTASetElemListSet, s.Name)
	if flags != 0 || e.one(2) { // without a list all go
		list := e.b.Nest(nlmsg.NFTASetElemListElements)
		key := make([]byte, s.KeyLen)
		key[0], key[len(key)-1] = byte(e.n(20)), byte(e.n(3))
		e.element(key, 0)
		if s.Flags&nlmsg.SetInterval != 0 {
			key[len(key)-1] += byte(1 + e.n(3))
			e.element(key, nlmsg.SetElemIntervalEnd)
		}
		e.b.EndNest(list)
	}
	e.b.End()
}

func (e *editor) element(key []byte, flags uint32) {
	elem := e.b.Nest(nlmsg.NFTAListElem)
	if flags != 0 {
		e.b.Uint32BE(nlmsg.NFTASetElemFlags, flags)
	}
	value := e.b.Nest(nlmsg.NFTASetElemKey)
	e.b.Data(nlmsg.NFTADataValue, key)
	e.b.EndNest(value)
	e.b.EndNest(elem)
}

// editChain makes a chain and a jump to it, changes a policy, or empties a chain.
func (e *editor) editChain() {
	list := e.have.Chains()
	if len(list) == 0 {
		return
	}
	c := list[e.n(len(list))]
	switch e.n(3) {
	case 0:
		e.begin(nlmsg.NFTMsgNewChain, nlmsg.FlagCreate, c.Family, c.Table)
		e.b.String(nlmsg.NFTAChainName, "theirs")
		e.b.End()
		e.begin(nlmsg.NFTMsgNewRule, nlmsg.FlagCreate, c.Family, c.Table)
		e.b.String(nlmsg.NFTARuleChain, c.Name)
		e.jump("theirs")
		e.b.End()
	case 1:
		e.begin(nlmsg.NFTMsgNewChain, 0, c.Family, c.Table)
		e.b.String(nlmsg.NFTAChainName, c.Name)
		e.b.Uint32BE(nlmsg.NFTAChainPolicy, uint32(e.n(2)))
		e.b.End()
	case 2:
		e.begin(nlmsg.NFTMsgDelRule, 0, c.Family, c.Table)
		e.b.String(nlmsg.NFTARuleChain, c.Name)
		e.b.End()
	}
}

func (e *editor) jump(to string) {
	list := e.b.Nest(nlmsg.NFTARuleExpressions)
	elem := e.b.Nest(nlmsg.NFTAListElem)
	e.b.String(nlmsg.NFTAExprName, "immediate")
	data := e.b.Nest(nlmsg.NFTAExprData)
	e.b.Uint32BE(nlmsg.NFTAImmediateDreg, nlmsg.RegVerdict)
	value := e.b.Nest(nlmsg.NFTAImmediateData)
	verdict := e.b.Nest(nlmsg.NFTADataVerdict)
	e.b.Uint32BE(nlmsg.NFTAVerdictCode, nlmsg.VerdictJump)
	e.b.String(nlmsg.NFTAVerdictChain, to)
	for _, m := range []int{verdict, value, data, elem, list} {
		e.b.EndNest(m)
	}
}

// editFlowtable takes a device away, adds one, or switches the counter.
func (e *editor) editFlowtable() {
	list := e.have.Flowtables()
	if len(list) == 0 {
		return
	}
	f := list[e.n(len(list))]
	how := e.n(3)
	device := "extra" + f.Name
	msg, flags := uint16(nlmsg.NFTMsgNewFlowtable), uint16(nlmsg.FlagCreate)
	if how == 0 && len(f.Devices) > 0 && f.Devices[0].Name != "" {
		device = f.Devices[0].Name
		msg, flags = nlmsg.NFTMsgDelFlowtable, 0
	}
	e.begin(msg, flags, f.Family, f.Table)
	e.b.String(nlmsg.NFTAFlowtableName, f.Name)
	if how == 2 {
		e.b.Uint32BE(nlmsg.NFTAFlowtableFlags, f.Flags^nlmsg.FlowtableCounter)
	}
	hook := e.b.Nest(nlmsg.NFTAFlowtableHook)
	if how != 2 {
		devices := e.b.Nest(nlmsg.NFTAFlowtableHookDevs)
		e.b.String(nlmsg.NFTADeviceName, device)
		e.b.EndNest(devices)
	}
	e.b.EndNest(hook)
	e.b.End()
}

// editTable puts a table to sleep, deletes it, or makes one without our mark.
func (e *editor) editTable() {
	list := e.have.Tables()
	if len(list) == 0 || e.n(4) == 3 {
		e.begin(nlmsg.NFTMsgNewTable, nlmsg.FlagCreate, ruleset.Inet, "theirs")
		e.b.End()
		return
	}
	t := list[e.n(len(list))]
	if e.n(3) == 2 {
		e.begin(nlmsg.NFTMsgDelTable, 0, t.Family, t.Name)
	} else {
		e.begin(nlmsg.NFTMsgNewTable, 0, t.Family, t.Name)
		e.b.Uint32BE(nlmsg.NFTATableFlags, 1)
	}
	e.b.End()
}
