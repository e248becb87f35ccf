package offloadtest

import (
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// elementsSize is how many bytes of elements go into one message of a dump.
const elementsSize = 16 << 10

// dump writes the state as a kernel sends it, with what is in those tables that in picks: nil is all.
func (s *state) dump(m model, in func(*table) bool) []ruleset.Message {
	picked := s.tables
	if in != nil {
		picked = slices.DeleteFunc(slices.Clone(s.tables), func(t *table) bool { return !in(t) })
	}
	d := &dumper{generation: s.generation, model: m, b: nlmsg.NewBuilder(nlmsg.Native(), nil)}
	d.message(nlmsg.NFTMsgNewGen, 0, func() { d.b.Uint32BE(nlmsg.NFTAGenID, s.generation) })
	for _, t := range s.tables {
		d.table(t)
	}
	for _, t := range s.tables {
		u := t.uses()
		for _, c := range t.chains {
			d.chain(t, c, u.chains[c.name])
		}
	}
	for _, t := range picked {
		for _, x := range t.sets {
			d.set(nlmsg.NFTMsgNewSet, t, x)
		}
	}
	for _, t := range picked {
		for _, x := range t.sets {
			d.elements(t, x)
		}
	}
	for _, t := range picked {
		for _, c := range t.chains {
			before := uint64(0)
			for _, r := range c.rules {
				d.rule(nlmsg.NFTMsgNewRule, t, c, before, r)
				before = r.handle
			}
		}
	}
	for _, t := range s.tables {
		u := t.uses()
		for _, f := range t.flowtables {
			d.flowtable(t, f, u.flowtables[f.name])
		}
	}
	return d.messages
}

type dumper struct {
	generation uint32
	model      model // 6.1 has other orders of attributes
	b          *nlmsg.Builder
	messages   []ruleset.Message
}

func (d *dumper) message(msg uint16, family byte, attributes func()) {
	typ := nlmsg.NFTablesType(msg)
	d.b = nlmsg.NewBuilder(nlmsg.Native(), nil)
	d.b.BeginNetfilter(typ, nlmsg.FlagMulti, 0, family, uint16(d.generation))
	attributes()
	d.b.End()
	d.messages = append(d.messages, ruleset.Message{
		Type: typ, Flags: nlmsg.FlagMulti, Generation: uint16(d.generation), Data: d.b.Bytes()[16:],
	})
}

func (d *dumper) table(t *table) {
	d.message(nlmsg.NFTMsgNewTable, t.family, func() {
		d.b.String(nlmsg.NFTATableName, t.name)
		if d.model == linux61 {
			d.b.Uint32BE(nlmsg.NFTATableFlags, t.flags)
		}
		d.b.Uint32BE(nlmsg.NFTATableUse, t.use())
		d.b.Uint64BE(nlmsg.NFTATableHandle, t.handle)
		if d.model != linux61 {
			d.b.Uint32BE(nlmsg.NFTATableFlags, t.flags)
		}
		if t.socket != 0 {
			d.b.Uint32BE(nlmsg.NFTATableOwner, t.socket)
		}
		d.userdata(nlmsg.NFTATableUserdata, t.userdata)
	})
}

func (d *dumper) userdata(typ uint16, data []byte) {
	if len(data) > 0 {
		d.b.Data(typ, data)
	}
}

func (d *dumper) chain(t *table, c *chain, use uint32) {
	d.message(nlmsg.NFTMsgNewChain, t.family, func() {
		d.b.String(nlmsg.NFTAChainTable, t.name)
		if d.model == linux61 {
			d.b.Uint64BE(nlmsg.NFTAChainHandle, c.handle)
		}
		d.b.String(nlmsg.NFTAChainName, c.name)
		if d.model != linux61 {
			d.b.Uint64BE(nlmsg.NFTAChainHandle, c.handle)
		}
		if c.base != nil {
			nest := d.b.PlainNest(nlmsg.NFTAChainHook)
			d.b.Uint32BE(nlmsg.NFTAHookHookNum, c.base.hook)
			d.b.Uint32BE(nlmsg.NFTAHookPriority, uint32(c.base.priority))
			d.b.EndNest(nest)
			d.b.Uint32BE(nlmsg.NFTAChainPolicy, c.base.policy)
			d.b.String(nlmsg.NFTAChainType, c.base.typ)
			d.b.Uint32BE(nlmsg.NFTAChainFlags, chainBase)
		}
		d.b.Uint32BE(nlmsg.NFTAChainUse, use)
		d.userdata(nlmsg.NFTAChainUserdata, c.userdata)
	})
}

func (d *dumper) set(msg uint16, t *table, s *set) {
	d.message(msg, t.family, func() {
		d.b.String(nlmsg.NFTASetTable, t.name)
		d.b.String(nlmsg.NFTASetName, s.name)
		d.b.Uint64BE(nlmsg.NFTASetHandle, s.handle)
		d.b.Raw(s.attrs)
		if d.model >= linux618 {
			d.b.Uint32BE(setCount, s.count())
		}
	})
}

func (d *dumper) elements(t *table, s *set) {
	for list := s.sorted(); len(list) > 0; {
		list = d.elementList(nlmsg.NFTMsgNewSetElem, t, s, list)
	}
}

// elementList writes as many elements as go into one message, and returns the others.
func (d *dumper) elementList(msg uint16, t *table, s *set, list []element) []element {
	d.message(msg, t.family, func() {
		d.b.String(nlmsg.NFTASetElemListTable, t.name)
		d.b.String(nlmsg.NFTASetElemListSet, s.name)
		nest := d.b.PlainNest(nlmsg.NFTASetElemListElements)
		for len(list) > 0 && d.b.Len() < elementsSize {
			d.listed(list[0].content)
			list = list[1:]
		}
		d.b.EndNest(nest)
	})
	return list
}

// listed writes one NFTA_LIST_ELEM.
func (d *dumper) listed(content []byte) {
	nest := d.b.PlainNest(nlmsg.NFTAListElem)
	d.b.Raw(content)
	d.b.EndNest(nest)
}

// rule writes a rule and the handle of the one before, 0 if there is none.
func (d *dumper) rule(msg uint16, t *table, c *chain, before uint64, r *rule) {
	d.message(msg, t.family, func() {
		d.b.String(nlmsg.NFTARuleTable, t.name)
		d.b.String(nlmsg.NFTARuleChain, c.name)
		d.b.Uint64BE(nlmsg.NFTARuleHandle, r.handle)
		if before != 0 {
			d.b.Uint64BE(nlmsg.NFTARulePosition, before)
		}
		nest := d.b.PlainNest(nlmsg.NFTARuleExpressions)
		for _, e := range r.exprs {
			d.listed(e.content)
		}
		d.b.EndNest(nest)
		d.userdata(nlmsg.NFTARuleUserdata, r.userdata)
	})
}

func (d *dumper) flowtable(t *table, f *flowTable, use uint32) {
	d.message(nlmsg.NFTMsgNewFlowtable, t.family, func() {
		d.b.String(nlmsg.NFTAFlowtableTable, t.name)
		d.b.String(nlmsg.NFTAFlowtableName, f.name)
		if d.model == linux61 {
			d.b.Uint32BE(nlmsg.NFTAFlowtableUse, use)
		}
		d.b.Uint64BE(nlmsg.NFTAFlowtableHandle, f.handle)
		if d.model != linux61 {
			d.b.Uint32BE(nlmsg.NFTAFlowtableUse, use)
		}
		d.b.Uint32BE(nlmsg.NFTAFlowtableFlags, f.flags)
		hook := d.b.PlainNest(nlmsg.NFTAFlowtableHook)
		d.b.Uint32BE(nlmsg.NFTAFlowtableHookNum, nlmsg.HookNetdevIngress)
		d.b.Uint32BE(nlmsg.NFTAFlowtableHookPriority, uint32(f.priority))
		nest := d.b.PlainNest(nlmsg.NFTAFlowtableHookDevs)
		for _, x := range f.devices {
			typ := uint16(nlmsg.NFTADeviceName)
			if x.prefix {
				typ = nlmsg.NFTADevicePrefix
			}
			d.b.String(typ, x.name)
		}
		d.b.EndNest(nest)
		d.b.EndNest(hook)
	})
}
