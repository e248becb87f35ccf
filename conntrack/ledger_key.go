package conntrack

import (
	"encoding/binary"
	"net/netip"
)

// A ledgerKey is a Key in a fixed number of bytes without pointers, as a Ledger keeps and saves it:
//
//	0 source address, 16 destination address, 32 source port, 34 destination port, 36 protocol, 37 kinds of address,
//	38 ICMP type, 39 ICMP code, 40 ICMP id, 42 zone of the tuple, 44 zone, 46 id
type ledgerKey [50]byte

func makeLedgerKey(e *Entry) (k ledgerKey) {
	t := &e.Orig
	src, dst := t.Src.Addr().As16(), t.Dst.Addr().As16()
	copy(k[0:], src[:])
	copy(k[16:], dst[:])
	binary.BigEndian.PutUint16(k[32:], t.Src.Port())
	binary.BigEndian.PutUint16(k[34:], t.Dst.Port())
	k[36] = t.Proto
	k[37] = addrKind(t.Src.Addr())<<4 | addrKind(t.Dst.Addr())
	k[38], k[39] = t.ICMPType, t.ICMPCode
	binary.BigEndian.PutUint16(k[40:], t.ICMPID)
	binary.BigEndian.PutUint16(k[42:], t.Zone)
	binary.BigEndian.PutUint16(k[44:], e.Zone)
	binary.BigEndian.PutUint32(k[46:], e.ID)
	return k
}

// addrKind keeps an IPv4 address apart from the same one mapped to IPv6.
func addrKind(a netip.Addr) byte {
	switch {
	case a.Is4():
		return 4
	case a.Is6():
		return 6
	}
	return 0
}

// startStamp folds the moment when e's connection began, as far as the kernel tells it, into four bytes; 0 is unknown. It only
// has to differ between two connections that have the same Key.
func startStamp(e *Entry) uint32 {
	if e.Start.IsZero() {
		return 0
	}
	ns := uint64(e.Start.UnixNano())
	return max(1, uint32(ns^ns>>32))
}
