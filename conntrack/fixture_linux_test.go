package conntrack

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"github.com/stretchr/testify/require"
	timo "github.com/ti-mo/conntrack"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// within is how long a test waits for anything.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// open makes a Watcher whose pauses stay what Poll says, however long a busy machine takes to read.
func open(t *testing.T, ns *testns.Namespace, cfg Config) *Watcher {
	t.Helper()
	cfg.NetNS, cfg.PollMost = ns.Path(), cmp.Or(cfg.PollMost, cfg.Poll)
	w, err := Open(within(t, 30*time.Second), &cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

func oracle(t *testing.T, ns *testns.Namespace) *timo.Conn {
	t.Helper()
	c, err := timo.Dial(&netlink.Config{NetNS: ns.FD()})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// made is a connection that ctnetlink makes on request, confirmed as the kernel wants it.
func made(proto uint8, status timo.Status, src, dst string, timeout uint32) timo.Flow {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	f := timo.NewFlow(proto, status|timo.StatusConfirmed, s.Addr(), d.Addr(), s.Port(), d.Port(), timeout, 0)
	if proto == TCP {
		f.ProtoInfo.TCP = &timo.ProtoInfoTCP{State: 3}
	}
	return f
}

// many makes n unreplied UDP connections, from 10.0.0.0 on.
func many(t *testing.T, c *timo.Conn, n int) {
	t.Helper()
	for i := range n {
		src := fmt.Sprintf("10.%d.%d.%d:1024", i>>16, i>>8&255, i&255)
		require.NoError(t, c.Create(made(UDP, 0, src, "192.0.2.1:53", 600)))
	}
}

// mixture is a table of all sorts in a router: traffic of the real kernel with NAT, and connections of rarer protocols
// made on request.
func mixture(t *testing.T) *testns.Router {
	t.Helper()
	r := testns.NewRouterT(t, &testns.RouterConfig{Sysctls: map[string]string{
		"net.netfilter.nf_conntrack_timestamp": "1",
		"net.netfilter.nf_conntrack_events":    "1", // 2, the default, is silent about what began before anybody listened
		"net.netfilter.nf_conntrack_tcp_loose": "0", // what is evicted is not picked up again by a segment on its way
	}})
	ctx := within(t, 30*time.Second)
	require.NoError(t, r.NS.NFT(ctx, `table inet fixture {
		ct helper transfer { type "ftp" protocol tcp; l3proto ip; }
		chain help { type filter hook prerouting priority mangle; tcp dport 8443 ct helper set "transfer"; }
		chain pre { type nat hook prerouting priority dstnat; iifname "`+r.LANDevice+`" tcp dport 8443 dnat ip to `+r.ServerAddr(testns.IPv4).String()+`:7007; }
		chain post { type nat hook postrouting priority srcnat; oifname "`+r.WANDevice+`" meta l4proto udp masquerade; }
		chain forward { type filter hook forward priority filter; meta l4proto tcp ct mark set 0x2a ct label set 100; }
	}`))
	for _, family := range testns.Families() {
		for _, network := range []string{"tcp", "udp"} {
			talk(t, ctx, r.DialT(t, network, family), 3)
		}
		ping(t, r, family)
	}
	forwarded, err := testns.Dial(ctx, r.Client, testns.DialConfig{Network: "tcp", To: netip.AddrPortFrom(r.LANAddr(testns.IPv4), 8443)})
	require.NoError(t, err)
	t.Cleanup(func() { forwarded.Close() })
	talk(t, ctx, forwarded, 2)
	for _, f := range madeToOrder() {
		require.NoError(t, oracle(t, r.NS).Create(f), "%+v", f)
	}
	return r
}

// talk makes round trips and returns how many messages had to be sent again.
func talk(t *testing.T, ctx context.Context, f *testns.Flow, n int) (resent int) {
	t.Helper()
	said, err := f.RoundTrip(ctx, n, 100)
	require.NoError(t, err)
	return said.Resent
}

// ping sends one echo request through the router, which answers or forwards it.
func ping(t *testing.T, r *testns.Router, family testns.Family) {
	t.Helper()
	network, request := "ip4:icmp", []byte{8, 0, 0, 0, 0x12, 0x34, 0, 1}
	if family == testns.IPv6 {
		network, request = "ip6:ipv6-icmp", []byte{128, 0, 0, 0, 0x12, 0x34, 0, 1}
	} else {
		request[2], request[3] = 0xe5, 0xca // the checksum, which the kernel fills in for IPv6 only
	}
	require.NoError(t, r.Client.Do(func() error {
		c, err := net.Dial(network, r.ServerAddr(family).String())
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Write(request); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 100))
		return err
	}))
}

// madeToOrder are connections that ctnetlink makes on request.
func madeToOrder() []timo.Flow {
	zone := made(TCP, timo.StatusAssured|timo.StatusSeenReply, "10.1.0.1:1000", "10.2.0.1:80", 300)
	zone.Zone = 7
	sameButZone := made(TCP, timo.StatusAssured|timo.StatusSeenReply, "10.1.0.1:1000", "10.2.0.1:80", 400)
	marked := made(UDP, timo.StatusSeenReply|timo.StatusAssured, "[2001:db8::1]:5000", "[2001:db8::2]:53", 600)
	marked.Mark = 0x80000001
	sctp := made(SCTP, timo.StatusSeenReply, "10.1.0.3:1000", "10.2.0.1:36412", 700)
	sctp.ProtoInfo.SCTP = &timo.ProtoInfoSCTP{State: 4, VTagOriginal: 1, VTagReply: 2}
	return []timo.Flow{
		zone, sameButZone, marked, sctp,
		made(GRE, timo.StatusSeenReply, "10.1.0.4:17", "10.2.0.1:18", 800),
		made(UDPLite, 0, "[2001:db8::1]:5001", "[2001:db8::2]:5002", 900),
		made(253, 0, "10.1.0.5:0", "10.2.0.1:0", 1000),
	}
}
