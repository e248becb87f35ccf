package conntrack

import (
	"net/netip"
	"slices"
)

// A Match narrows what a Watcher reads. Its zero value is every connection; what is set must all hold. The kernel filters by
// family, status (Linux 5.15), mark and a single zone (Linux 6.8); the rest, and what an older kernel does not know, is
// filtered here: the result is the same. A Match is a plain value; its slices are only read.
type Match struct {
	Paths      []Path         // any of these; empty is every path
	Proto      uint8          // IP protocol number; 0 is every protocol
	Prefixes   []netip.Prefix // one of the four addresses of both tuples lies in one of them; empty is every address
	Tuple      Tuple          // the tuple of either direction; what is not set, a port of 0 among it, is not compared
	Mark, Mask uint32         // ct mark & Mask == Mark; Mask 0 beside a Mark is all bits, both zero is every mark
	Zones      []uint16       // any of these, whichever direction it holds for; empty is every zone, and 0 those that have none in either
	Status     Status         // these bits have the value that they have here
	StatusMask Status         // bits of Status to look at; 0 is those that are set in Status
	Family     Family         // 0 is both
}

// A Family is an address family as netfilter numbers it. It is a plain value.
type Family uint8

// The families that the kernel tracks.
const (
	IPv4 Family = 2
	IPv6 Family = 10
)

func familyOf(a netip.Addr) Family {
	switch {
	case !a.IsValid():
		return 0
	case a.Is4():
		return IPv4
	}
	return IPv6
}

// Matches tells whether e is one of m's connections.
func (m *Match) Matches(e *Entry) bool {
	return m.matchesFields(e) && (len(m.Prefixes) == 0 || slices.ContainsFunc(m.Prefixes, func(p netip.Prefix) bool {
		return p.Contains(e.Orig.Src.Addr()) || p.Contains(e.Orig.Dst.Addr()) ||
			p.Contains(e.Reply.Src.Addr()) || p.Contains(e.Reply.Dst.Addr())
	}))
}

// matchesFields looks at everything but the prefixes.
func (m *Match) matchesFields(e *Entry) bool {
	mask, value := m.status()
	switch {
	case e.Status&mask != value,
		(e.Mark^m.Mark)&m.markMask() != 0,
		len(m.Paths) != 0 && !slices.Contains(m.Paths, e.Path()),
		m.Proto != 0 && m.Proto != e.Orig.Proto,
		m.Family != 0 && m.Family != familyOf(e.Orig.Src.Addr()),
		len(m.Zones) != 0 && !slices.Contains(m.Zones, e.Zone):
		return false
	}
	return m.matchesTuple(e)
}

func (m *Match) matchesTuple(e *Entry) bool {
	return m.Tuple == Tuple{} || m.Tuple.like(&e.Orig) || m.Tuple.like(&e.Reply)
}

// like tells whether other has all that is set in t.
func (t *Tuple) like(other *Tuple) bool {
	return (t.Proto == 0 || t.Proto == other.Proto) &&
		(t.ICMPType == 0 || t.ICMPType == other.ICMPType) &&
		(t.ICMPCode == 0 || t.ICMPCode == other.ICMPCode) &&
		(t.ICMPID == 0 || t.ICMPID == other.ICMPID) &&
		(t.Zone == 0 || t.Zone == other.Zone) &&
		addrPortLike(t.Src, other.Src) && addrPortLike(t.Dst, other.Dst)
}

func addrPortLike(want, have netip.AddrPort) bool {
	return (!want.Addr().IsValid() || want.Addr() == have.Addr()) && (want.Port() == 0 || want.Port() == have.Port())
}

func (m *Match) status() (mask, value Status) {
	if m.StatusMask == 0 {
		return m.Status, m.Status
	}
	return m.StatusMask, m.Status
}

func (m *Match) markMask() uint32 {
	if m.Mask == 0 && m.Mark != 0 {
		return 1<<32 - 1
	}
	return m.Mask
}

// families are those that m's fields ask for; a connection has all of them, so with more than one nothing matches.
func (m *Match) families() []Family {
	all := []Family{m.Family, familyOf(m.Tuple.Src.Addr()), familyOf(m.Tuple.Dst.Addr())}
	if len(m.Prefixes) > 0 {
		first := familyOf(m.Prefixes[0].Addr())
		if !slices.ContainsFunc(m.Prefixes, func(p netip.Prefix) bool { return familyOf(p.Addr()) != first }) {
			all = append(all, first)
		}
	}
	all = slices.DeleteFunc(all, func(f Family) bool { return f == 0 })
	slices.Sort(all)
	return slices.Compact(all)
}

// lasting is what of m holds for the whole life of a connection, as far as the kernel can filter by it.
func (m *Match) lasting() *Match { return &Match{Family: m.Family, Zones: m.Zones} }
