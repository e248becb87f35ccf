package ruleset

import (
	"encoding/binary"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Limits of AfterCreation: what the echoes take in the socket's receive buffer stays far below its default size, and large sets
// are read back when they are asked for.
const (
	maxEchoedParts   = 32
	maxKnownElements = 10_000
)

// creates reports whether the plan does nothing but create tables whose state AfterCreation can tell.
func (p *Plan) creates() bool {
	parts, rules, known := 0, 0, 0
	var table tableKey // the one that was created last
	for i := range p.operations {
		op := &p.operations[i]
		switch {
		case op.Kind == KindTable && op.Verb == VerbCreate:
			table = tableKey{op.Family, op.Table}
			parts++
		case op.Verb != VerbAdd || table != (tableKey{op.Family, op.Table}):
			return false
		case op.Kind == KindRule:
			if x, ok := op.object.(*Rule); !ok || x.hasRaw() { // what a kernel makes of those it must say itself
				return false
			}
			rules++
		case op.Kind == KindElement:
			x, ok := op.object.(*elements)
			if !ok {
				return false
			}
			known += len(x.ranges)
		default:
			parts++
		}
	}
	return p.generation != 0 && rules > 0 && parts <= maxEchoedParts && known <= maxKnownElements
}

// askForParts has the kernel send tables, chains, sets and flowtables back with their handles, and the last rule. It does not where
// rules have anonymous sets, whose names only the kernel knows.
func (e *encoder) askForParts() {
	for _, content := range e.contents {
		if content != 0 {
			return
		}
	}
	last, lastOwner := 0, int32(-1)
	for i, owner := range e.batch.owners {
		switch {
		case owner < 0 || owner == lastOwner || e.batch.operations[owner].Kind == KindElement:
		case e.batch.operations[owner].Kind == KindRule:
			last = i
		default:
			e.flag(i, nlmsg.FlagEcho)
		}
		lastOwner = owner
	}
	if last > 0 {
		e.flag(last, nlmsg.FlagEcho)
	}
}

// AfterCreation is After for a plan that only creates tables: what a kernel holds at the new generation, once it took the batch
// on top of have and echoed what the batch asked for. Kernels number the parts of a table in the order in which they are made
// (nf_tables_alloc_handle, Linux 4.16), so the handles of rules follow from those of the other parts and of the last rule. It is
// false for other plans, for large sets, and if the echoes are not what they should be: only a dump can tell then.
func (p *Plan) AfterCreation(b *Batch, have *Loaded, echoes []Message, generation uint32) (*Loaded, bool) {
	if have == nil || have.generation != p.generation || len(echoes) == 0 || !p.creates() {
		return nil, false
	}
	c := creation{o: b.order, handles: map[tableKey]uint64{}, now: &Loaded{owner: have.owner, generation: generation}}
	c.now.rules = make([]LoadedRule, 0, len(have.rules)+len(b.owners))
	c.now.messages = make([]Message, 0, len(have.messages)+len(b.owners))
	c.takeEchoes(echoes)
	c.keep(Message{Type: nlmsg.NFTablesType(nlmsg.NFTMsgNewGen), Data: generationData(c.o, generation)})
	for _, m := range have.messages {
		if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewGen) {
			c.keep(m)
		}
	}
	c.bytes = make([]byte, 0, len(b.bytes)) // a message loses its header of 16 bytes, and a rule gains its handle, in 12
	for i, owner := range b.owners {
		if owner >= 0 && !c.bad {
			c.message(b.message(i))
		}
	}
	if c.bad || len(c.echoes) > 0 {
		return nil, false
	}
	c.now.readTables()
	c.now.finish(c.o)
	c.now.index()
	return c.now, !c.now.torn
}

// A creation replays a batch as the kernel did.
type creation struct {
	o       nlmsg.Order
	echoes  []Message           // those that are still to come
	handles map[tableKey]uint64 // of each table's last part
	now     *Loaded
	bytes   []byte // holds the rules with their handles
	bad     bool   // the echoes do not agree
}

// takeEchoes puts the new generation aside, which kernels echo last.
func (c *creation) takeEchoes(echoes []Message) {
	for _, m := range echoes {
		if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewGen) {
			c.echoes = append(c.echoes, m)
			continue
		}
		var now Loaded
		c.bad = c.bad || now.add(c.o, m) != nil || now.generation != c.now.generation
	}
}

// keep takes over one message of a dump.
func (c *creation) keep(m Message) {
	m.Generation = uint16(c.now.generation)
	c.bad = c.now.add(c.o, m) != nil || c.bad
	c.now.messages = append(c.now.messages, m)
}

// message takes one message of the batch, or the echo that it asked for.
func (c *creation) message(bytes []byte) {
	m, _, err := nlmsg.NextMessage(c.o, bytes)
	if err != nil {
		c.bad = true
		return
	}
	echoed := m.Flags&nlmsg.FlagEcho != 0
	switch m.Type {
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewSetElem):
		c.keep(Message{Type: m.Type, Flags: nlmsg.FlagMulti, Data: m.Data})
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewRule):
		c.rule(m, echoed)
	default:
		if echoed { // a flowtable of many devices takes further messages
			c.part(m.Type)
		}
	}
}

// part takes the echo of a table, or of a part of one that is no rule.
func (c *creation) part(typ uint16) {
	if len(c.echoes) == 0 || c.echoes[0].Type != typ {
		c.bad = true
		return
	}
	c.keep(c.echoes[0])
	c.echoes = c.echoes[1:]
	l := c.now
	switch typ {
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewChain):
		x := &l.chains[len(l.chains)-1]
		c.count(tableKey{x.Family, x.Table}, x.Handle)
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewSet):
		x := &l.sets[len(l.sets)-1]
		c.count(tableKey{x.Family, x.Table}, x.Handle)
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewFlowtable):
		x := &l.flowtables[len(l.flowtables)-1]
		c.count(tableKey{x.Family, x.Table}, x.Handle)
	}
}

// count numbers a part and holds its handle against the number.
func (c *creation) count(table tableKey, handle uint64) {
	c.handles[table]++
	c.bad = c.bad || c.handles[table] != handle
}

// rule takes a rule as it was sent, with its handle. The last one was echoed.
func (c *creation) rule(m nlmsg.Message, echoed bool) {
	start := len(c.bytes)
	c.bytes = append(c.bytes, m.Data...)
	header := len(c.bytes)
	c.bytes = append(c.bytes, make([]byte, 12)...)
	c.o.PutUint16(c.bytes[header:], 12)
	c.o.PutUint16(c.bytes[header+2:], nlmsg.NFTARuleHandle)
	c.keep(Message{Type: m.Type, Flags: nlmsg.FlagMulti, Data: c.bytes[start:len(c.bytes):len(c.bytes)]})
	if c.bad {
		return
	}
	r := &c.now.rules[len(c.now.rules)-1]
	table := tableKey{r.Family, r.Table}
	c.handles[table]++
	r.Handle, r.body = c.handles[table], r.identity.body
	binary.BigEndian.PutUint64(c.bytes[header+4:], r.Handle)
	if echoed {
		c.compare(r)
	}
}

// compare holds the last rule against its echo.
func (c *creation) compare(r *LoadedRule) {
	var echo Loaded
	if len(c.echoes) != 1 || c.echoes[0].Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewRule) || echo.add(c.o, c.echoes[0]) != nil {
		c.bad = true
		return
	}
	c.echoes = nil
	got := echo.rules[0]
	c.bad = got.Family != r.Family || got.Table != r.Table || got.Chain != r.Chain || got.Handle != r.Handle || got.identity != r.identity
}
