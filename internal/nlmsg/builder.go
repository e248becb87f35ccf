package nlmsg

import (
	"encoding/binary"
	"fmt"
)

// A Builder appends netlink messages to one buffer: Begin, attributes, End, and again. It never fails in the middle; the
// first attribute that does not fit its 16-bit length is remembered and returned by Err. A Builder is not safe for
// concurrent use.
type Builder struct {
	buf   []byte
	order Order
	start int // offset of the open message's header
	err   error
}

// NewBuilder returns a Builder for one byte order that appends to buf[:0].
func NewBuilder(order Order, buf []byte) *Builder {
	return &Builder{buf: buf[:0], order: order, start: -1}
}

// Order is the byte order given to NewBuilder.
func (b *Builder) Order() Order { return b.order }

// Bytes are the messages appended so far.
func (b *Builder) Bytes() []byte { return b.buf }

// Len is the number of bytes appended so far; before Begin it is the offset of the next message.
func (b *Builder) Len() int { return len(b.buf) }

// Err is the first thing that could not be encoded.
func (b *Builder) Err() error { return b.err }

// Reset forgets all messages and keeps the memory.
func (b *Builder) Reset() { b.buf, b.start, b.err = b.buf[:0], -1, nil }

// Begin opens a message: a netlink header whose length End fills in.
func (b *Builder) Begin(typ, flags uint16, seq uint32) {
	b.start = len(b.buf)
	b.buf = b.order.AppendUint32(b.buf, 0)
	b.buf = b.order.AppendUint16(b.buf, typ)
	b.buf = b.order.AppendUint16(b.buf, flags)
	b.buf = b.order.AppendUint32(b.buf, seq)
	b.buf = b.order.AppendUint32(b.buf, 0)
}

// BeginNetfilter opens an nfnetlink message: header and nfgenmsg (include/uapi/linux/netfilter/nfnetlink.h).
// resID is in network byte order on the wire: 0, the subsystem of a batch, or an nf_tables generation.
func (b *Builder) BeginNetfilter(typ, flags uint16, seq uint32, family byte, resID uint16) {
	b.Begin(typ, flags, seq)
	b.buf = append(b.buf, family, NFNetlinkV0)
	b.buf = binary.BigEndian.AppendUint16(b.buf, resID)
}

// End closes the message that Begin opened.
func (b *Builder) End() {
	b.order.PutUint32(b.buf[b.start:], uint32(len(b.buf)-b.start))
	b.pad()
	b.start = -1
}

// Raw appends bytes as they are, padded to four.
func (b *Builder) Raw(p []byte) {
	b.buf = append(b.buf, p...)
	b.pad()
}

// Nest opens a nested attribute (NLA_F_NESTED set) and returns the mark for EndNest.
func (b *Builder) Nest(typ uint16) int { return b.attr(typ | AttrNested) }

// PlainNest opens a nested attribute without NLA_F_NESTED, as nf_tables writes them in dumps, and returns the mark for EndNest.
func (b *Builder) PlainNest(typ uint16) int { return b.attr(typ) }

// EndNest closes the nested attribute opened at mark.
func (b *Builder) EndNest(mark int) { b.closeAttr(mark) }

// Uint8 appends one byte.
func (b *Builder) Uint8(typ uint16, v uint8) {
	m := b.attr(typ)
	b.buf = append(b.buf, v)
	b.closeAttr(m)
}

// Uint16BE appends a 16-bit number in network byte order.
func (b *Builder) Uint16BE(typ uint16, v uint16) {
	m := b.attr(typ)
	b.buf = binary.BigEndian.AppendUint16(b.buf, v)
	b.closeAttr(m)
}

// Uint32BE appends a 32-bit number in network byte order, as nf_tables and ctnetlink want their numbers.
func (b *Builder) Uint32BE(typ uint16, v uint32) {
	m := len(b.buf)
	b.buf = append(b.buf, 0, 0, 0, 0, byte(v>>24), byte(v>>16), byte(v>>8), byte(v)) // at once: most attributes are such numbers
	b.order.PutUint16(b.buf[m:], 8)
	b.order.PutUint16(b.buf[m+2:], typ)
}

// Uint64BE appends a 64-bit number in network byte order.
func (b *Builder) Uint64BE(typ uint16, v uint64) {
	m := b.attr(typ)
	b.buf = binary.BigEndian.AppendUint64(b.buf, v)
	b.closeAttr(m)
}

// Data appends an attribute with these bytes.
func (b *Builder) Data(typ uint16, p []byte) {
	m := b.attr(typ)
	b.buf = append(b.buf, p...)
	b.closeAttr(m)
}

// String appends s with a NUL. Kernels have taken an unterminated device name as a prefix, so every name ends in one.
func (b *Builder) String(typ uint16, s string) {
	m := b.attr(typ)
	b.buf = append(b.buf, s...)
	b.buf = append(b.buf, 0)
	b.closeAttr(m)
}

// attr appends a header whose length closeAttr fills in. Appending to a field in place spares the garbage collector's barrier.
func (b *Builder) attr(typ uint16) int {
	m := len(b.buf)
	b.buf = append(b.buf, 0, 0, 0, 0)
	b.order.PutUint16(b.buf[m+2:], typ)
	return m
}

func (b *Builder) closeAttr(mark int) {
	n := len(b.buf) - mark
	if n > maxAttr {
		if b.err == nil {
			typ := b.order.Uint16(b.buf[mark+2:]) &^ AttrNested
			b.err = fmt.Errorf("netlink attribute %d has %d bytes, more than the %d that its length field holds", typ, n, maxAttr)
		}
		n = maxAttr
	}
	b.order.PutUint16(b.buf[mark:], uint16(n))
	b.pad()
}

func (b *Builder) pad() {
	for len(b.buf)&3 != 0 {
		b.buf = append(b.buf, 0)
	}
}
