package replay

import (
	"encoding/binary"
	"strconv"
)

// A batch is the outline of one transaction that was found to be whole.
type batch struct {
	order    binary.ByteOrder
	bytes    []byte
	messages int
	asked    bool // some operation asks for an acknowledgement
	pinned   bool // BATCH_BEGIN names a generation
}

// outline walks a batch from BATCH_BEGIN to BATCH_END. Kernels drop a malformed batch without a word, and take one without its
// end for a dry run: both are refused here.
func outline(o binary.ByteOrder, b []byte) (batch, error) {
	t := batch{order: o, bytes: b}
	if otherOrder(o, b) {
		return t, failed("batch", ErrByteOrder)
	}
	last := -1
	for rest := b; len(rest) > 0; t.messages++ {
		m, more, ok := nextMessage(o, rest)
		switch {
		case !ok:
			return t, malformed("message " + strconv.Itoa(t.messages) + " of the batch is cut off")
		case len(m.data) < genMsgLen || m.seq != uint32(t.messages) || len(m.data)%4 != 0:
			return t, malformed("message " + strconv.Itoa(t.messages) + " is not of a batch that this library made")
		case (t.messages == 0) != (m.typ == typeBatchBegin) || last == typeBatchEnd:
			return t, malformed("the batch does not begin with its one BATCH_BEGIN, or goes on behind BATCH_END")
		case (m.typ == typeBatchBegin || m.typ == typeBatchEnd) && binary.BigEndian.Uint32(m.data) != subsysNFTables:
			return t, malformed("the batch is not for nf_tables")
		}
		if m.typ == typeBatchBegin {
			t.pinned = len(m.data) > genMsgLen
		} else if m.typ != typeBatchEnd {
			t.asked = t.asked || m.flags&flagAck != 0
		}
		last, rest = int(m.typ), more
	}
	if last != typeBatchEnd {
		return t, malformed("the batch has no BATCH_END")
	}
	return t, nil
}

// otherOrder reports whether b begins with a BATCH_BEGIN of the other byte order.
func otherOrder(o binary.ByteOrder, b []byte) bool {
	return len(b) >= beginLen && o.Uint16(b[4:]) == typeBatchBegin<<8
}

// inside are the messages between BATCH_BEGIN and BATCH_END.
func (t batch) inside() []message {
	list := make([]message, 0, t.messages)
	for rest := t.bytes; len(rest) > 0; {
		var m message
		m, rest, _ = nextMessage(t.order, rest)
		if m.typ != typeBatchBegin && m.typ != typeBatchEnd {
			list = append(list, m)
		}
	}
	return list
}

// object says what message i does; "" for the frame and what is not there.
func (t batch) object(i int) string {
	for n, b := 0, t.bytes; ; n++ {
		m, rest, ok := nextMessage(t.order, b)
		switch {
		case !ok:
			return ""
		case n == i:
			return m.object(t.order)
		}
		b = rest
	}
}
