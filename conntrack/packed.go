package conntrack

import (
	"encoding/binary"
	"net/netip"
)

// A packedTuple is a Tuple in fewer bytes: both addresses in 16 each, ports or what ICMP has in their place, protocol, family and zone. Equal
// tuples have equal bytes.
type packedTuple [40]byte

func packTuple(t *Tuple) (p packedTuple) {
	src, dst := t.Src.Addr().As16(), t.Dst.Addr().As16()
	copy(p[:], src[:])
	copy(p[16:], dst[:])
	if isICMP(t.Proto) {
		binary.LittleEndian.PutUint16(p[32:], t.ICMPID)
		p[34], p[35] = t.ICMPType, t.ICMPCode
	} else {
		binary.LittleEndian.PutUint16(p[32:], t.Src.Port())
		binary.LittleEndian.PutUint16(p[34:], t.Dst.Port())
	}
	p[36] = t.Proto
	if t.Src.Addr().Is4() {
		p[37] = 4
	}
	binary.LittleEndian.PutUint16(p[38:], t.Zone)
	return p
}

func (p *packedTuple) tuple() Tuple {
	src, dst := netip.AddrFrom16([16]byte(p[:])), netip.AddrFrom16([16]byte(p[16:]))
	if p[37] == 4 {
		src, dst = src.Unmap(), dst.Unmap()
	}
	t := Tuple{Proto: p[36], Zone: binary.LittleEndian.Uint16(p[38:])}
	var sport, dport uint16
	if isICMP(t.Proto) {
		t.ICMPID, t.ICMPType, t.ICMPCode = binary.LittleEndian.Uint16(p[32:]), p[34], p[35]
	} else {
		sport, dport = binary.LittleEndian.Uint16(p[32:]), binary.LittleEndian.Uint16(p[34:])
	}
	t.Src, t.Dst = netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport)
	return t
}

func isICMP(proto uint8) bool { return proto == ICMP || proto == ICMPv6 }

// A packedKey is a Key in bytes.
type packedKey [46]byte

func packKey(k *Key) (p packedKey) {
	t := packTuple(&k.Orig)
	copy(p[:], t[:])
	binary.LittleEndian.PutUint32(p[40:], k.ID)
	binary.LittleEndian.PutUint16(p[44:], k.Zone)
	return p
}

func (p *packedKey) key() Key {
	t := packedTuple(p[:40])
	return Key{ID: binary.LittleEndian.Uint32(p[40:]), Zone: binary.LittleEndian.Uint16(p[44:]), Orig: t.tuple()}
}
