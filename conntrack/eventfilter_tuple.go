package conntrack

import (
	"encoding/binary"
	"net/netip"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// field loads what is found on this way through the nests of a tuple; where something is missing, it jumps.
func (f *eventFilter) field(slot uint32, missing label, size int, way ...uint16) {
	f.walk(slot, missing, way)
	f.value(size)
}

// walk leaves the offset of an attribute in A and X.
func (f *eventFilter) walk(slot uint32, missing label, way []uint16) {
	f.do(bpfRecall, slot)
	for _, typ := range way {
		f.inside(typ, missing)
	}
}

// zones compares the zone, which stands beside the tuples or in one of them, or nowhere where it is 0.
func (f *eventFilter) zones() {
	orig, reply, none, compare, done := f.label(), f.label(), f.label(), f.label(), f.label()
	f.attribute(nlmsg.CTAZone, orig)
	f.value(2)
	f.jump(compare)
	f.place(orig)
	f.field(slotOrig, reply, 2, nlmsg.CTATupleZone)
	f.jump(compare)
	f.place(reply)
	f.field(slotReply, none, 2, nlmsg.CTATupleZone)
	f.jump(compare)
	f.place(none)
	f.do(bpfLoad, 0)
	f.place(compare)
	for _, zone := range f.match.Zones {
		f.jumpIf(bpfEqual, uint32(zone), done)
	}
	f.jump(f.drop)
	f.place(done)
}

// tuple wants that one of the two directions looks like Match.Tuple.
func (f *eventFilter) tuple() {
	reply, done := f.label(), f.label()
	f.like(slotOrig, reply)
	f.jump(done)
	f.place(reply)
	f.like(slotReply, f.drop)
	f.place(done)
}

// like is Tuple.like: it jumps where something that is set differs.
func (f *eventFilter) like(slot uint32, no label) {
	t := &f.match.Tuple
	compare := func(want uint32, size int, way ...uint16) {
		if want != 0 {
			f.field(slot, no, size, way...)
			f.jumpUnless(bpfEqual, want, no)
		}
	}
	compare(uint32(t.Proto), 1, nlmsg.CTATupleProto, nlmsg.CTAProtoNum)
	compare(uint32(t.Zone), 2, nlmsg.CTATupleZone)
	compare(uint32(t.Src.Port()), 2, nlmsg.CTATupleProto, nlmsg.CTAProtoSrcPort)
	compare(uint32(t.Dst.Port()), 2, nlmsg.CTATupleProto, nlmsg.CTAProtoDstPort)
	f.icmp(slot, no, uint32(t.ICMPType), 1, nlmsg.CTAProtoICMPType, nlmsg.CTAProtoICMPv6Type)
	f.icmp(slot, no, uint32(t.ICMPCode), 1, nlmsg.CTAProtoICMPCode, nlmsg.CTAProtoICMPv6Code)
	f.icmp(slot, no, uint32(t.ICMPID), 2, nlmsg.CTAProtoICMPID, nlmsg.CTAProtoICMPv6ID)
	f.address(slot, no, t.Src.Addr(), nlmsg.CTAIPv4Src)
	f.address(slot, no, t.Dst.Addr(), nlmsg.CTAIPv4Dst)
}

// icmp compares a field whose attribute is another one for ICMPv6.
func (f *eventFilter) icmp(slot uint32, no label, want uint32, size int, v4, v6 uint16) {
	if want == 0 {
		return
	}
	other, compare := f.label(), f.label()
	f.field(slot, other, size, nlmsg.CTATupleProto, v4)
	f.jump(compare)
	f.place(other)
	f.field(slot, no, size, nlmsg.CTATupleProto, v6)
	f.place(compare)
	f.jumpUnless(bpfEqual, want, no)
}

// address jumps where an address of a tuple is not want; an invalid one is any. The type is the one of IPv4.
func (f *eventFilter) address(slot uint32, no label, want netip.Addr, typ uint16) {
	if want.IsValid() {
		f.loadAddress(slot, no, typ, want.BitLen()/32)
		f.outside(netip.PrefixFrom(want, want.BitLen()), no)
	}
}

// prefixes wants that one of the four addresses lies in one of Match.Prefixes.
func (f *eventFilter) prefixes() {
	var v4, v6 []netip.Prefix
	for _, p := range f.match.Prefixes {
		switch {
		case p.Addr().Is4():
			v4 = append(v4, p)
		case p.IsValid():
			v6 = append(v6, p)
		}
	}
	for _, slot := range []uint32{slotOrig, slotReply} {
		for _, typ := range []uint16{nlmsg.CTAIPv4Src, nlmsg.CTAIPv4Dst} {
			f.within(slot, typ, v4)
			f.within(slot, typ, v6)
		}
	}
	f.jump(f.drop)
}

// within lets pass what has this address in one of these prefixes, which are of one family.
func (f *eventFilter) within(slot uint32, typ uint16, prefixes []netip.Prefix) {
	if len(prefixes) == 0 {
		return
	}
	done := f.label()
	f.loadAddress(slot, done, typ, prefixes[0].Addr().BitLen()/32)
	for _, p := range prefixes {
		next := f.label()
		f.outside(p, next)
		f.jump(f.pass)
		f.place(next)
	}
	f.place(done)
}

// loadAddress copies an address of so many words into the memory; it jumps where the tuple has none of this family.
func (f *eventFilter) loadAddress(slot uint32, missing label, typ uint16, words int) {
	if words > 1 {
		typ += nlmsg.CTAIPv6Src - nlmsg.CTAIPv4Src
	}
	f.walk(slot, missing, []uint16{nlmsg.CTATupleIP, typ})
	f.sized(4 * words)
	for i := range uint32(words) {
		f.do(bpfWord+bpfIndexed, attrHeader+4*i)
		f.do(bpfStore, slotAddress+i)
	}
}

// outside jumps where the address in the memory is not in p.
func (f *eventFilter) outside(p netip.Prefix, no label) {
	words := p.Addr().AsSlice()
	for left, slot := p.Bits(), uint32(slotAddress); left > 0; left, slot = left-32, slot+1 {
		mask := uint32(1<<32 - 1)
		f.do(bpfRecall, slot)
		if left < 32 {
			mask <<= 32 - left
			f.do(bpfAnd, mask)
		}
		f.jumpUnless(bpfEqual, binary.BigEndian.Uint32(words)&mask, no)
		words = words[4:]
	}
}
