package ruleset

import (
	"encoding/binary"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// test writes one match: what it depends on, the load, the mask, the comparison.
func (e *encoder) test(t *test, known *layer) {
	e.dependencies(&t.field, known)
	switch {
	case t.field.kind == nftvalue.Meter:
		e.threshold(t)
	case t.set != "":
		e.load(&t.field, t.field.length)
		e.mask(t)
		e.lookup(t.set, t.setID, t.negate)
	case t.field.bits:
		e.anyBit(t)
	case len(t.spans) == 1:
		e.compare(t, t.spans[0])
		known.learn(t)
	}
}

// dependencies writes the matches that a field needs before its bytes mean what it says: the address family in an inet
// table, the transport protocol for ports. nft hides them when it lists the rule.
func (e *encoder) dependencies(f *fieldInfo, known *layer) {
	if f.family != "" && known.family != f.family.number() {
		known.family = f.family.number()
		e.loadMeta(metaNFProto)
		e.cmp(nlmsg.CmpEq, append(e.scratch[:0], known.family))
	}
	if f.l4proto != 0 && known.l4proto != int(f.l4proto) {
		known.l4proto = int(f.l4proto)
		e.loadMeta(metaL4Proto)
		e.cmp(nlmsg.CmpEq, append(e.scratch[:0], f.l4proto))
	}
}

// learn remembers what a match of one value established.
func (l *layer) learn(t *test) {
	if t.negate {
		return
	}
	switch t.field.kind {
	case nftvalue.NFProto:
		l.family = t.spans[0].Low[0]
	case nftvalue.Proto:
		l.l4proto = int(t.spans[0].Low[0])
	}
}

// load brings the field into register 1; length is that of a payload field, or of the part of it that matters.
func (e *encoder) load(f *fieldInfo, length uint32) {
	switch f.source {
	case fromMeta:
		e.loadMeta(f.key)
	case fromCT:
		e.loadCT(f.key, f.direction)
	case fromRT:
		e.loadRT(f.key)
	case fromPayload:
		e.loadPayload(f.base, f.offset, length)
	}
}

// threshold compares a counter. It is a host-order number of 64 bits, turned to network order so that bytes compare.
func (e *encoder) threshold(t *test) {
	op, n := uint32(nlmsg.CmpGte), t.match.AtLeast
	if t.match.Below != 0 {
		op, n = nlmsg.CmpLt, t.match.Below
	}
	e.load(&t.field, 8)
	e.hton(8)
	e.cmp(op, binary.BigEndian.AppendUint64(e.scratch[:0], n))
}

// anyBit tests a bit field: any of the values is set, or none of them.
func (e *encoder) anyBit(t *test) {
	var want uint32
	for _, s := range t.spans {
		want |= bigEndian(s.Low)
	}
	op := uint32(nlmsg.CmpNeq)
	if t.negate {
		op = nlmsg.CmpEq
	}
	n := t.field.kind.Width()
	e.load(&t.field, uint32(n))
	b := e.scratch[:0]
	if t.field.hostOrder {
		b = e.order.AppendUint32(b, want)
	} else {
		b = appendBig(b, want, uint32(n))
	}
	b = append(b, zeros[:n]...)
	e.bitwise(b[:n], b[n:])
	e.cmp(op, b[n:])
}

// mask writes the bitwise expression of a mark with a mask, or of a field that is a part of its bytes.
func (e *encoder) mask(t *test) {
	b := e.scratch[:0]
	switch {
	case t.match.Mask != "":
		v, err := nftvalue.ParseNumber(t.match.Mask)
		if err != nil {
			e.fail(err)
		}
		b = e.order.AppendUint32(b, uint32(v))
	case t.field.mask != 0:
		b = appendBig(b, t.field.mask, t.field.length)
	default:
		return
	}
	n := len(b)
	b = append(b, zeros[:n]...)
	e.bitwise(b[:n], b[n:])
}

// compare tests against one value, prefix or range.
func (e *encoder) compare(t *test, s nftvalue.Span) {
	op := uint32(nlmsg.CmpEq)
	if t.negate {
		op = nlmsg.CmpNeq
	}
	switch {
	case s.IsNamePrefix():
		e.load(&t.field, 0)
		e.cmp(op, s.Low)
	case s.Single():
		e.load(&t.field, t.field.length)
		e.mask(t)
		e.cmp(op, e.appendValue(e.scratch[:0], &t.field, s.Low))
	case s.Prefix:
		e.comparePrefix(&t.field, op, s)
	default:
		e.load(&t.field, t.field.length)
		e.mask(t)
		low := e.appendValue(e.scratch[:0], &t.field, s.Low)
		both := e.appendValue(low, &t.field, s.High)
		low, high := both[:len(low)], both[len(low):]
		if t.negate {
			e.notInRange(low, high)
			return
		}
		e.cmp(nlmsg.CmpGte, low)
		e.cmp(nlmsg.CmpLte, high)
	}
}

// comparePrefix compares whole bytes where the prefix ends at one, and masks otherwise, as nft does.
func (e *encoder) comparePrefix(f *fieldInfo, op uint32, s nftvalue.Span) {
	length := nftvalue.PrefixLength(s.Low, s.High)
	if length%8 == 0 && length > 0 {
		n := length / 8
		e.load(f, uint32(n))
		e.cmp(op, s.Low[:n])
		return
	}
	e.load(f, f.length)
	b := e.scratch[:0]
	for i := range s.Low {
		b = append(b, ^(s.Low[i] ^ s.High[i]))
	}
	n := len(b)
	b = append(b, zeros[:n]...)
	e.bitwise(b[:n], b[n:])
	e.cmp(op, s.Low)
}

// zeros is as long as the longest register value.
var zeros [16]byte

// appendValue appends a value as the register holds it after the load: names padded to 16 bytes, code points shifted
// into their bytes, marks and states in host order.
func (e *encoder) appendValue(b []byte, f *fieldInfo, v []byte) []byte {
	switch {
	case f.kind == nftvalue.IfName, f.kind == nftvalue.Helper:
		b = append(b, v...)
		return append(b, zeros[:16-len(v)]...)
	case f.kind == nftvalue.DSCP:
		return appendBig(b, uint32(v[0])<<f.shift, f.length)
	case f.hostOrder && len(v) == 4:
		return e.order.AppendUint32(b, binary.BigEndian.Uint32(v))
	case f.hostOrder && len(v) == 2:
		return e.order.AppendUint16(b, binary.BigEndian.Uint16(v))
	}
	return append(b, v...)
}

// bigEndian is the number that at most four bytes in network byte order are.
func bigEndian(b []byte) uint32 {
	var v uint32
	for _, c := range b {
		v = v<<8 | uint32(c)
	}
	return v
}

// appendBig appends the low bytes of v in network byte order.
func appendBig(b []byte, v, length uint32) []byte {
	for i := int(length) - 1; i >= 0; i-- {
		b = append(b, byte(v>>(8*i)))
	}
	return b
}
