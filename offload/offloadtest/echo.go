package offloadtest

import (
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// An event is what a message did to a rule, a set or an element, in the kernel's order. Messages with NLM_F_ECHO get theirs back
// when the batch is committed (nf_tables_commit and its notifications).
type event struct {
	msg     uint16
	request *request
	table   *table
	chain   *chain
	rule    *rule
	set     *set
	element *element
}

func (t *transaction) happened(e event) { t.events = append(t.events, e) }

// echo writes the events whose messages ask for it, and the new generation if the first message of the batch does.
func (t *transaction) echo() []nlmsg.Message {
	if !t.asked {
		return nil
	}
	d := &dumper{generation: t.state.generation, model: t.model, b: nlmsg.NewBuilder(nlmsg.Native(), nil)}
	var list []nlmsg.Message
	for i := range t.events {
		e := &t.events[i]
		if e.msg == nlmsg.NFTMsgDelRule {
			e.unlink()
		}
		if !e.request.has(nlmsg.FlagEcho) {
			continue
		}
		e.write(d)
		seq := e.request.seq
		if e.element != nil { // the kernel does not fill it in
			seq = 0
		}
		last := d.messages[len(d.messages)-1]
		list = append(list, nlmsg.Message{Type: last.Type, Flags: e.flags(), Seq: seq, Data: last.Data})
	}
	if t.first.has(nlmsg.FlagEcho) {
		d.message(nlmsg.NFTMsgNewGen, 0, func() { d.b.Uint32BE(nlmsg.NFTAGenID, t.state.generation) })
		last := d.messages[len(d.messages)-1]
		list = append(list, nlmsg.Message{Type: last.Type, Seq: t.first.seq, Data: last.Data})
	}
	return list
}

// flags are those of the request that tell how it was meant.
func (e *event) flags() uint16 {
	flags := e.request.flags & (nlmsg.FlagCreate | nlmsg.FlagExcl)
	if e.request.typ > nlmsg.NFTMsgNewRule && e.request.typ != nlmsg.NFTMsgNewSet && e.request.typ != nlmsg.NFTMsgNewSetElem {
		flags = 0
	}
	if e.rule != nil && e.request.typ == nlmsg.NFTMsgNewRule && e.request.flags&(nlmsg.FlagAppend|nlmsg.FlagReplace) != 0 {
		flags |= nlmsg.FlagAppend
	}
	return flags
}

// unlink takes a deleted rule out of its chain: up to here others stood beside it.
func (e *event) unlink() {
	e.chain.rules = slices.DeleteFunc(e.chain.rules, func(r *rule) bool { return r.gone && r.handle == e.rule.handle })
}

func (e *event) write(d *dumper) {
	switch {
	case e.element != nil:
		d.elementList(e.msg, e.table, e.set, []element{*e.element})
	case e.msg == nlmsg.NFTMsgDelSet && d.model >= linux618:
		d.message(e.msg, e.table.family, func() {
			d.b.String(nlmsg.NFTASetTable, e.table.name)
			d.b.String(nlmsg.NFTASetName, e.set.name)
			d.b.Uint64BE(nlmsg.NFTASetHandle, e.set.handle)
		})
	case e.set != nil:
		d.set(e.msg, e.table, e.set)
	default:
		d.rule(e.msg, e.table, e.chain, e.position(), e.rule)
	}
}

// position is the handle of the rule before a new one; a first and a last one do not tell it.
func (e *event) position() uint64 {
	i := e.chain.rule(e.rule.handle)
	if e.msg != nlmsg.NFTMsgNewRule || i <= 0 || i == len(e.chain.rules)-1 {
		return 0
	}
	return e.chain.rules[i-1].handle
}
