package conntrack

import (
	"math/rand/v2"
	"net/netip"
	"slices"
)

// randomMatch makes a valid match that has a fair chance of matching e.
func randomMatch(r *rand.Rand, e *Entry) Match {
	for {
		m := Match{Tuple: randomTuple(r, e), Prefixes: randomPrefixes(r, e)}
		if one(r, 4) {
			m.Proto = e.Orig.Proto + uint8(r.IntN(2))
		}
		if one(r, 4) {
			m.Family = []Family{IPv4, IPv6}[r.IntN(2)]
		}
		if one(r, 4) {
			m.Zones = []uint16{e.Zone, 7, 0}[r.IntN(3):]
		}
		if one(r, 200) {
			m.Zones = make([]uint16, maxFilterZones+1)
		}
		if one(r, 3) {
			m.Paths = []Path{Slow, Software, Hardware}
			m.Paths = slices.DeleteFunc(m.Paths, func(Path) bool { return one(r, 2) })
		}
		if one(r, 4) {
			m.StatusMask = Status(r.Uint32())&0xffff | Assured
			m.Status = (e.Status ^ Status(1<<r.IntN(32))) & m.StatusMask
		}
		if one(r, 4) {
			m.Mask = r.Uint32()
			m.Mark = (e.Mark ^ 1<<r.IntN(32)) & m.Mask
		}
		if m.Validate() == nil {
			return m
		}
	}
}

// one is true once in n times.
func one(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

// randomTuple keeps some fields of one direction, and falsifies one now and then.
func randomTuple(r *rand.Rand, e *Entry) Tuple {
	if !one(r, 3) {
		return Tuple{}
	}
	t := e.Orig
	if one(r, 2) {
		t = e.Reply
	}
	src, dst, sport, dport := t.Src.Addr(), t.Dst.Addr(), t.Src.Port(), t.Dst.Port()
	forget := []func(){
		func() { src = netip.Addr{} }, func() { dst = netip.Addr{} }, func() { sport = 0 }, func() { dport = 0 },
		func() { t.Proto = 0 }, func() { t.Zone = 0 }, func() { t.ICMPID, t.ICMPType, t.ICMPCode = 0, 0, 0 },
	}
	falsify := []func(){
		func() { src = src.Next() }, func() { dst = dst.Next() }, func() { sport++ }, func() { dport++ },
		func() { t.Proto++ }, func() { t.Zone++ }, func() { t.ICMPID++ }, func() { t.ICMPType++ }, func() { t.ICMPCode++ },
	}
	if one(r, 4) {
		falsify[r.IntN(len(falsify))]()
	}
	for _, f := range forget {
		if !one(r, 3) {
			f()
		}
	}
	t.Src, t.Dst = netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport)
	return t
}

// randomPrefixes are some of both families, around e's addresses and elsewhere.
func randomPrefixes(r *rand.Rand, e *Entry) []netip.Prefix {
	if !one(r, 3) {
		return nil
	}
	n := 1 + r.IntN(6)
	if one(r, 10) {
		n = maxFilterPrefixes + r.IntN(2)
	}
	own := []netip.Addr{e.Orig.Src.Addr(), e.Orig.Dst.Addr(), e.Reply.Src.Addr(), e.Reply.Dst.Addr()}
	list := make([]netip.Prefix, n)
	for i := range list {
		a := randomAddr(r, one(r, 2))
		if one(r, 3*n) {
			a = own[r.IntN(4)]
		}
		if one(r, 4) {
			b := a.AsSlice()
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			a, _ = netip.AddrFromSlice(b)
		}
		bits := 8 + r.IntN(a.BitLen()-7)
		if one(r, 100) {
			bits = r.IntN(8)
		}
		list[i] = netip.PrefixFrom(a, bits) // and not masked
	}
	return list
}

func randomAddr(r *rand.Rand, six bool) netip.Addr {
	if !six {
		return netip.AddrFrom4([4]byte{10, byte(r.IntN(3)), byte(r.IntN(3)), byte(1 + r.IntN(200))})
	}
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, byte(r.IntN(3)), 0, byte(r.IntN(3)), 0, 0, 0, byte(r.IntN(3)), 0, 0, 0, 0, byte(1 + r.IntN(200))})
}

// mutate makes another entry of e.
func mutate(r *rand.Rand, e *Entry) {
	e.Status ^= Status(1 << r.IntN(16))
	e.Mark ^= r.Uint32() & r.Uint32() & r.Uint32()
	six := e.Orig.Src.Addr().Is6()
	if one(r, 3) {
		e.Reply.Dst = netip.AddrPortFrom(randomAddr(r, six), e.Reply.Dst.Port()+uint16(r.IntN(2)))
	}
	if one(r, 3) {
		e.Orig.Src = netip.AddrPortFrom(randomAddr(r, six), e.Orig.Src.Port())
	}
	e.Zone, e.Orig.Zone, e.Reply.Zone = 0, 0, 0
	switch zone := uint16(6 + r.IntN(3)); r.IntN(6) {
	case 0:
		e.Zone = zone
	case 1:
		e.Zone, e.Orig.Zone = zone, zone
	case 2:
		e.Zone, e.Reply.Zone = zone, zone
	}
}
