package replay

import (
	"encoding/binary"
	"syscall"
)

// A verdict collects what a kernel answers to one batch.
type verdict struct {
	refusal *Error
	acked   bool
	garbled bool
}

// take reads one datagram. Acknowledgements are not believed where there is an error beside them: after a failed commit they
// come all the same.
func (v *verdict) take(o binary.ByteOrder, datagram []byte) {
	for len(datagram) > 0 {
		m, rest, ok := nextMessage(o, datagram)
		if !ok {
			v.garbled = true
			return
		}
		datagram = rest
		if m.typ != typeError {
			continue
		}
		if len(m.data) < 4 {
			v.garbled = true
			continue
		}
		v.answer(o, m)
	}
}

// answer takes one NLMSG_ERROR, of which errno 0 is an acknowledgement.
func (v *verdict) answer(o binary.ByteOrder, m message) {
	errno := -int32(o.Uint32(m.data))
	switch {
	case errno == 0:
		v.acked = true
	case v.refusal == nil:
		v.refusal = &Error{Message: int(m.seq), Errno: syscall.Errno(errno)}
		v.explain(o, m)
	default:
		v.refusal.Others++
	}
}

// Flags and attributes of an extended acknowledgement.
const (
	flagCapped    = 0x100 // the refused message is not echoed
	flagAckAttrs  = 0x200
	errAttrText   = 1
	errAttrOffset = 2
)

// explain adds what an extended acknowledgement says.
func (v *verdict) explain(o binary.ByteOrder, m message) {
	if m.flags&flagAckAttrs == 0 || len(m.data) < 4+headerLen {
		return
	}
	skip := 4 + headerLen
	if m.flags&flagCapped == 0 {
		if n := o.Uint32(m.data[4:]); n >= headerLen && uint64(n)+4 <= uint64(len(m.data)) {
			skip = 4 + align(int(n))
		}
	}
	attrs := m.data[min(skip, len(m.data)):]
	v.refusal.Text = text(find(o, attrs, errAttrText))
	if b := find(o, attrs, errAttrOffset); len(b) >= 4 {
		v.refusal.Offset = int(o.Uint32(b))
	}
}

// judge says what became of a batch. overrun tells that answers were lost.
func (v *verdict) judge(t batch, overrun bool) error {
	switch {
	case v.refusal != nil:
		v.refusal.Object = t.object(v.refusal.Message)
		return v.refusal
	case overrun:
		return failed("the kernel's answers did not fit the receive buffer", ErrUnknown)
	case v.garbled:
		return failed("the kernel's answer could not be read", ErrUnknown)
	case t.asked && !v.acked:
		return failed("the kernel answered nothing, as it does to a batch that it cannot read", ErrUnknown)
	}
	return nil
}
