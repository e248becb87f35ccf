package ruleset

import (
	"fmt"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// anonymousName is what nft calls the set of a list; the kernel fills the number in.
const anonymousName = "__set%d"

// maxAttr is the longest that an attribute can be; a set's elements are spread over messages that stay below.
const maxAttr = 0xffff

// A setBody is a set as its elements are sent: its name, its id in the batch, the length of a key.
type setBody struct {
	name     string
	id       uint32 // 0 is a set that exists
	length   int
	interval bool
}

func newSetBody(s *Set) setBody {
	_, length, _ := kindOf(s.Type).SetType()
	return setBody{name: s.Name, length: int(length), interval: s.Interval}
}

// nextSet gives a set of the batch its id. The content is that of an anonymous one.
func (e *encoder) nextSet(content digest) uint32 {
	e.sets++
	e.contents = append(e.contents, content)
	return e.sets
}

// addSet makes a named set without elements.
func (e *encoder) addSet(op *Operation, s *Set) {
	id := e.nextSet(0)
	e.setIDs[setKey{op.Family, op.Table, s.Name}] = id
	kind := kindOf(s.Type)
	_, length, _ := kind.SetType()
	e.beginSet(op, s.Name, s.flags(), kind, length, id)
	e.setOrder(kind)
	e.end()
}

func (e *encoder) beginSet(op *Operation, name string, flags uint32, kind nftvalue.Kind, length, id uint32) {
	typ, _, _ := kind.SetType()
	if typ == 0 {
		e.fail(fmt.Errorf("no set holds values that are %s", kind.Expects()))
	}
	e.begin(op, nlmsg.NFTMsgNewSet, nlmsg.FlagCreate)
	e.b.String(nlmsg.NFTASetTable, op.Table)
	e.b.String(nlmsg.NFTASetName, name)
	e.b.Uint32BE(nlmsg.NFTASetFlags, flags)
	e.b.Uint32BE(nlmsg.NFTASetKeyType, typ)
	e.b.Uint32BE(nlmsg.NFTASetKeyLen, length)
	e.b.Uint32BE(nlmsg.NFTASetID, id)
}

// setOrder tells nft the byte order of the elements, as user data: type, length, a number in host order.
func (e *encoder) setOrder(kind nftvalue.Kind) {
	_, _, order := kind.SetType()
	b := append(e.scratch[:0], nlmsg.UdataSetKeyByteOrder, 4)
	e.b.Data(nlmsg.NFTASetUserdata, e.order.AppendUint32(b, order))
}

// addElements puts elements into a named set. They are sorted, so that equal sets give equal bytes.
func (e *encoder) addElements(op *Operation, x *elements) {
	s := newSetBody(x.set)
	s.id = e.setIDs[setKey{op.Family, op.Table, s.name}]
	e.elements(op, nlmsg.NFTMsgNewSetElem, s, x.ranges, x.first)
}

// anonymousSet makes the set of a list and fills it; the rule that follows is the only one that uses it. Overlapping and
// adjacent ranges are joined, as nft joins them.
func (e *encoder) anonymousSet(op *Operation, f *fieldInfo, spans []nftvalue.Span) (id uint32) {
	_, length, _ := f.kind.SetType()
	if f.source == fromPayload {
		length = f.length
	}
	s := setBody{name: anonymousName, length: int(length)}
	e.ranges = e.ranges[:0]
	for _, v := range spans {
		s.interval = s.interval || !v.Single()
		e.ranges = append(e.ranges, e.keyRange(f, v))
	}
	nftvalue.SortRanges(e.ranges)
	flags := uint32(nlmsg.SetAnonymous | nlmsg.SetConstant)
	size := uint32(0)
	if s.interval {
		flags |= nlmsg.SetInterval
		e.ranges = nftvalue.JoinRanges(e.ranges, s.length)
		size = nftvalue.IntervalCount(e.ranges)
	} else {
		e.ranges = nftvalue.UniqueRanges(e.ranges)
		size = uint32(len(e.ranges))
	}
	s.id = e.nextSet(digestRanges(e.ranges, s.length))
	e.beginSet(op, s.name, flags, f.kind, length, s.id)
	desc := e.b.Nest(nlmsg.NFTASetDesc)
	e.b.Uint32BE(nlmsg.NFTASetDescSize, size)
	e.b.EndNest(desc)
	e.setOrder(f.kind)
	e.end()
	e.elements(op, nlmsg.NFTMsgNewSetElem, s, e.ranges, true)
	return s.id
}

// elements sends elements to a set or takes them out, spread over as many messages as they need. The first ones of an interval
// set begin with the end of nothing at zero, as nft's do.
func (e *encoder) elements(op *Operation, msg uint16, s setBody, ranges []nftvalue.Range, first bool) {
	if len(ranges) == 0 {
		return
	}
	list := e.beginElements(op, msg, s)
	if first && s.interval && !ranges[0].StartsAtZero() {
		e.element(zeros[:s.length], nlmsg.SetElemIntervalEnd, false)
	}
	for i := range ranges {
		if e.b.Len()-list > maxAttr-2*(32+s.length) {
			e.b.EndNest(list)
			e.end()
			list = e.beginElements(op, msg, s)
		}
		r := &ranges[i]
		if !s.interval {
			e.element(r.Low[:s.length], 0, false)
			continue
		}
		after, open := r.After(s.length)
		e.element(r.Low[:s.length], 0, open)
		if !open {
			e.element(after[:s.length], nlmsg.SetElemIntervalEnd, false)
		}
	}
	e.b.EndNest(list)
	e.end()
}

func (e *encoder) beginElements(op *Operation, msg uint16, s setBody) (list int) {
	flags := uint16(nlmsg.FlagCreate)
	if msg == nlmsg.NFTMsgDelSetElem {
		flags = 0
	}
	e.begin(op, msg, flags)
	e.b.String(nlmsg.NFTASetElemListTable, op.Table)
	e.b.String(nlmsg.NFTASetElemListSet, s.name)
	if s.id != 0 {
		e.b.Uint32BE(nlmsg.NFTASetElemListSetID, s.id)
	}
	return e.b.Nest(nlmsg.NFTASetElemListElements)
}

// element writes one element. An open one begins an interval that ends at the greatest value; nft is told so.
func (e *encoder) element(key []byte, flags uint32, open bool) {
	elem := e.b.Nest(nlmsg.NFTAListElem)
	if flags != 0 {
		e.b.Uint32BE(nlmsg.NFTASetElemFlags, flags)
	}
	e.value(nlmsg.NFTASetElemKey, key)
	if open {
		b := append(e.scratch[:0], nlmsg.UdataSetElemFlags, 4)
		e.b.Data(nlmsg.NFTASetElemUserdata, e.order.AppendUint32(b, nlmsg.UdataElemIntervalOpen))
	}
	e.b.EndNest(elem)
}

// keyRange encodes a span's bounds for a set over a field.
func (e *encoder) keyRange(f *fieldInfo, s nftvalue.Span) nftvalue.Range {
	if s.IsNamePrefix() {
		return nftvalue.RangeOf(s)
	}
	var r nftvalue.Range
	copy(r.Low[:], e.appendValue(e.scratch[:0], f, s.Low))
	copy(r.High[:], e.appendValue(e.scratch[:0], f, s.High))
	return r
}
