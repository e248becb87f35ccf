package nlmsg

import "encoding/binary"

// Order is the byte order of netlink's host-order fields: message and attribute headers, marks, masks and register data
// that nf_tables keeps in host order. It is a small value rather than an interface, so that the compiler inlines it.
type Order bool

// The two byte orders.
const (
	LittleEndian Order = false
	BigEndian    Order = true
)

// Native is the byte order of the machine that runs this program.
func Native() Order {
	return Order(binary.NativeEndian.Uint16([]byte{0, 1}) == 1)
}

// OrderOf translates an encoding/binary byte order; nil is the native one.
func OrderOf(o binary.ByteOrder) Order {
	if o == nil {
		return Native()
	}
	return Order(o.Uint16([]byte{0, 1}) == 1)
}

// Uint16 reads two bytes.
func (o Order) Uint16(b []byte) uint16 {
	if o == BigEndian {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

// Uint32 reads four bytes.
func (o Order) Uint32(b []byte) uint32 {
	if o == BigEndian {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

// Uint64 reads eight bytes.
func (o Order) Uint64(b []byte) uint64 {
	if o == BigEndian {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

// PutUint16 writes two bytes.
func (o Order) PutUint16(b []byte, v uint16) {
	if o == BigEndian {
		binary.BigEndian.PutUint16(b, v)
		return
	}
	binary.LittleEndian.PutUint16(b, v)
}

// PutUint32 writes four bytes.
func (o Order) PutUint32(b []byte, v uint32) {
	if o == BigEndian {
		binary.BigEndian.PutUint32(b, v)
		return
	}
	binary.LittleEndian.PutUint32(b, v)
}

// AppendUint16 appends two bytes.
func (o Order) AppendUint16(b []byte, v uint16) []byte {
	if o == BigEndian {
		return binary.BigEndian.AppendUint16(b, v)
	}
	return binary.LittleEndian.AppendUint16(b, v)
}

// AppendUint32 appends four bytes.
func (o Order) AppendUint32(b []byte, v uint32) []byte {
	if o == BigEndian {
		return binary.BigEndian.AppendUint32(b, v)
	}
	return binary.LittleEndian.AppendUint32(b, v)
}

// AppendUint64 appends eight bytes.
func (o Order) AppendUint64(b []byte, v uint64) []byte {
	if o == BigEndian {
		return binary.BigEndian.AppendUint64(b, v)
	}
	return binary.LittleEndian.AppendUint64(b, v)
}

// String names the order as Go's encoding/binary does.
func (o Order) String() string {
	if o == BigEndian {
		return "BigEndian"
	}
	return "LittleEndian"
}
