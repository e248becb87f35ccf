package conntrack

import (
	"fmt"
	"net/netip"
	"strconv"
)

// The protocols that the kernel tracks by name; [Tuple.Proto] may be any other.
const (
	ICMP    = 1
	TCP     = 6
	UDP     = 17
	DCCP    = 33
	GRE     = 47
	ICMPv6  = 58
	SCTP    = 132
	UDPLite = 136
)

// A Tuple is one direction of a connection, as its packets look on their way in. It is a plain, comparable value.
type Tuple struct {
	Src      netip.AddrPort `json:"src"` // ports are 0 where the protocol has none; GRE shows its keys
	Dst      netip.AddrPort `json:"dst"`
	Proto    uint8          `json:"proto"`              // IP protocol number
	ICMPType uint8          `json:"icmpType,omitempty"` // ICMP and ICMPv6 only, as the other two
	ICMPCode uint8          `json:"icmpCode,omitempty"`
	ICMPID   uint16         `json:"icmpID,omitempty"`
	Zone     uint16         `json:"zone,omitempty"` // set where Entry.Zone holds for this direction only; the other is in zone 0 then
}

// String reads like the fields of conntrack(8): "src=192.0.2.1 dst=192.0.2.2 sport=1025 dport=80".
func (t Tuple) String() string { return string(appendZone(t.appendFields(nil), " zone=", t.Zone)) }

// appendFields appends all but the zone.
func (t Tuple) appendFields(b []byte) []byte {
	b = append(b, "src="...)
	b = t.Src.Addr().AppendTo(b)
	b = append(b, " dst="...)
	b = t.Dst.Addr().AppendTo(b)
	switch t.Proto {
	case ICMP, ICMPv6:
		b = appendField(b, " type=", uint64(t.ICMPType))
		b = appendField(b, " code=", uint64(t.ICMPCode))
		b = appendField(b, " id=", uint64(t.ICMPID))
	case TCP, UDP, DCCP, SCTP, UDPLite:
		b = appendField(b, " sport=", uint64(t.Src.Port()))
		b = appendField(b, " dport=", uint64(t.Dst.Port()))
	case GRE:
		b = fmt.Appendf(b, " srckey=%#x dstkey=%#x", t.Src.Port(), t.Dst.Port())
	}
	return b
}

func appendZone(b []byte, name string, zone uint16) []byte {
	if zone == 0 {
		return b
	}
	return appendField(b, name, uint64(zone))
}

func appendField(b []byte, name string, v uint64) []byte {
	return strconv.AppendUint(append(b, name...), v, 10)
}

// Reversed is the tuple that packets of the other direction have where nothing is translated. An ICMP type becomes that
// of the answer. A zone that holds for one direction only does not hold for the other.
func (t Tuple) Reversed() Tuple {
	t.Src, t.Dst, t.Zone = t.Dst, t.Src, 0
	switch t.Proto {
	case ICMP:
		t.ICMPType = answer(t.ICMPType, icmpAnswers[:])
	case ICMPv6:
		t.ICMPType = answer(t.ICMPType, icmpv6Answers[:])
	}
	return t
}

// Pairs of question and answer: echo, timestamp, information, address mask; echo and node information for IPv6.
var (
	icmpAnswers   = [...][2]uint8{{8, 0}, {13, 14}, {15, 16}, {17, 18}}
	icmpv6Answers = [...][2]uint8{{128, 129}, {139, 140}}
)

func answer(typ uint8, pairs [][2]uint8) uint8 {
	for _, p := range pairs {
		switch typ {
		case p[0]:
			return p[1]
		case p[1]:
			return p[0]
		}
	}
	return typ
}

// ProtocolName is the name in /etc/protocols of a protocol that the kernel tracks by name, and "" for any other.
func ProtocolName(p uint8) string {
	switch p {
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case DCCP:
		return "dccp"
	case GRE:
		return "gre"
	case ICMPv6:
		return "icmpv6"
	case SCTP:
		return "sctp"
	case UDPLite:
		return "udplite"
	}
	return ""
}
