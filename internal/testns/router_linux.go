package testns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
)

// A RouterConfig shapes a Router. Nil and the zero value are the recommended defaults.
type RouterConfig struct {
	LANDevice, WANDevice string // the router's devices; empty means lan0 and wan0
	LANMTU, WANMTU       int    // MTU of both ends of the link in bytes; zero means 1500
	LANStack, WANStack   Stack  // layers between the link and the router's address; empty means none. PPPoE is for the WAN
	SecondLAN            bool   // adds a second client, Guest, behind the router's lan1
	NoAccounting         bool   // leaves nf_conntrack_acct at 0 in the router, so that conntrack entries have no counters
	Port                 uint16 // of the echo server in Server; zero means 7007

	// Sysctls are written in the router at the end, after those that forwarding needs: net.netfilter.nf_flowtable_tcp_timeout.
	Sysctls map[string]string
}

// A Router is the topology client, router, server: three namespaces, two links, IPv4 and IPv6, an echo server.
//
//	Client eth0 192.168.1.2 2001:db8:1::2 --- lan0 .1 [NS] wan0 203.0.113.1 2001:db8:2::1 --- eth0 .2 Server
//	Guest  eth0 192.168.2.2 2001:db8:3::2 --- lan1 .1
//
// The router forwards and has no rules. Reverse path filters and duplicate address detection are off. Neighbours are found the usual
// way, by ARP and neighbour discovery, and were found when NewRouter returns: a 7.2 kernel offloads no flow without valid ones. A
// Router is safe for concurrent use.
type Router struct {
	Client, NS, Server *Namespace // NS is the router itself
	Guest              *Namespace // nil without RouterConfig.SecondLAN
	Echo               *Server    // listens in Server

	LANDevice, WANDevice, GuestDevice string // devices in NS that have the addresses; GuestDevice is empty without a second LAN
	LAN, WAN                          Layers // all devices in NS of the client's and of the server's link

	config    RouterConfig
	probe     probe
	daemons   []*daemon // in the order they were started
	temporary []string  // folders
	closed    sync.Once
	err       error // of Close
}

// NewRouter builds the topology and returns when a packet of both families went through it both ways. Stacks that the kernel does not
// survive below a flowtable are refused: ErrNotOnThisKernel.
func NewRouter(ctx context.Context, config *RouterConfig) (*Router, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	r := &Router{}
	if config != nil {
		r.config = *config
	}
	if err := r.config.check(); err != nil {
		return nil, err
	}
	if err := mayBuildHere(r.config.LANStack, r.config.WANStack); err != nil {
		return nil, err
	}
	r.config.LANDevice = orDefault(r.config.LANDevice, "lan0")
	r.config.WANDevice = orDefault(r.config.WANDevice, "wan0")
	r.LAN = r.config.LANStack.layers(r.config.LANDevice)
	r.WAN = r.config.WANStack.layers(r.config.WANDevice)
	r.LANDevice, r.WANDevice = r.LAN.Logical, r.WAN.Logical
	if r.config.SecondLAN {
		r.GuestDevice = "lan1"
	}
	if err := r.build(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("testns: build router: %w", err), r.Close())
	}
	return r, nil
}

// NewRouterT is NewRouter for a test, closed at its end. It skips the test as RequireNamespaces does, and for ErrNotOnThisKernel.
func NewRouterT(tb TB, config *RouterConfig) *Router {
	tb.Helper()
	RequireNamespaces(tb)
	r, err := NewRouter(context.Background(), config)
	if errors.Is(err, ErrNotOnThisKernel) {
		tb.Skipf("%v", err)
		return nil
	}
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	closeAtEnd(tb, r.Close)
	return r
}

// check refuses stacks that are not there.
func (c *RouterConfig) check() error {
	for _, s := range []Stack{c.LANStack, c.WANStack} {
		if s != Plain && !slices.Contains(Stacks(), s) {
			return fmt.Errorf("testns: no stack %q; take one of %q", s, Stacks())
		}
	}
	if c.LANStack.isPPPoE() {
		return fmt.Errorf("testns: stack %q is for the WAN", c.LANStack)
	}
	return nil
}

func orDefault[T comparable](value, def T) T {
	var zero T
	if value == zero {
		return def
	}
	return value
}

// Addresses of the topology. The router's end of a link is .1 and ::1, the host's .2 and ::2.

// ClientAddr is the address of Client.
func (r *Router) ClientAddr(f Family) netip.Addr { return f.pick("192.168.1.2", "2001:db8:1::2") }

// LANAddr is the router's address on the client's link.
func (r *Router) LANAddr(f Family) netip.Addr { return f.pick("192.168.1.1", "2001:db8:1::1") }

// WANAddr is the router's address on the server's link: what the server sees of a masqueraded client.
func (r *Router) WANAddr(f Family) netip.Addr { return f.pick("203.0.113.1", "2001:db8:2::1") }

// ServerAddr is the address of Server.
func (r *Router) ServerAddr(f Family) netip.Addr { return f.pick("203.0.113.2", "2001:db8:2::2") }

// GuestAddr is the address of Guest, where there is one.
func (r *Router) GuestAddr(f Family) netip.Addr { return f.pick("192.168.2.2", "2001:db8:3::2") }

// guestGateway is the router's address on the guest's link.
func (r *Router) guestGateway(f Family) netip.Addr { return f.pick("192.168.2.1", "2001:db8:3::1") }

// Dial opens a connection from Client to the echo server. The network is tcp or udp.
func (r *Router) Dial(ctx context.Context, network string, f Family) (*Flow, error) {
	return Dial(ctx, r.Client, DialConfig{Network: network, To: r.echoAddr(f)})
}

// DialT is Dial for a test: it fails the test on an error and closes the flow at the test's end.
func (r *Router) DialT(tb TB, network string, f Family) *Flow {
	tb.Helper()
	flow, err := r.Dial(context.Background(), network, f)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	tb.Cleanup(func() { _ = flow.Close() }) // the peer may have gone: no failure
	return flow
}

func (r *Router) echoAddr(f Family) netip.AddrPort {
	return netip.AddrPortFrom(r.ServerAddr(f), r.Echo.Port())
}

// Close ends the echo server and all namespaces. It may be called again; flows are the caller's to close.
func (r *Router) Close() error {
	r.closed.Do(func() {
		for _, d := range slices.Backward(r.daemons) {
			d.stop()
		}
		r.err = errors.Join(r.Echo.Close(), r.Client.Close(), r.Guest.Close(), r.Server.Close(), r.NS.Close())
		for _, dir := range r.temporary {
			r.err = errors.Join(r.err, os.RemoveAll(dir))
		}
	})
	return r.err
}
