package testns

import (
	"fmt"
	"net"
	"net/netip"
)

// A Family is an IP version.
type Family int

// The two families.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// Families is both families, for loops.
func Families() []Family { return []Family{IPv4, IPv6} }

// String is ipv4 or ipv6.
func (f Family) String() string { return fmt.Sprintf("ipv%d", int(f)) }

// pick is the address of the family f.
func (f Family) pick(v4, v6 string) netip.Addr {
	if f == IPv6 {
		return netip.MustParseAddr(v6)
	}
	return netip.MustParseAddr(v4)
}

// A Tuple names one connection by its first packet, as the side that opened it sees it. Conntrack calls it the original tuple. It is a
// plain, comparable value.
type Tuple struct {
	Network             string // "tcp" or "udp"
	Source, Destination netip.AddrPort
}

// Family is the IP version of t.
func (t Tuple) Family() Family {
	if t.Source.Addr().Is4() {
		return IPv4
	}
	return IPv6
}

// Reversed is the tuple of the packets in the other direction, when nobody translates addresses.
func (t Tuple) Reversed() Tuple {
	return Tuple{Network: t.Network, Source: t.Destination, Destination: t.Source}
}

// String is like "tcp 192.168.1.2:40000 > 203.0.113.2:7007".
func (t Tuple) String() string { return fmt.Sprintf("%s %s > %s", t.Network, t.Source, t.Destination) }

// addrPort is the address of a TCP or UDP socket, IPv4 addresses in their short form.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
