package nlmsg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed is what every decoding error matches: lengths that contradict each other, data too short for its type.
var ErrMalformed = errors.New("malformed netlink message")

const (
	headerLen    = 16
	netfilterLen = 4
	attrLen      = 4
	maxAttr      = 0xffff
)

// A Message is one netlink message. Data is what follows the header and shares memory with the buffer that was walked.
type Message struct {
	Type, Flags uint16
	Seq, PID    uint32
	Data        []byte
}

// NextMessage takes the first message off b and returns the rest. It never reads past b.
func NextMessage(o Order, b []byte) (m Message, rest []byte, err error) {
	if len(b) < headerLen {
		return Message{}, nil, fmt.Errorf("%w: %d bytes left, a header has %d", ErrMalformed, len(b), headerLen)
	}
	said := o.Uint32(b)
	if said < headerLen || uint64(said) > uint64(len(b)) {
		return Message{}, nil, fmt.Errorf("%w: length field says %d, buffer has %d", ErrMalformed, said, len(b))
	}
	n := int(said)
	m = Message{Type: o.Uint16(b[4:]), Flags: o.Uint16(b[6:]), Seq: o.Uint32(b[8:]), PID: o.Uint32(b[12:]), Data: b[headerLen:n]}
	return m, b[min(Align(n), len(b)):], nil
}

// Netfilter splits an nfnetlink message's data into nfgenmsg and attributes.
func Netfilter(data []byte) (family byte, resID uint16, attrs []byte, err error) {
	if len(data) < netfilterLen {
		return 0, 0, nil, fmt.Errorf("%w: %d bytes, nfgenmsg has %d", ErrMalformed, len(data), netfilterLen)
	}
	return data[0], binary.BigEndian.Uint16(data[2:]), data[netfilterLen:], nil
}

// An Attr is one netlink attribute. Type is without the nested and byte-order flags; Data shares memory with the buffer.
type Attr struct {
	Type   uint16
	Nested bool
	Data   []byte
}

// NextAttr takes the first attribute off b and returns the rest. Loop while len(b) > 0.
func NextAttr(o Order, b []byte) (a Attr, rest []byte, err error) {
	if len(b) < attrLen {
		return Attr{}, nil, fmt.Errorf("%w: %d bytes left, an attribute header has %d", ErrMalformed, len(b), attrLen)
	}
	n := int(o.Uint16(b))
	if n < attrLen || n > len(b) {
		return Attr{}, nil, fmt.Errorf("%w: attribute length %d, buffer has %d", ErrMalformed, n, len(b))
	}
	t := o.Uint16(b[2:])
	a = Attr{Type: t & AttrTypeMask, Nested: t&AttrNested != 0, Data: b[attrLen:n]}
	return a, b[min(Align(n), len(b)):], nil
}

// CutAttr is NextAttr for loops that count nanoseconds: what it returns fits the processor's registers. Where ok is false NextAttr says why.
func CutAttr(o Order, b []byte) (typ uint16, data, rest []byte, ok bool) {
	if len(b) < attrLen {
		return
	}
	n := int(o.Uint16(b))
	if n < attrLen || n > len(b) {
		return
	}
	return o.Uint16(b[2:]) & AttrTypeMask, b[attrLen:n], b[min(Align(n), len(b)):], true
}

// EachAttr hands each attribute of b to visit, until one is malformed or visit returns an error.
func EachAttr(o Order, b []byte, visit func(Attr) error) error {
	for len(b) > 0 {
		a, rest, err := NextAttr(o, b)
		if err != nil {
			return err
		}
		if err := visit(a); err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// String reads a NUL-terminated or bare string.
func (a Attr) String() string {
	b := a.Data
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// Name reads a string of 1 to longest bytes that ends in a NUL, as the kernel writes what it calls something by.
func (a Attr) Name(longest int) (string, error) {
	n := bytes.IndexByte(a.Data, 0)
	if n < 1 || n > longest {
		return "", fmt.Errorf("%w: attribute %d is no name of 1 to %d bytes and a NUL", ErrMalformed, a.Type, longest)
	}
	return string(a.Data[:n]), nil
}

// Uint8 reads one byte.
func (a Attr) Uint8() (uint8, error) {
	if len(a.Data) != 1 {
		return 0, a.sized(1)
	}
	return a.Data[0], nil
}

// Uint16BE reads a 16-bit number in network byte order.
func (a Attr) Uint16BE() (uint16, error) {
	if len(a.Data) != 2 {
		return 0, a.sized(2)
	}
	return binary.BigEndian.Uint16(a.Data), nil
}

// Uint32BE reads a 32-bit number in network byte order.
func (a Attr) Uint32BE() (uint32, error) {
	if len(a.Data) != 4 {
		return 0, a.sized(4)
	}
	return binary.BigEndian.Uint32(a.Data), nil
}

// Uint64BE reads a 64-bit number in network byte order.
func (a Attr) Uint64BE() (uint64, error) {
	if len(a.Data) != 8 {
		return 0, a.sized(8)
	}
	return binary.BigEndian.Uint64(a.Data), nil
}

func (a Attr) sized(want int) error {
	return fmt.Errorf("%w: attribute %d has %d bytes, its type has %d", ErrMalformed, a.Type, len(a.Data), want)
}

// Align is how much room n bytes take before the next message or attribute.
func Align(n int) int { return (n + 3) &^ 3 }
