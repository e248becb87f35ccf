package offloadtest

import (
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A transaction works one batch into a copy of the state.
type transaction struct {
	*Kernel
	socket  uint32 // that the batch came by
	state   *state
	setIDs  map[setID]*set
	changed bool
	touched map[changeKey]depth
	acks    []nlmsg.Ack
	events  []event
	first   *request // of the batch
	asked   bool     // some message asks for an echo
	failed  bool
	ended   bool
}

type setID struct {
	table *table
	id    uint32
}

// transactOnce answers a batch that comes by a socket of its own, which is closed then.
func (k *Kernel) transactOnce(batch []byte) ([]nlmsg.Ack, []nlmsg.Message) {
	s := k.socket()
	defer k.closeSocket(s)
	return k.transact(s, batch)
}

// transact answers a batch that comes by a socket, and commits it unless it lacks its end or a message is refused. Like the kernel it says nothing
// at all to what it cannot read.
func (k *Kernel) transact(socket uint32, batch []byte) ([]nlmsg.Ack, []nlmsg.Message) {
	o := nlmsg.Native()
	begin, rest, err := nlmsg.NextMessage(o, batch)
	if err != nil {
		return nil, nil
	}
	if begin.Type != nlmsg.NFTypeBatchBegin {
		return single(begin), nil
	}
	_, subsystem, list, err := nlmsg.Netfilter(begin.Data)
	if err != nil {
		return nil, nil
	}
	generation := parse(list, 20).get(nlmsg.NFBatchGenID)
	switch {
	case subsystem != nlmsg.SubsysNFTables:
		return []nlmsg.Ack{{Seq: begin.Seq, Errno: eOPNOTSUPP}}, nil
	case generation.there && len(generation.Data) < 4:
		return []nlmsg.Ack{{Seq: begin.Seq, Errno: eRANGE}}, nil
	case generation.u32() != 0 && generation.u32() != k.state.generation:
		return []nlmsg.Ack{{Seq: begin.Seq, Errno: eRESTART}}, nil
	}
	t := k.pass(socket, rest, begin)
	if t.failed {
		k.abort(t)
		return t.acks, nil
	}
	if !k.validate(t) { // the kernel takes it back and goes through the batch again, with its eyes open
		k.abort(t)
		t = k.pass(socket, rest, begin)
		k.abort(t)
		k.strict = k.strict && k.model != linux61
		if t.ended && !t.failed {
			return append(t.acks, nlmsg.Ack{Seq: firstSeq(rest), Errno: eOPNOTSUPP}), nil
		}
		return t.acks, nil
	}
	if !t.ended {
		k.abort(t)
		return t.acks, nil
	}
	if t.unboundSet() {
		k.abort(t)
		return append(t.acks, nlmsg.Ack{Seq: firstSeq(rest), Errno: eINVAL}), nil
	}
	return t.acks, k.commit(t)
}

// firstSeq is the number under which the kernel tells an error of the commit itself: that of the message after BATCH_BEGIN.
func firstSeq(b []byte) uint32 {
	m, _, _ := nlmsg.NextMessage(nlmsg.Native(), b)
	return m.Seq
}

// single answers a message outside a batch: those that change something are refused.
func single(m nlmsg.Message) []nlmsg.Ack {
	if m.Type < 16 || m.Flags&nlmsg.FlagRequest == 0 {
		return nil
	}
	return []nlmsg.Ack{{Seq: m.Seq, Errno: eINVAL}}
}

// pass goes through the messages once. An error does not end it: all are told.
func (k *Kernel) pass(socket uint32, b []byte, begin nlmsg.Message) *transaction {
	t := &transaction{Kernel: k, socket: socket, state: k.state.clone(), setIDs: map[setID]*set{}, touched: map[changeKey]depth{}}
	if k.acksFrames() && begin.Flags&nlmsg.FlagAck != 0 {
		t.acks = append(t.acks, nlmsg.Ack{Seq: begin.Seq})
	}
	for len(b) >= 16 && !t.ended {
		m, rest, err := nlmsg.NextMessage(nlmsg.Native(), b)
		if err != nil || len(m.Data) < 4 || m.Flags&nlmsg.FlagRequest != 0 && m.Type == nlmsg.NFTypeBatchBegin {
			t.acks, t.failed = nil, true
			return t
		}
		b = rest
		if m.Type == nlmsg.NFTypeBatchEnd && m.Flags&nlmsg.FlagRequest != 0 {
			t.ended = true
			if k.acksFrames() && m.Flags&nlmsg.FlagAck != 0 && !t.failed {
				t.acks = append(t.acks, nlmsg.Ack{Seq: m.Seq})
			}
			break
		}
		refused := t.message(m)
		t.touch(m)
		if refused != nil && refused.text != "" && k.model < linux618 { // older ones do not explain what its policy refuses
			refused = refuse(refused.errno)
		}
		t.answer(m, refused)
	}
	return t
}

// acksFrames: BATCH_BEGIN and BATCH_END are acknowledged if they ask for it.
func (k *Kernel) acksFrames() bool { return k.model >= linux612 }

func (t *transaction) answer(m nlmsg.Message, r *refusal) {
	switch {
	case r != nil:
		t.failed = true
		t.acks = append(t.acks, nlmsg.Ack{Seq: m.Seq, Errno: r.errno, Offset: r.offset, Text: r.text})
	case m.Flags&nlmsg.FlagAck != 0:
		t.acks = append(t.acks, nlmsg.Ack{Seq: m.Seq})
	}
}

// commit puts the copy in force, and gives back what the batch asks for. A batch that changes nothing leaves the generation alone.
func (k *Kernel) commit(t *transaction) (echoes []nlmsg.Message) {
	k.strict = false
	if !t.changed {
		k.abort(t)
		return nil
	}
	t.state.generation = nextGeneration(k.state.generation)
	echoes = t.echo()
	t.state.settle()
	k.state = t.state
	k.log(t.touched)
	k.announceRuleset()
	k.tellHolders()
	return echoes
}

func nextGeneration(g uint32) uint32 {
	if g++; g == 0 {
		g = 1
	}
	return g
}

// abort drops the copy; handles that were given are not given again.
func (k *Kernel) abort(t *transaction) {
	for _, old := range k.state.tables {
		for _, tried := range t.state.tables {
			if tried.handle == old.handle {
				old.handles = max(old.handles, tried.handles)
			}
		}
	}
}

// message works on one message.
func (t *transaction) message(m nlmsg.Message) *refusal {
	if m.Flags&nlmsg.FlagRequest == 0 || m.Type < 16 || m.Type>>8 != nlmsg.SubsysNFTables {
		return refuse(eINVAL)
	}
	r := request{typ: m.Type & 0xff, flags: m.Flags, seq: m.Seq}
	var list []byte
	r.family, _, list, _ = nlmsg.Netfilter(m.Data)
	r.attrs = parse(list, 20)
	if t.first == nil {
		t.first = &r
	}
	t.asked = t.asked || r.has(nlmsg.FlagEcho)
	if r.typ > 25 { // the DESTROY messages, Linux 6.3
		if t.model == linux61 {
			return refuse(eINVAL)
		}
		r.destroy = true
	}
	switch r.typ {
	case nlmsg.NFTMsgNewTable:
		return t.newTable(&r)
	case nlmsg.NFTMsgDelTable, destroyTable:
		return t.delTable(&r)
	case nlmsg.NFTMsgNewChain:
		return t.newChain(&r)
	case nlmsg.NFTMsgDelChain, destroyChain:
		return t.delChain(&r)
	case nlmsg.NFTMsgNewRule:
		return t.newRule(&r)
	case nlmsg.NFTMsgDelRule, destroyRule:
		return t.delRule(&r)
	case nlmsg.NFTMsgNewSet:
		return t.newSet(&r)
	case nlmsg.NFTMsgDelSet, destroySet:
		return t.delSet(&r)
	case nlmsg.NFTMsgNewSetElem:
		return t.newElements(&r)
	case nlmsg.NFTMsgDelSetElem, destroySetElem:
		return t.delElements(&r)
	case nlmsg.NFTMsgNewFlowtable:
		return t.newFlowtable(&r)
	case nlmsg.NFTMsgDelFlowtable, nlmsg.NFTMsgDestroyFlowtable:
		return t.delFlowtable(&r)
	case nlmsg.NFTMsgNewObj, nlmsg.NFTMsgDelObj, destroyObj:
		return refuse(eOPNOTSUPP) // not imitated
	}
	return refuse(eINVAL)
}

// The messages that delete what need not be there (Linux 6.3).
const (
	destroyTable   = 26
	destroyChain   = 27
	destroyRule    = 28
	destroySet     = 29
	destroySetElem = 30
	destroyObj     = 31
)

// A request is one message of a batch.
type request struct {
	typ, flags uint16
	seq        uint32
	family     byte
	destroy    bool
	attrs      attrs
}

func (r *request) has(flag uint16) bool { return r.flags&flag != 0 }

// tableOf finds the table that a message names.
func (t *transaction) tableOf(r *request, typ uint16) (*table, *refusal) {
	a := r.attrs.get(typ)
	if !a.there {
		return nil, refuse(eINVAL)
	}
	switch tab := t.state.table(r.family, a.String()); {
	case tab == nil:
		return nil, a.refuse(eNOENT)
	case t.ownedByOther(tab):
		return nil, a.refuse(ePERM)
	default:
		return tab, nil
	}
}

// unboundSet reports whether the batch made an anonymous set that no rule uses: the kernel refuses to commit it.
func (t *transaction) unboundSet() bool {
	for _, tab := range t.state.tables {
		u := tab.uses()
		if slices.ContainsFunc(tab.sets, func(s *set) bool { return s.anonymous() && u.sets[s.name] == 0 }) {
			return true
		}
	}
	return false
}
