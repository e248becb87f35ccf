package conntrack

import (
	"net/netip"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// dumpRequest encodes the dump of what m matches, as narrow as the kernel's filter is right. The kernel's filter by IPv6 address is
// inverted on every kernel read so far, and by IPv4 address it would need CTA_FILTER of Linux 5.8, so addresses are
// left to [Match.Matches].
func dumpRequest(b *nlmsg.Builder, m *Match) {
	matchRequest(b, nlmsg.CTGet, nlmsg.FlagDump, nlmsg.NFNetlinkV0, m)
}

// deleteAllRequest encodes the removal of all that m matches; see deletable. The kernel passes over the family in a removal of version 0
// (ctnetlink_del_conntrack), as old programs sent some family and meant all.
func deleteAllRequest(b *nlmsg.Builder, m *Match) {
	matchRequest(b, nlmsg.CTDelete, nlmsg.FlagAck, nlmsg.NFNetlinkV1, m)
}

// matchRequest encodes what the kernel's filter knows of m (ctnetlink_alloc_filter): dumps and deletions share it.
func matchRequest(b *nlmsg.Builder, typ, flags uint16, version byte, m *Match) {
	var family Family
	if f := m.families(); len(f) == 1 {
		family = f[0]
	}
	b.Begin(nlmsg.SubsysCTNetlink<<8|typ, nlmsg.FlagRequest|flags, 0)
	b.Raw([]byte{byte(family), version, 0, 0}) // struct nfgenmsg
	if mask := m.markMask(); mask != 0 {
		b.Uint32BE(nlmsg.CTAMark, m.Mark)
		b.Uint32BE(nlmsg.CTAMarkMask, mask)
	}
	if mask, value := m.kernelStatus(); mask != 0 {
		b.Uint32BE(nlmsg.CTAStatus, uint32(value))
		b.Uint32BE(nlmsg.CTAStatusMask, uint32(mask))
	}
	if len(m.Zones) == 1 {
		b.Uint16BE(nlmsg.CTAZone, m.Zones[0])
	}
	b.End()
}

// deletable tells whether the filter of a kernel of this version says all that m does. A kernel passes over what it does not know, and
// would delete too much.
func (m *Match) deletable(major, minor int) bool {
	since := func(wantMajor, wantMinor int) bool {
		return major > wantMajor || major == wantMajor && minor >= wantMinor
	}
	mask, _ := m.kernelStatus()
	pathMask, _ := pathBits(m.Paths)
	switch {
	case m.Tuple != Tuple{}, len(m.Prefixes) > 0, m.Proto != 0, len(m.Zones) > 1,
		len(m.Paths) > 0 && pathMask == 0 && !m.allPaths(),
		slices.Contains(m.Paths, Unknown) && !slices.Contains(m.Paths, Slow), // to the kernel they are one
		len(m.families()) > 1, len(m.families()) == 1 && !since(5, 3), mask != 0 && !since(5, 15), len(m.Zones) == 1 && !since(6, 8):
		return false
	}
	return m.consistent()
}

// kernelStatus joins Status and Paths into one mask and value, where they can be; else it asks for more.
func (m *Match) kernelStatus() (mask, value Status) {
	mask, value = m.status()
	if !m.consistent() {
		return mask, value // nothing has both; Matches will say so
	}
	pathMask, pathValue := pathBits(m.Paths)
	return mask | pathMask, value | pathValue
}

// consistent tells whether a connection can have both Status and Paths.
func (m *Match) consistent() bool {
	mask, value := m.status()
	pathMask, pathValue := pathBits(m.Paths)
	return (value^pathValue)&mask&pathMask == 0
}

// allPaths tells whether Paths lists every path, which is the same as none where no connection is Unknown.
func (m *Match) allPaths() bool {
	return slices.Contains(m.Paths, Slow) && slices.Contains(m.Paths, Software) && slices.Contains(m.Paths, Hardware)
}

// pathBits are bits that all of these paths have in common; unknown has those of slow. Software and hardware together ask for the software bit,
// which both have; a flow that is leaving hardware, when only the hardware bit is left for up to a second, is not found so.
func pathBits(paths []Path) (mask, value Status) {
	var want [3]bool
	for _, p := range paths {
		if p == Unknown {
			p = Slow
		}
		want[p] = true
	}
	switch want {
	case [3]bool{Slow: true}:
		return Offload | HWOffload, 0
	case [3]bool{Software: true}:
		return Offload | HWOffload, Offload
	case [3]bool{Hardware: true}:
		return HWOffload, HWOffload
	case [3]bool{Software: true, Hardware: true}:
		return Offload, Offload
	case [3]bool{Slow: true, Software: true}:
		return HWOffload, 0
	}
	return 0, 0
}

// keyRequest encodes a request of this type for one connection. A zone that stands beside the tuple holds for both directions, which comes to the
// same, for the kernel compares that of the tuple's direction only (nf_conntrack_find_get). CTA_ID makes a delete fail (ENOENT) where the tuple now belongs to another
// incarnation; a get ignores it.
func keyRequest(b *nlmsg.Builder, typ uint16, k *Key) {
	b.BeginNetfilter(nlmsg.SubsysCTNetlink<<8|typ, nlmsg.FlagRequest|nlmsg.FlagAck, 0, byte(familyOf(k.Orig.Src.Addr())), 0)
	appendTuple(b, nlmsg.CTATupleOrig, &k.Orig)
	if k.Zone != 0 && k.Orig.Zone == 0 {
		b.Uint16BE(nlmsg.CTAZone, k.Zone)
	}
	b.Uint32BE(nlmsg.CTAID, k.ID)
	b.End()
}

// probeRequest asks for the number of entries: it changes nothing, needs CAP_NET_ADMIN as every other, and fails without ctnetlink.
func probeRequest(b *nlmsg.Builder) {
	b.BeginNetfilter(nlmsg.SubsysCTNetlink<<8|nlmsg.CTGetStats, nlmsg.FlagRequest|nlmsg.FlagAck, 0, nlmsg.FamilyUnspec, 0)
	b.End()
}

func appendAddrs(b *nlmsg.Builder, t *Tuple) {
	ip := b.Nest(nlmsg.CTATupleIP)
	if t.Src.Addr().Is4() {
		appendAddr(b, nlmsg.CTAIPv4Src, t.Src.Addr())
		appendAddr(b, nlmsg.CTAIPv4Dst, t.Dst.Addr())
	} else {
		appendAddr(b, nlmsg.CTAIPv6Src, t.Src.Addr())
		appendAddr(b, nlmsg.CTAIPv6Dst, t.Dst.Addr())
	}
	b.EndNest(ip)
}

func appendTuple(b *nlmsg.Builder, typ uint16, t *Tuple) {
	nest := b.Nest(typ)
	appendAddrs(b, t)
	proto := b.Nest(nlmsg.CTATupleProto)
	b.Uint8(nlmsg.CTAProtoNum, t.Proto)
	switch t.Proto {
	case ICMP:
		b.Uint16BE(nlmsg.CTAProtoICMPID, t.ICMPID)
		b.Uint8(nlmsg.CTAProtoICMPType, t.ICMPType)
		b.Uint8(nlmsg.CTAProtoICMPCode, t.ICMPCode)
	case ICMPv6:
		b.Uint16BE(nlmsg.CTAProtoICMPv6ID, t.ICMPID)
		b.Uint8(nlmsg.CTAProtoICMPv6Type, t.ICMPType)
		b.Uint8(nlmsg.CTAProtoICMPv6Code, t.ICMPCode)
	default:
		b.Uint16BE(nlmsg.CTAProtoSrcPort, t.Src.Port())
		b.Uint16BE(nlmsg.CTAProtoDstPort, t.Dst.Port())
	}
	b.EndNest(proto)
	if t.Zone != 0 {
		b.Uint16BE(nlmsg.CTATupleZone, t.Zone)
	}
	b.EndNest(nest)
}

func appendAddr(b *nlmsg.Builder, typ uint16, a netip.Addr) {
	if a.Is4() {
		ip := a.As4()
		b.Data(typ, ip[:])
		return
	}
	ip := a.As16()
	b.Data(typ, ip[:])
}
