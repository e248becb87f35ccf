package offload

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
)

// A scene is what packets are sent by, at one moment. Neighbours and stations that were there before and are not now are in it as they
// were last: flows in the fast path keep neither alive.
type scene struct {
	*Survey
	links  map[int]flowtable.Link
	direct map[int]bool // by index: flows out of these devices have copied where they go
	// strict kernels send nothing to a neighbour that is not valid, and do not look for it either (quirk neighbour-address)
	strict bool
	gone   map[Hop]bool // neighbours that are remembered only
}

// maxRemembered bounds what is remembered of each kind.
const maxRemembered = 1 << 14

func (s *scene) remember(before *scene) {
	s.gone = map[Hop]bool{}
	if before == nil {
		return
	}
	for hop, address := range before.Neighbours {
		if now := s.Neighbours[hop]; now == "" && address != "" && s.links[hop.Device].Name != "" && len(s.Neighbours) < maxRemembered {
			s.Neighbours[hop], s.gone[hop] = address, true
		}
	}
	for station, port := range before.Ports {
		if _, ok := s.Ports[station]; !ok && len(s.Ports) < maxRemembered {
			s.Ports[station] = port
		}
	}
}

// copies reports whether a flow whose packets leave by a device copies the addresses of the link layer and the port (XMIT_DIRECT in
// net/netfilter/nf_flow_table_path.c): over bridges, PPPoE sessions and the ports of switches.
func (s *scene) copies(index int) bool {
	for range len(s.links) + 1 { // however deep; loops end
		l, ok := s.links[index]
		if !ok {
			return false
		}
		if l.Kind == "bridge" || l.PPPoE.Device != "" || l.Conduit != 0 {
			return true
		}
		if l.Kind != "vlan" {
			return false
		}
		index = l.Parent
	}
	return false
}

// A change is what is different between two scenes and what the kernel does not follow, each with the reason.
type change struct {
	hops    map[Hop]string
	devices map[int]string
	routes  map[netip.Prefix]string
}

func (c *change) join(other change) {
	if c.hops == nil {
		*c = other
		return
	}
	maps.Copy(c.hops, other.hops)
	maps.Copy(c.devices, other.devices)
	maps.Copy(c.routes, other.routes)
}

func (s *scene) changeSince(before *scene) change {
	c := change{hops: map[Hop]string{}, devices: map[int]string{}, routes: map[netip.Prefix]string{}}
	if before == nil {
		return c
	}
	for hop, address := range s.Neighbours {
		if was := before.Neighbours[hop]; s.direct[hop.Device] && was != "" && address != was {
			c.hops[hop] = fmt.Sprintf("the neighbour %v on %s was %s and is %s", hop.Addr, s.named(hop.Device), was, address)
		}
	}
	for station, port := range s.Ports {
		if was := before.Ports[station]; was != 0 && was != port {
			s.moved(c, station, fmt.Sprintf("%s was behind port %s of %s and is behind %s", station.Address,
				before.named(was), s.named(station.Bridge), s.named(port)))
		}
	}
	for index, link := range s.links {
		if was := before.links[index]; s.direct[index] && was.MTU != 0 && was.MTU != link.MTU {
			c.devices[index] = fmt.Sprintf("the MTU of %s was %d and is %d", s.named(index), was.MTU, link.MTU)
		}
	}
	s.rerouted(c, before)
	return c
}

// named is the name of a link for a sentence.
func (s *scene) named(index int) string { return flowtable.Spelled(s.links[index].Name) }

// moved finds the neighbours that are at a station.
func (s *scene) moved(c change, station Station, why string) {
	for hop, address := range s.Neighbours {
		if address == station.Address && s.over(hop.Device, station.Bridge) {
			c.hops[hop] = why
		}
	}
}

// over reports whether a device is the other, or a VLAN on it.
func (s *scene) over(index, other int) bool {
	return index == other || s.links[index].Kind == "vlan" && s.links[index].Parent == other
}

func (s *scene) rerouted(c change, before *scene) {
	tell := func(prefix netip.Prefix, was, is Route) {
		for _, i := range append(append([]int{}, was.Devices...), is.Devices...) {
			if s.direct[i] || before.direct[i] {
				c.routes[prefix] = fmt.Sprintf("the route to %v changed", prefix)
			}
		}
	}
	for prefix, is := range s.Routes {
		if was := before.Routes[prefix]; was.Text != is.Text {
			if len(was.Devices) == 0 {
				was = before.Routes[longest(before.Routes, prefix.Addr())] // what led there till now
			}
			tell(prefix, was, is)
		}
	}
	for prefix, was := range before.Routes {
		if _, ok := s.Routes[prefix]; !ok {
			tell(prefix, was, s.Routes[longest(s.Routes, prefix.Addr())])
		}
	}
}

// longest is the most specific prefix that has an address; none is the zero Prefix.
func longest[V any](routes map[netip.Prefix]V, a netip.Addr) netip.Prefix {
	for bits := a.BitLen(); bits >= 0; bits-- {
		if p, _ := a.Prefix(bits); p.IsValid() {
			if _, ok := routes[p]; ok {
				return p
			}
		}
	}
	return netip.Prefix{}
}

// staleOf are the flows that a change concerns, and those that were stale before and are in the fast path still.
func (c *change) staleOf(flows []conntrack.Entry, hops map[netip.Addr]Hop, now *scene, before map[conntrack.Key]staleMark) map[conntrack.Key]staleMark {
	stale := map[conntrack.Key]staleMark{}
	for _, e := range flows {
		near, far := endsOf(&e)[0], endsOf(&e)[1]
		mark, known := before[e.Key()]
		mark.Entry = e
		if why := cmp.Or(c.why(near, hops[near], now), c.why(far, hops[far], now)); why != "" && !mark.lasting {
			mark.Why, mark.lasting = why, true
		}
		if !mark.lasting {
			mark.Why = ""
			if e.Path() != conntrack.Unknown { // a packet of the classic path that waits for the neighbour makes it Unknown, too
				mark.Why = cmp.Or(now.unknown(hops[near]), now.unknown(hops[far]))
			}
		}
		if !known {
			mark.Since = time.Now()
		}
		if mark.Why != "" {
			stale[e.Key()] = mark
		}
	}
	return stale
}

// why says how a change concerns packets for an address, "" if it does not. A route to a part of what another leads to goes before that.
func (c *change) why(end netip.Addr, hop Hop, now *scene) string {
	changed := longest(c.routes, end)
	if longest(now.Routes, end).Bits() > changed.Bits() {
		changed = netip.Prefix{}
	}
	return cmp.Or(c.hops[hop], c.devices[hop.Device], c.routes[changed])
}

// unknown says why nothing reaches a next hop, "" if it does as far as is known.
func (s *scene) unknown(hop Hop) string {
	const etherLength = len("02:00:00:00:00:01")
	l := s.links[hop.Device]
	if !s.strict || s.direct[hop.Device] || len(l.Address) != etherLength || !hop.Addr.IsValid() {
		return ""
	}
	if s.Neighbours[hop] != "" && !s.gone[hop] {
		return ""
	}
	return fmt.Sprintf("the neighbour %v on %s is not known, and this kernel does not ask for it", hop.Addr, s.named(hop.Device))
}
