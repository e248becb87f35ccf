package testns

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// hostDevice is the name of the only device of a client or server.
const hostDevice = "eth0"

// build makes namespaces, links, addresses, routes and the echo server. An exec costs up to 0.1 s in emulation, so each namespace is
// set up by one.
func (r *Router) build(ctx context.Context) error {
	if err := r.makeNamespaces(); err != nil {
		return err
	}
	if err := r.connect(ctx); err != nil {
		return err
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
	number   int // among the links
	ns       *Namespace
	device   string // the router's end of the link, below its stack
	stack    Stack
	mtu      int
	addr, gw func(Family) netip.Addr
}

func (r *Router) hosts() []*host {
	hosts := []*host{
		{0, r.Client, r.config.LANDevice, r.config.LANStack, r.config.LANMTU, r.ClientAddr, r.LANAddr},
		{1, r.Server, r.config.WANDevice, r.config.WANStack, r.config.WANMTU, r.ServerAddr, r.WANAddr},
	}
	if r.config.SecondLAN {
		hosts = append(hosts, &host{2, r.Guest, r.GuestDevice, Plain, r.config.LANMTU, r.GuestAddr, r.guestGateway})
	}
	return hosts
}

// connect makes links, layers, addresses and routes.
func (r *Router) connect(ctx context.Context) error {
	var cmds, vlans []string
	for _, h := range r.hosts() {
		cmds = append(cmds, h.links()...)
		cmds = append(cmds, h.stack.commands(h.device)...)
		cmds = append(cmds, h.addresses(h.stack, h.device, h.gw, 1)...)
		vlans = append(vlans, h.stack.bridgeVLANs(h.device)...)
	}
	if err := r.NS.IP(ctx, cmds...); err != nil {
		return err
	}
	if len(vlans) > 0 {
		if _, err := r.NS.Run(ctx, strings.Join(vlans, "\n")+"\n", "bridge", "-batch", "-"); err != nil {
			return err
		}
	}
	for _, h := range r.hosts() {
		if err := r.connectHost(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// connectHost sets up the host's end, with the router as its default gateway, and what both ends need to talk.
func (r *Router) connectHost(ctx context.Context, h *host) error {
	stack := h.stack.hostSide()
	cmds := append(stack.commands(hostDevice), h.addresses(stack, hostDevice, h.addr, 2)...)
	routes := []string{fmt.Sprintf("route add default via %s", h.gw(IPv4)), fmt.Sprintf("route add default via %s", h.gw(IPv6))}
	if !stack.isPPPoE() {
		if err := h.ns.IP(ctx, append(cmds, routes...)...); err != nil {
			return err
		}
		if stack == WireGuard {
			return r.tunnel(ctx, h)
		}
		return nil
	}
	if err := h.ns.IP(ctx, cmds...); err != nil {
		return err
	}
	if err := r.startPPPoE(ctx, h); err != nil {
		return err
	}
	if err := r.NS.IP(ctx, addIPv6(h.gw, pppDevice)); err != nil {
		return err
	}
	return h.ns.IP(ctx, append([]string{addIPv6(h.addr, pppDevice)}, routes...)...)
}

// links are the cables between the router and the host.
func (h *host) links() []string {
	mtu := orDefault(h.mtu, 1500)
	link := func(device, end string) string {
		return fmt.Sprintf("link add %s mtu %d type veth peer name %s mtu %d netns %s", device, mtu, end, mtu, h.ns.ToolPath())
	}
	links := []string{link(h.device, hostDevice)}
	if h.stack.hasSecondLink() {
		links = append(links, link(h.device+secondSuffix, hostDevice+secondSuffix))
	}
	return links
}

// addresses give one end of the link its own, or leave them to pppd.
func (h *host) addresses(stack Stack, base string, addr func(Family) netip.Addr, number int) []string {
	device := stack.layers(base).Logical
	if stack.isPPPoE() {
		return nil
	}
	cmds := []string{fmt.Sprintf("addr add %s/24 dev %s", addr(IPv4), device), addIPv6(addr, device)}
	if stack == WireGuard {
		cmds = append(cmds, fmt.Sprintf("addr add %s/24 dev %s", h.underlay(number), base))
	}
	return cmds
}

func addIPv6(addr func(Family) netip.Addr, device string) string {
	return fmt.Sprintf("addr add %s/64 dev %s nodad", addr(IPv6), device)
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
