package nlmsg

import "fmt"

// An Ack is an NLMSG_ERROR message: the kernel's answer to the request with sequence Seq. Errno 0 is success.
type Ack struct {
	Seq      uint32 // of the request; the header's own sequence number
	Errno    int32  // positive errno, 0 for success
	Text     string // NLMSGERR_ATTR_MSG, "" where the kernel gave none
	Offset   uint32 // NLMSGERR_ATTR_OFFS, bytes from the request's header to the attribute at fault; 0 is unknown
	MissType uint32 // NLMSGERR_ATTR_MISS_TYPE, the attribute that is missing; 0 is unknown
}

// ParseAck decodes an NLMSG_ERROR message, or an NLMSG_DONE that carries an error.
func ParseAck(o Order, m Message) (Ack, error) {
	a := Ack{Seq: m.Seq}
	if len(m.Data) < 4 {
		return a, fmt.Errorf("%w: an ack of %d bytes", ErrMalformed, len(m.Data))
	}
	a.Errno = -int32(o.Uint32(m.Data))
	if m.Flags&FlagAckTLVs == 0 {
		return a, nil
	}
	skip := 4
	if m.Type == TypeError {
		if len(m.Data) < 4+headerLen {
			return a, fmt.Errorf("%w: an ack of %d bytes with attributes", ErrMalformed, len(m.Data))
		}
		skip += headerLen
		if m.Flags&FlagCapped == 0 && a.Errno != 0 {
			n := o.Uint32(m.Data[4:])
			if n < headerLen || uint64(n) > uint64(len(m.Data)-4) {
				return a, fmt.Errorf("%w: an ack echoes a request of %d bytes, has %d", ErrMalformed, n, len(m.Data)-4)
			}
			skip = min(4+Align(int(n)), len(m.Data))
		}
	}
	return a, a.attrs(o, m.Data[skip:])
}

func (a *Ack) attrs(o Order, b []byte) error {
	return EachAttr(o, b, func(attr Attr) error {
		switch attr.Type {
		case ErrAttrMsg:
			a.Text = attr.String()
		case ErrAttrOffset, ErrAttrMissType:
			if len(attr.Data) < 4 {
				return attr.sized(4)
			}
			if attr.Type == ErrAttrOffset {
				a.Offset = o.Uint32(attr.Data)
			} else {
				a.MissType = o.Uint32(attr.Data)
			}
		}
		return nil
	})
}
