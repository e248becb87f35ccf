package testns

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// hostDevice is the name of the only device of a client or server.
const hostDevice = "eth0"

// build makes namespaces, links, addresses, routes and the echo server. An exec costs up to 0.1 s in emulation, so each namespace is
// set up by one.
func (r *Router) build(ctx context.Context) error {
	if err := r.makeNamespaces(); err != nil {
		return err
	}
	if err := r.NS.IP(ctx, r.routerCommands()...); err != nil {
		return err
	}
	for _, h := range r.hosts() {
		if err := h.ns.IP(ctx, h.commands()...); err != nil {
			return err
		}
	}
	if err := r.setSysctls(); err != nil {
		return err
	}
	var err error
	if r.Echo, err = Serve(r.Server, orDefault(r.config.Port, 7007)); err != nil {
		return err
	}
	return r.warm(ctx)
}

func (r *Router) makeNamespaces() error {
	wanted := map[string]**Namespace{"client": &r.Client, "router": &r.NS, "server": &r.Server}
	if r.config.SecondLAN {
		wanted["guest"] = &r.Guest
	}
	for _, label := range slices.Sorted(maps.Keys(wanted)) {
		n, err := New(label)
		if err != nil {
			return err
		}
		*wanted[label] = n
		if err := n.setSysctls(defaultSysctls()); err != nil {
			return err
		}
	}
	return nil
}

// defaultSysctls hold for devices made later: addresses are usable at once, and asymmetric paths are not filtered.
func defaultSysctls() [][2]string {
	return [][2]string{
		{"net.ipv4.conf.all.rp_filter", "0"},
		{"net.ipv4.conf.default.rp_filter", "0"},
		{"net.ipv6.conf.default.accept_dad", "0"},
		{"net.ipv6.conf.default.dad_transmits", "0"},
		{"net.ipv6.conf.default.accept_ra", "0"},
	}
}

// setSysctls makes the router forward and count, then applies what the caller asked for.
func (r *Router) setSysctls() error {
	settings := [][2]string{{"net.ipv4.ip_forward", "1"}, {"net.ipv6.conf.all.forwarding", "1"}}
	if err := r.NS.setSysctls(settings); err != nil {
		return err
	}
	acct := "1"
	if r.config.NoAccounting {
		acct = "0"
	}
	if err := r.NS.SetSysctl("net.netfilter.nf_conntrack_acct", acct); err != nil {
		return fmt.Errorf("%w (is the module nf_conntrack loaded?)", err)
	}
	for _, key := range slices.Sorted(maps.Keys(r.config.Sysctls)) {
		if err := r.NS.SetSysctl(key, r.config.Sysctls[key]); err != nil {
			return err
		}
	}
	return nil
}

// A host is a namespace at the end of one of the router's links.
type host struct {
	ns       *Namespace
	device   string // the router's end of the link
	mtu      int
	addr, gw func(Family) netip.Addr
}

func (r *Router) hosts() []host {
	hosts := []host{
		{r.Client, r.LANDevice, r.config.LANMTU, r.ClientAddr, r.LANAddr},
		{r.Server, r.WANDevice, r.config.WANMTU, r.ServerAddr, r.WANAddr},
	}
	if r.config.SecondLAN {
		hosts = append(hosts, host{r.Guest, r.GuestDevice, r.config.LANMTU, r.GuestAddr, r.guestGateway})
	}
	return hosts
}

// routerCommands make the links and set up the router's ends.
func (r *Router) routerCommands() []string {
	var cmds []string
	for _, h := range r.hosts() {
		mtu := orDefault(h.mtu, 1500)
		cmds = append(cmds,
			fmt.Sprintf("link add %s mtu %d type veth peer name %s mtu %d netns %s", h.device, mtu, hostDevice, mtu, h.ns.ToolPath()),
			fmt.Sprintf("addr add %s/24 dev %s", h.gw(IPv4), h.device),
			fmt.Sprintf("addr add %s/64 dev %s nodad", h.gw(IPv6), h.device),
			fmt.Sprintf("link set %s up", h.device))
	}
	return cmds
}

// commands set up the host's end, with the router as its default gateway.
func (h host) commands() []string {
	return []string{
		fmt.Sprintf("addr add %s/24 dev %s", h.addr(IPv4), hostDevice),
		fmt.Sprintf("addr add %s/64 dev %s nodad", h.addr(IPv6), hostDevice),
		fmt.Sprintf("link set %s up", hostDevice),
		fmt.Sprintf("route add default via %s", h.gw(IPv4)),
		fmt.Sprintf("route add default via %s", h.gw(IPv6)),
	}
}

// warm sends a packet of both families from every client to the server and back, which makes all neighbours known.
func (r *Router) warm(ctx context.Context) error {
	clients := []*Namespace{r.Client}
	if r.Guest != nil {
		clients = append(clients, r.Guest)
	}
	for _, ns := range clients {
		for _, fam := range Families() {
			if err := r.warmOne(ctx, ns, fam); err != nil {
				return fmt.Errorf("first packet from %s over %v: %w", ns, fam, err)
			}
		}
	}
	return nil
}

func (r *Router) warmOne(ctx context.Context, ns *Namespace, fam Family) error {
	flow, err := Dial(ctx, ns, DialConfig{Network: "udp", To: r.echoAddr(fam)})
	if err != nil {
		return err
	}
	defer flow.Close()
	_, err = flow.RoundTrip(ctx, 1, MinSize)
	return err
}
