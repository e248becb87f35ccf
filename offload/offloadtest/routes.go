package offloadtest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/go-fastpath/fastpath/offload"
)

var (
	_ offload.Routed   = (*Kernel)(nil)
	_ offload.Surveyor = (*Kernel)(nil)
)

// A Route leads packets for a prefix to a device, by the neighbour Via, or directly where that is
// the zero Addr. Without a Device the addresses are the machine's own. A route by a device that is
// not there is none.
type Route struct {
	To     netip.Prefix
	Device string
	Via    netip.Addr
}

// A neighbour is known by its device's name and its address.
type neighbour struct {
	device string
	addr   netip.Addr
}

// A station is behind a port of a bridge, both by name.
type station struct {
	bridge  string
	vlan    uint16
	address string
}

// ways are what packets are sent by, beside links.
type ways struct {
	routes     []Route
	neighbours map[neighbour]string
	stations   map[station]string // the ports
}

// SetRoutes gives the machine routes in place of those that it had from SetRoutes. Those of
// SetDefaultRoutes stay: they lead everything that no other route leads.
func (k *Kernel) SetRoutes(routes ...Route) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ways.routes = slices.Clone(routes)
	k.table.loseTags()
	k.announce(offload.Event{Kind: offload.EventRoutes, What: "routes"})
}

// SetNeighbour says at which address of the link layer a neighbour is: "02:00:00:00:00:01", or ""
// for one that does not answer.
func (k *Kernel) SetNeighbour(device string, addr netip.Addr, address string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ways.neighbours == nil {
		k.ways.neighbours = map[neighbour]string{}
	}
	k.ways.neighbours[neighbour{device, addr}] = address
	k.announce(offload.Event{Kind: offload.EventRoutes, Device: device, What: "neighbour"})
}

// SetStation says behind which port of a bridge a station is, in a VLAN; 0 is none.
func (k *Kernel) SetStation(bridge string, vlan uint16, address, port string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ways.stations == nil {
		k.ways.stations = map[station]string{}
	}
	k.ways.stations[station{bridge, vlan, address}] = port
	k.announce(offload.Event{Kind: offload.EventRoutes, Device: port, What: "neighbour"})
}

// Devices tells by which device each address is reached, as SetRoutes and SetDefaultRoutes say: not
// where two routes are as good.
func (k *Kernel) Devices(ctx context.Context, addrs []netip.Addr) (map[netip.Addr]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	found := map[netip.Addr]string{}
	for _, a := range addrs {
		if routes := k.routesTo(a); len(routes) == 1 {
			found[a] = routes[0].Device
		}
	}
	return found, nil
}

// NextHops tells where packets for each address go; of two routes that are as good, the first
// counts.
func (k *Kernel) NextHops(ctx context.Context, addrs []netip.Addr) (map[netip.Addr]offload.Hop, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	hops := map[netip.Addr]offload.Hop{}
	for _, a := range addrs {
		routes := k.routesTo(a)
		if len(routes) == 0 || routes[0].Device == "" {
			continue
		}
		hop := offload.Hop{Device: k.link(routes[0].Device).Index, Addr: a}
		if routes[0].Via.IsValid() {
			hop.Addr = routes[0].Via
		}
		hops[a] = hop
	}
	return hops, nil
}

// Survey tells what SetRoutes, SetDefaultRoutes, SetNeighbour and SetStation said, as far as the
// devices are there.
func (k *Kernel) Survey(ctx context.Context) (*offload.Survey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s := &offload.Survey{Neighbours: map[offload.Hop]string{}, Ports: map[offload.Station]int{}, Routes: map[netip.Prefix]offload.Route{}}
	for n, address := range k.ways.neighbours {
		if l := k.link(n.device); l != nil {
			s.Neighbours[offload.Hop{Device: l.Index, Addr: n.addr}] = address
		}
	}
	for st, name := range k.ways.stations {
		if bridge, port := k.link(st.bridge), k.link(name); bridge != nil && port != nil {
			s.Ports[offload.Station{Bridge: bridge.Index, VLAN: st.vlan, Address: st.address}] = port.Index
		}
	}
	for _, r := range k.routes() {
		if r.Device == "" {
			continue
		}
		device, before := k.link(r.Device).Index, s.Routes[r.To]
		s.Routes[r.To] = offload.Route{
			Text: before.Text + fmt.Sprintf(" device %d via %v;", device, r.Via), Devices: append(before.Devices, device),
		}
	}
	return s, nil
}

// routesTo are the most specific routes to an address.
func (k *Kernel) routesTo(a netip.Addr) []Route {
	var best []Route
	for _, r := range k.routes() {
		if !r.To.Contains(a) {
			continue
		}
		if len(best) > 0 && best[0].To.Bits() < r.To.Bits() {
			best = nil
		}
		if len(best) == 0 || best[0].To.Bits() == r.To.Bits() {
			best = append(best, r)
		}
	}
	return best
}

// routes are all that lead somewhere.
func (k *Kernel) routes() []Route {
	list := slices.Clone(k.ways.routes)
	for _, name := range k.defaultRoutes {
		for _, all := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
			list = append(list, Route{To: netip.PrefixFrom(all, 0), Device: name})
		}
	}
	return slices.DeleteFunc(list, func(r Route) bool { return r.Device != "" && k.link(r.Device) == nil })
}
