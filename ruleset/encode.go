package ruleset

import (
	"encoding/binary"
	"fmt"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// An encoder writes one plan as one batch. Its errors are sticky: the first one is kept, the bytes are then worthless.
type encoder struct {
	b     *nlmsg.Builder
	order nlmsg.Order
	batch *Batch
	op    int32 // index of the operation at work
	err   error

	sets     uint32            // ids of sets given so far; they are unique in the batch
	setIDs   map[setKey]uint32 // of the named sets that the batch makes
	contents []digest          // of the sets with these ids, those of anonymous ones
	exprs    int               // expressions of the rule at work
	tests    []test            // of the rule at work; memory is kept between rules
	spans    []nftvalue.Span   // of those tests
	values   nftvalue.Reader   // holds them
	ranges   []nftvalue.Range  // of the anonymous set at work
	scratch  []byte

	reader      bodyReader
	body        digest // of the last rule
	expressions []byte // of the last rule, in the batch
}

// A setKey names a set.
type setKey struct {
	family      Family
	table, name string
}

// encode writes a plan as a batch.
func encode(p *Plan, order binary.ByteOrder) (*Batch, error) {
	e := newEncoder(nlmsg.OrderOf(order), p.operations)
	e.frame(nlmsg.NFTypeBatchBegin, p.generation)
	for i := range p.operations {
		e.op = int32(i)
		e.operation(&p.operations[i])
		if e.err != nil {
			return nil, fmt.Errorf("%s: %w", p.operations[i], e.err)
		}
	}
	if p.asksEchoes() && e.b.Len() <= maxEchoed {
		e.askForEchoes()
	} else if p.creates() {
		e.askForParts()
	}
	e.askForAck()
	e.frame(nlmsg.NFTypeBatchEnd, 0)
	e.batch.bytes = e.b.Bytes()
	return e.batch, nil
}

func newEncoder(o nlmsg.Order, operations []Operation) *encoder {
	e := &encoder{
		b:       nlmsg.NewBuilder(o, make([]byte, 0, roomFor(operations))),
		order:   o,
		batch:   newBatch(o, operations),
		setIDs:  map[setKey]uint32{},
		scratch: make([]byte, 0, 512),
	}
	e.reader = bodyReader{order: o, content: func(_ string, id uint32) (digest, bool) {
		return e.contents[id-1], true // ids are our own, from 1
	}}
	return e
}

func newBatch(o nlmsg.Order, operations []Operation) *Batch {
	n := len(operations) + 2
	return &Batch{order: o, operations: operations, starts: make([]uint32, 0, n), owners: make([]int32, 0, n)}
}

// roomFor guesses how many bytes the operations take, rather too many than too few: large buffers are slow to move.
func roomFor(operations []Operation) int {
	n := 1024 + 768*len(operations)
	for i := range operations {
		switch x, ok := operations[i].object.(*elements); {
		case ok && x.set.Interval:
			n += 72 * len(x.ranges)
		case ok:
			n += 32 * len(x.ranges)
		}
	}
	return n
}

// frame writes BATCH_BEGIN or BATCH_END. A generation pins the batch: a kernel that has moved on answers ERESTART
// (net/netfilter/nfnetlink.c, Linux 4.12).
func (e *encoder) frame(typ uint16, generation uint32) {
	e.op = -1
	e.place()
	e.b.BeginNetfilter(typ, nlmsg.FlagRequest, uint32(len(e.batch.starts)-1), nlmsg.FamilyUnspec, nlmsg.SubsysNFTables)
	if generation != 0 {
		e.b.Uint32BE(nlmsg.NFBatchGenID, generation)
	}
	e.b.End()
}

// askForEchoes has the kernel send the rules of the batch back, with their handles, and their anonymous sets.
func (e *encoder) askForEchoes() {
	for i, owner := range e.batch.owners {
		if owner >= 0 && e.batch.operations[owner].object != nil && e.batch.operations[owner].Kind == KindRule {
			e.flag(i, nlmsg.FlagEcho)
		}
	}
}

// askForAck sets NLM_F_ACK on the last operation's message, so that success is seen too. All others answer errors alone.
func (e *encoder) askForAck() {
	if n := len(e.batch.starts); n >= 2 {
		e.flag(n-1, nlmsg.FlagAck)
	}
}

// flag sets a flag in the header of a message that is written.
func (e *encoder) flag(message int, flag uint16) {
	flags := e.b.Bytes()[e.batch.starts[message]+6:]
	e.order.PutUint16(flags, e.order.Uint16(flags)|flag)
}

// begin opens a message of the operation at work.
func (e *encoder) begin(op *Operation, msg, flags uint16) {
	e.place()
	e.b.BeginNetfilter(nlmsg.NFTablesType(msg), nlmsg.FlagRequest|flags, uint32(len(e.batch.starts)-1), op.Family.number(), 0)
}

// place notes where a message begins and to which operation it belongs.
func (e *encoder) place() {
	e.batch.starts = append(e.batch.starts, uint32(e.b.Len()))
	e.batch.owners = append(e.batch.owners, e.op)
}

// end closes the message.
func (e *encoder) end() {
	e.b.End()
	if err := e.b.Err(); err != nil {
		e.fail(err)
	}
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *encoder) operation(op *Operation) {
	if op.Verb == VerbDelete {
		e.remove(op)
		return
	}
	switch x := op.object.(type) {
	case copying:
		x(e, op)
	case nil:
		e.wakeTable(op)
	case *newTable:
		e.createTable(op, x)
	case *Chain:
		e.addChain(op, x)
	case *Set:
		e.addSet(op, x)
	case *elements:
		e.addElements(op, x)
	case *boundFlowtable:
		e.addFlowtable(op, x)
	case *Rule:
		e.addRule(op, x)
	default:
		e.fail(fmt.Errorf("cannot encode an operation on a %s", op.Kind))
	}
}

// number is the family as nfgenmsg carries it, also of those that only a LoadedTable can be of; "" is inet.
func (f Family) number() byte {
	switch f {
	case IP:
		return nlmsg.FamilyIPv4
	case IP6:
		return nlmsg.FamilyIPv6
	case "arp":
		return nlmsg.FamilyARP
	case "bridge":
		return nlmsg.FamilyBridge
	case "netdev":
		return nlmsg.FamilyNetdev
	}
	return nlmsg.FamilyInet
}

// known reports whether a table's family is one that this library can name on the wire: what a kernel tells may be any.
func (f Family) known() bool { return familyName(f.number()) == f }
