package ruleset

import (
	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// A fieldSource says which expression loads a field.
type fieldSource int

const (
	fromMeta    fieldSource = iota + 1 // nft_meta, key is NFT_META_*
	fromCT                             // nft_ct, key is NFT_CT_*
	fromRT                             // nft_rt, key is NFT_RT_*
	fromPayload                        // nft_payload, at base, offset, length
)

// A fieldInfo says how a field is loaded, how its values are read, and what it asks of the packet.
type fieldInfo struct {
	kind   nftvalue.Kind
	source fieldSource
	// key is NFT_META_*, NFT_CT_* or NFT_RT_* (include/uapi/linux/netfilter/nf_tables.h).
	key uint32
	// direction is IP_CT_DIR_* for counters of one direction, -1 otherwise.
	direction int
	// base, offset and length of a payload field; base is NFT_PAYLOAD_*_HEADER.
	base, offset, length uint32
	// mask and shift pick the value out of the loaded bytes: loaded & mask == value << shift. Zero mask is all bits.
	mask, shift uint32
	// hostOrder says that the kernel keeps the value in its own byte order (marks, states, counters).
	hostOrder bool
	// bits says that the field is one of bits: several values match by `& != 0` (ct state, ct status, tcp flags).
	bits bool
	// family is the IP family that the field belongs to (IP, IP6), "" for any. In an inet table it brings `meta nfproto`.
	family Family
	// l4proto is the protocol the field belongs to (6 TCP, 17 UDP), 0 for none. It brings `meta l4proto`.
	l4proto uint8
	// needsL4Proto says that the rule must have matched meta l4proto before (th).
	needsL4Proto bool
}

// Numbers of include/uapi/linux/netfilter/nf_tables.h.
const (
	metaMark    = 3
	metaIIFName = 6
	metaOIFName = 7
	metaNFProto = 15
	metaL4Proto = 16
	metaSecpath = 25

	ctState     = 0
	ctDirection = 1
	ctStatus    = 2
	ctMark      = 3
	ctHelper    = 6
	ctPackets   = 14
	ctBytes     = 15
	ctZone      = 17

	rtXfrm = 4

	networkHeader   = 1
	transportHeader = 2

	protoGRE = 47
)

// infoOf describes a field; false if there is no such field.
func infoOf(f Field) (fieldInfo, bool) {
	switch f {
	case fieldNFProto:
		return meta(nftvalue.NFProto, metaNFProto), true
	case fieldL4Proto:
		return meta(nftvalue.Proto, metaL4Proto), true
	case fieldIIFName:
		return meta(nftvalue.IfName, metaIIFName), true
	case fieldOIFName:
		return meta(nftvalue.IfName, metaOIFName), true
	case fieldMetaMark:
		i := meta(nftvalue.Mark, metaMark)
		i.hostOrder = true
		return i, true
	case fieldMetaIPsec:
		return meta(nftvalue.Exists, metaSecpath), true
	case fieldRTIPsec:
		return fieldInfo{kind: nftvalue.Exists, source: fromRT, key: rtXfrm, direction: -1}, true
	case fieldIPSaddr:
		return address(nftvalue.IPv4, IP, 12), true
	case fieldIPDaddr:
		return address(nftvalue.IPv4, IP, 16), true
	case fieldIP6Saddr:
		return address(nftvalue.IPv6, IP6, 8), true
	case fieldIP6Daddr:
		return address(nftvalue.IPv6, IP6, 24), true
	case fieldIPDSCP:
		return fieldInfo{kind: nftvalue.DSCP, source: fromPayload, direction: -1, base: networkHeader, offset: 1, length: 1, mask: 0xfc, shift: 2, family: IP}, true
	case fieldIP6DSCP:
		return fieldInfo{kind: nftvalue.DSCP, source: fromPayload, direction: -1, base: networkHeader, offset: 0, length: 2, mask: 0x0fc0, shift: 6, family: IP6}, true
	}
	if i, ok := portInfo(f); ok {
		return i, true
	}
	return conntrackInfo(f)
}

func portInfo(f Field) (fieldInfo, bool) {
	switch f {
	case fieldTCPSport:
		return port(nftvalue.ProtoTCP, 0), true
	case fieldTCPDport:
		return port(nftvalue.ProtoTCP, 2), true
	case fieldUDPSport:
		return port(nftvalue.ProtoUDP, 0), true
	case fieldUDPDport:
		return port(nftvalue.ProtoUDP, 2), true
	case fieldTCPFlags:
		return fieldInfo{kind: nftvalue.TCPFlags, source: fromPayload, direction: -1, base: transportHeader, offset: 13, length: 1, l4proto: nftvalue.ProtoTCP, bits: true}, true
	case fieldTHSport:
		return port(0, 0), true
	case fieldTHDport:
		return port(0, 2), true
	}
	return fieldInfo{}, false
}

func conntrackInfo(f Field) (fieldInfo, bool) {
	switch f {
	case fieldCTState:
		return conntrack(nftvalue.CTState, ctState, -1), true
	case fieldCTStatus:
		return conntrack(nftvalue.CTStatus, ctStatus, -1), true
	case fieldCTMark:
		return conntrack(nftvalue.Mark, ctMark, -1), true
	case fieldCTDir:
		return conntrack(nftvalue.CTDir, ctDirection, -1), true
	case fieldCTHelper:
		return conntrack(nftvalue.Helper, ctHelper, -1), true
	case fieldCTZone:
		return conntrack(nftvalue.Zone, ctZone, -1), true
	case fieldCTPackets:
		return conntrack(nftvalue.Meter, ctPackets, -1), true
	case fieldCTBytes:
		return conntrack(nftvalue.Meter, ctBytes, -1), true
	case fieldOrigPkts:
		return conntrack(nftvalue.Meter, ctPackets, 0), true
	case fieldOrigBytes:
		return conntrack(nftvalue.Meter, ctBytes, 0), true
	case fieldReplyPkts:
		return conntrack(nftvalue.Meter, ctPackets, 1), true
	case fieldReplyBytes:
		return conntrack(nftvalue.Meter, ctBytes, 1), true
	}
	return fieldInfo{}, false
}

func meta(kind nftvalue.Kind, key uint32) fieldInfo {
	return fieldInfo{kind: kind, source: fromMeta, key: key, direction: -1}
}

func conntrack(kind nftvalue.Kind, key uint32, direction int) fieldInfo {
	bits := kind == nftvalue.CTState || kind == nftvalue.CTStatus
	return fieldInfo{kind: kind, source: fromCT, key: key, direction: direction, hostOrder: kind != nftvalue.CTDir, bits: bits}
}

func address(kind nftvalue.Kind, family Family, offset uint32) fieldInfo {
	return fieldInfo{kind: kind, source: fromPayload, direction: -1, base: networkHeader, offset: offset, length: uint32(kind.Width()), family: family}
}

// port is a field of TCP or UDP; protocol 0 is th, whatever of the two.
func port(protocol uint8, offset uint32) fieldInfo {
	return fieldInfo{kind: nftvalue.Port, source: fromPayload, direction: -1, base: transportHeader, offset: offset, length: 2, l4proto: protocol, needsL4Proto: protocol == 0}
}

// kindOf is the kind of a set type's elements; 0 if there is no such type.
func kindOf(t SetType) nftvalue.Kind {
	switch t {
	case IPv4Addr:
		return nftvalue.IPv4
	case IPv6Addr:
		return nftvalue.IPv6
	case InetService:
		return nftvalue.Port
	case IfName:
		return nftvalue.IfName
	}
	return 0
}
