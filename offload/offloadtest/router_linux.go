package offloadtest

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// A Router is a client, a router and a server in network namespaces of this machine's kernel, for tests that want to see packets
// take the fast path: the client 192.168.1.2 and 2001:db8:1::2 behind RouterLAN, an echo server at 203.0.113.2 and 2001:db8:2::2
// behind RouterWAN. The router forwards, counts its connections (nf_conntrack_acct is 1), and has no rules. Nothing outside of its
// namespaces is touched. Safe for concurrent use.
type Router struct {
	tb     RouterTB
	router *testns.Router

	mu    sync.Mutex
	flows map[conntrack.Tuple]*testns.Flow
}

// NewRouter builds a Router that ends with the test. The test is skipped, with the reason and what to do about it, where it cannot
// work: without root or a user namespace of its own, without the tools ip, nft and conntrack, on a kernel without flowtables (none
// before 4.16; the path of hardware needs a driver).
func NewRouter(tb RouterTB) *Router {
	tb.Helper()
	testns.RequireNamespaces(tb)
	testns.RequireFlowtables(tb)
	return &Router{tb: tb, router: testns.NewRouterT(tb, nil), flows: map[conntrack.Tuple]*testns.Flow{}}
}

// NetNS is the router's namespace, as offload.Config and conntrack.Config take it. It is good in this process, until the test ends.
func (r *Router) NetNS() string { return r.router.NS.Path() }

// Talk opens a connection from the client to the server and exchanges a few messages over it. The network is tcp4, tcp6, udp4 or
// udp6; tcp and udp are those of IPv4. The answer is the connection's original tuple, as conntrack has it. What goes wrong ends
// the test: call it from the test's goroutine.
func (r *Router) Talk(network string) conntrack.Tuple {
	r.tb.Helper()
	protocol, family := network, testns.IPv4
	if n := len(network) - 1; n > 0 && (network[n] == '4' || network[n] == '6') {
		protocol = network[:n]
		if network[n] == '6' {
			family = testns.IPv6
		}
	}
	if protocol != "tcp" && protocol != "udp" {
		r.tb.Fatalf("offloadtest: talk: %v", net.UnknownNetworkError(network))
		return conntrack.Tuple{}
	}
	flow := r.router.DialT(r.tb, protocol, family)
	if flow == nil {
		return conntrack.Tuple{}
	}
	t := conntrack.Tuple{Src: plainAddr(flow.Tuple().Source), Dst: plainAddr(flow.Tuple().Destination), Proto: syscall.IPPROTO_TCP}
	if protocol == "udp" {
		t.Proto = syscall.IPPROTO_UDP
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := flow.RoundTrip(ctx, 3, 100); err != nil {
		r.tb.Fatalf("offloadtest: talk: %v", err)
		return conntrack.Tuple{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flows[t] = flow
	return t
}

func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Reaches sends messages over a connection of Talk until it is proven to be on a path, and ends the test, with all evidence and the
// ruleset, if it is not within a time. The proof does not trust status bits: on a fast path verified answers come back while the
// forward hook's counter for this connection stands still, and conntrack's counters of both directions grow (which needs a
// flowtable with the counter, its default); on the slow path the forward hook sees every packet. For that it adds a table of its own
// with counters, inet testns_probe, the first time: that moves the ruleset's generation. Call it from the test's goroutine.
func (r *Router) Reaches(t conntrack.Tuple, path conntrack.Path, within time.Duration) {
	r.tb.Helper()
	r.mu.Lock()
	flow := r.flows[t]
	r.mu.Unlock()
	if flow == nil {
		r.tb.Fatalf("offloadtest: no connection %v: Talk makes one", t)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if _, err := r.router.Reaches(ctx, flow, pathOf(path)); err != nil {
		r.tb.Fatalf("offloadtest: %v", err)
	}
}

func pathOf(p conntrack.Path) testns.Path {
	switch p {
	case conntrack.Software:
		return testns.SoftwarePath
	case conntrack.Hardware:
		return testns.HardwarePath
	}
	return testns.SlowPath
}
