package replay

import (
	"encoding/binary"
	"strconv"
)

// The parts of netlink and nf_tables that this package looks at (include/uapi/linux/netlink.h, netfilter/nfnetlink.h,
// netfilter/nf_tables.h). internal/nlmsg has them all; a loader does without.
const (
	headerLen = 16
	genMsgLen = 4
	beginLen  = headerLen + genMsgLen

	typeError      = 2
	typeBatchBegin = 16
	typeBatchEnd   = 17

	subsysNFTables = 10
	newTable       = subsysNFTables << 8
	getTable       = subsysNFTables<<8 | 1
	newFlowtable   = subsysNFTables<<8 | 22

	flagRequest = 0x1
	flagAck     = 0x4
	flagEcho    = 0x8
	flagExcl    = 0x200
	flagCreate  = 0x400
	flagAppend  = 0x800

	attrTypeMask = 0x3fff
)

// A message is one netlink message. Its data shares memory with the buffer.
type message struct {
	typ, flags uint16
	seq        uint32
	data       []byte // behind the header
}

// nextMessage takes the first message off b; false if b does not begin with a whole one.
func nextMessage(o binary.ByteOrder, b []byte) (m message, rest []byte, ok bool) {
	if len(b) < headerLen {
		return m, nil, false
	}
	n := o.Uint32(b)
	if n < headerLen || uint64(n) > uint64(len(b)) {
		return m, nil, false
	}
	m = message{typ: o.Uint16(b[4:]), flags: o.Uint16(b[6:]), seq: o.Uint32(b[8:]), data: b[headerLen:n]}
	return m, b[min(align(int(n)), len(b)):], true
}

// family and attributes of an nfnetlink message; zero and nothing if it is too short.
func (m message) netfilter() (family byte, attrs []byte) {
	if len(m.data) < genMsgLen {
		return 0, nil
	}
	return m.data[0], m.data[genMsgLen:]
}

// An attribute is one netlink attribute. Its data shares memory with the buffer.
type attribute struct {
	typ  uint16
	data []byte
}

// nextAttribute takes the first attribute off b; false if b is empty or does not begin with a whole one.
func nextAttribute(o binary.ByteOrder, b []byte) (a attribute, rest []byte, ok bool) {
	if len(b) < 4 {
		return a, nil, false
	}
	n := int(o.Uint16(b))
	if n < 4 || n > len(b) {
		return a, nil, false
	}
	return attribute{o.Uint16(b[2:]) & attrTypeMask, b[4:n]}, b[min(align(n), len(b)):], true
}

// find gives the first attribute of a type; nil if there is none.
func find(o binary.ByteOrder, b []byte, typ uint16) []byte {
	for {
		a, rest, ok := nextAttribute(o, b)
		switch {
		case !ok:
			return nil
		case a.typ == typ:
			return a.data
		}
		b = rest
	}
}

// text reads a NUL-terminated or bare string.
func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// shown is a name for a person: quoted where a terminal could do other things with it than print.
func shown(name string) string {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' {
			return strconv.QuoteToASCII(name)
		}
	}
	return name
}

// decimal is a number of 32 bits for a person; as an int it is negative on some processors.
func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func align(n int) int { return (n + 3) &^ 3 }

// familyName is nft's name of a family of nfgenmsg.
func familyName(family byte) string {
	switch family {
	case 1:
		return "inet"
	case 2:
		return "ip"
	case 10:
		return "ip6"
	}
	return "family " + strconv.Itoa(int(family))
}

// kinds of nf_tables messages: what they are about, and the attribute with its name or that of its chain or set, 0 for none.
var kinds = [...]struct {
	name string
	attr uint16
}{
	0: {"table", 0}, 3: {"chain", 3}, 6: {"rule", 2}, 9: {"set", 2}, 12: {"element", 2}, 18: {"object", 2}, 22: {"flowtable", 2},
}

// object says what a message does: "add chain inet router forward". "" if that cannot be told.
func (m message) object(o binary.ByteOrder) string {
	number := int(m.typ & 0xff)
	verb := "add "
	if number >= 2 && number-2 < len(kinds) && kinds[number-2].name != "" {
		verb, number = "delete ", number-2
	}
	if m.typ>>8 != subsysNFTables || number >= len(kinds) || kinds[number].name == "" {
		return ""
	}
	family, attrs := m.netfilter()
	s := verb + kinds[number].name + " " + familyName(family) + " " + shown(text(find(o, attrs, 1)))
	if attr := kinds[number].attr; attr != 0 {
		s += " " + shown(text(find(o, attrs, attr)))
	}
	return s
}
