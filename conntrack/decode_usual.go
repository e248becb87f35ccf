package conntrack

import (
	"encoding/binary"
	"net/netip"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Nearly all tuples and counters that a kernel sends have the same attributes in the same order. On little-endian machines their headers are
// compared with the usual ones, and the values are read where they then must be: a tenth of the time of reading attribute
// by attribute, which is the way for everything else and comes to the same.

// Headers as little-endian machines read them: length, and type in the upper half.
const (
	headIPv4     = 20 | (nlmsg.CTATupleIP|nlmsg.AttrNested)<<16
	headIPv4Src  = 8 | nlmsg.CTAIPv4Src<<16
	headIPv4Dst  = 8 | nlmsg.CTAIPv4Dst<<16
	headIPv6     = 44 | (nlmsg.CTATupleIP|nlmsg.AttrNested)<<16
	headIPv6Src  = 20 | nlmsg.CTAIPv6Src<<16
	headIPv6Dst  = 20 | nlmsg.CTAIPv6Dst<<16
	headProto    = 28 | (nlmsg.CTATupleProto|nlmsg.AttrNested)<<16
	headProtoNum = 5 | nlmsg.CTAProtoNum<<16
	headSrcPort  = 6 | nlmsg.CTAProtoSrcPort<<16
	headDstPort  = 6 | nlmsg.CTAProtoDstPort<<16
	headPackets  = 12 | nlmsg.CTACountersPackets<<16
	headBytes    = 12 | nlmsg.CTACountersBytes<<16
)

func head(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

// usualTuple reads a tuple of two addresses, protocol and two ports, and reports whether it was one.
func (d *decoder) usualTuple(t *Tuple, b []byte) bool {
	if d.order != nlmsg.LittleEndian {
		return false
	}
	switch len(b) {
	case 20 + 28:
		p := b[20:48]
		if head(b) != headIPv4 || head(b[4:]) != headIPv4Src || head(b[12:]) != headIPv4Dst || !usualProto(p) {
			return false
		}
		t.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[8:12])), binary.BigEndian.Uint16(p[16:]))
		t.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[16:20])), binary.BigEndian.Uint16(p[24:]))
		t.Proto = p[8]
		return true
	case 44 + 28:
		p := b[44:72]
		if head(b) != headIPv6 || head(b[4:]) != headIPv6Src || head(b[24:]) != headIPv6Dst || !usualProto(p) {
			return false
		}
		t.Src = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), binary.BigEndian.Uint16(p[16:]))
		t.Dst = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[28:44])), binary.BigEndian.Uint16(p[24:]))
		t.Proto = p[8]
		return true
	}
	return false
}

// usualProto looks at the nest of the protocol and its ports: 28 bytes.
func usualProto(p []byte) bool {
	return head(p) == headProto && head(p[4:]) == headProtoNum && head(p[12:]) == headSrcPort && head(p[20:]) == headDstPort
}

// usualCounters reads packets and bytes, and reports whether there were just these.
func (d *decoder) usualCounters(c *Counters, b []byte) bool {
	if d.order != nlmsg.LittleEndian || len(b) != 24 || head(b) != headPackets || head(b[12:]) != headBytes {
		return false
	}
	*c = Counters{Packets: binary.BigEndian.Uint64(b[4:]), Bytes: binary.BigEndian.Uint64(b[16:]), OK: true}
	return true
}
