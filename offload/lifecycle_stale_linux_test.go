package offload_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A staleCase is a change of the way that an offloaded flow's packets take.
type staleCase struct {
	name     string
	lan, wan testns.Stack
	hardware flowtable.Hardware
	change   func(t *testing.T, l *lab)
	// what the Manager says, on kernels that ask for no neighbour too (quirk neighbour-address); "" where the kernel follows by itself
	why, whyStrict string
}

// movedMAC is an address of the link layer that the client takes.
const movedMAC = "02:00:00:00:99:01"

// staleCases have bridges on both sides or none: a direction that leaves by a plain device ends the flow at the next news of any link, which
// mends it by chance.
func staleCases() []staleCase {
	const unknown, was, mtu, route = "is not known", movedMAC, "the MTU of", "the route to"
	return []staleCase{
		{name: "neighbour's address", change: changeMAC},
		{name: "neighbour's address, bridge", lan: testns.Bridge, wan: testns.Bridge, change: changeMAC, why: was, whyStrict: was},
		{name: "neighbour's address, hardware", hardware: flowtable.HardwareOn, change: changeMAC, why: was, whyStrict: was},
		{name: "no neighbour", change: deleteNeighbour, whyStrict: unknown},
		{name: "no neighbour, bridge", lan: testns.Bridge, wan: testns.Bridge, change: deleteNeighbour},
		{name: "route", change: changeRoute},
		{name: "route, bridge", lan: testns.Bridge, wan: testns.Bridge, change: changeRoute, why: route, whyStrict: route},
		{name: "MTU", change: changeMTU},
		{name: "MTU, bridge", lan: testns.Bridge, wan: testns.Bridge, change: changeMTU, why: mtu, whyStrict: mtu},
		{name: "bridge port", lan: testns.Bridge, wan: testns.Bridge, change: changePort, why: "was behind port lan0", whyStrict: "was behind port lan0"},
	}
}

// TestStale changes the way under an offloaded flow: docs/stale.md. Either the kernel follows, or the flow stalls, the Manager says so
// and evicting it mends it.
func TestStale(t *testing.T) {
	for _, c := range staleCases() {
		t.Run(c.name, func(t *testing.T) {
			if c.hardware != "" {
				testns.RequireSimulator(t)
			}
			l := newStaleLab(t, &c)
			flow := l.DialT(t, "udp", testns.IPv4)
			path := testns.SoftwarePath
			if c.hardware != "" {
				path = testns.HardwarePath
			}
			l.reach(t, flow, path)
			found, err := l.manager.Stale(t.Context())
			require.NoError(t, err)
			require.Empty(t, found)

			c.change(t, l)
			alive := l.alive(flow, 2500*time.Millisecond)
			found, err = l.manager.Stale(t.Context())
			require.NoError(t, err)
			t.Logf("%s: %s: alive %v, %v", l.kernel.Text, c.name, alive, found)
			why := c.why
			if flowtable.KernelOf(l.kernel.Text).HasQuirk("neighbour-address") {
				why = c.whyStrict
			}
			if why == "" {
				assert.True(t, alive, "the kernel follows")
				assert.Empty(t, found)
				l.reach(t, flow, path)
				return
			}
			require.Len(t, found, 1)
			assert.Contains(t, found[0].Why, why)
			assert.Equal(t, flow.Tuple().Source, found[0].Entry.Orig.Src)
			assert.False(t, alive, "the flow is not stale")
			evicted, err := l.manager.EvictStale(t.Context())
			require.NoError(t, err)
			require.Len(t, evicted, 1)
			assert.True(t, l.alive(flow, within), "evicted")
			l.reach(t, flow, path)
			found, err = l.manager.Stale(t.Context())
			require.NoError(t, err)
			assert.Empty(t, found)
		})
	}
}

// TestRunTellsAndMendsStaleFlows has Run hear of such changes.
func TestRunTellsAndMendsStaleFlows(t *testing.T) {
	for _, mode := range []offload.StaleMode{offload.StaleReport, offload.StaleEvict} {
		t.Run(string(mode), func(t *testing.T) {
			l := newStaleLab(t, &staleCase{lan: testns.Bridge, wan: testns.Bridge})
			f := l.fast()
			f.Devices = names(append(l.LAN.Lower, l.WAN.Lower...)...)
			spec := accelerate(ruleset.Inet, f)
			r := &lifecycle{lab: l}
			l.manager = runManager(t, l.NS, offload.RunConfig{Stale: mode}, &spec)
			r.await(t, "a steady Manager", func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady && s.Changes == 0 })
			flow := l.DialT(t, "udp", testns.IPv4)
			l.reach(t, flow, testns.SoftwarePath)
			// What was learnt first is the beginning: the Manager has seen the client.
			_, err := l.manager.Stale(t.Context())
			require.NoError(t, err)
			changeMAC(t, l)
			if mode == offload.StaleReport {
				s := r.await(t, "the report", func(s *offload.Status) bool { return len(s.Stale) == 1 })
				assert.Contains(t, s.String(), movedMAC)
				assert.False(t, l.alive(flow, 2500*time.Millisecond))
				return
			}
			require.NoError(t, await(t, func(context.Context) (bool, error) { return l.alive(flow, 2500*time.Millisecond), nil }), "nobody evicts it")
			// An answer may have been under way when the flow was evicted: its connection then begins with that, the other way round.
			l.reach(t, l.DialT(t, "udp", testns.IPv4), testns.SoftwarePath)
		})
	}
}

func newStaleLab(t *testing.T, c *staleCase) *lab {
	// A UDP connection whose flow the kernel ends is left the kernel's timeout less the flowtable's.
	l := newLab(t, &testns.RouterConfig{LANStack: c.lan, WANStack: c.wan, Sysctls: map[string]string{
		"net.netfilter.nf_conntrack_udp_timeout": "7200", "net.netfilter.nf_conntrack_udp_timeout_stream": "7200",
	}})
	f := l.fast()
	f.Devices, f.Hardware = names(append(l.LAN.Lower, l.WAN.Lower...)...), c.hardware
	l.apply(t, accelerate(ruleset.Inet, f))
	for _, host := range []*testns.Namespace{l.Client, l.Server} { // the other port of a bridge comes up too: news of a link end flows
		require.NoError(t, host.SetSysctl("net.ipv4.conf.all.arp_ignore", "1"))
		if _, err := host.Run(t.Context(), "", "ip", "link", "show", "dev", "eth0b"); err == nil {
			require.NoError(t, host.IP(t.Context(), "link set dev eth0b up"))
		}
	}
	var out string
	err := await(t, func(ctx context.Context) (ok bool, err error) {
		out, err = l.NS.Run(ctx, "", "ip", "-o", "link", "show", "up")
		return !strings.Contains(out, "DOWN ") && !strings.Contains(out, "NO-CARRIER"), err
	})
	require.NoError(t, err, out)
	return l
}

func (l *lab) reach(t *testing.T, f *testns.Flow, path testns.Path) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	_, err := l.Reaches(ctx, f, path)
	require.NoError(t, err)
}

// alive reports whether large packets make their round trips in time.
func (l *lab) alive(f *testns.Flow, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, err := f.RoundTrip(ctx, 3, 1400)
	return err == nil
}

// changeMAC gives the client another address, and tells the router so.
func changeMAC(t *testing.T, l *lab) {
	require.NoError(t, l.Client.IP(t.Context(), "link set dev eth0 address "+movedMAC))
	require.NoError(t, l.NS.IP(t.Context(), fmt.Sprintf("neigh replace %v lladdr %s dev %s nud reachable",
		l.ClientAddr(testns.IPv4), movedMAC, l.LANDevice)))
}

func deleteNeighbour(t *testing.T, l *lab) {
	require.NoError(t, l.NS.IP(t.Context(), fmt.Sprintf("neigh del %v dev %s", l.ClientAddr(testns.IPv4), l.LANDevice)))
}

// changeRoute leads the router and the server to each other by another link, and cuts the old one where the router does not see it.
func changeRoute(t *testing.T, l *lab) {
	require.NoError(t, l.NS.IP(t.Context(), "link add wan1 type veth peer name eth1 netns "+l.Server.ToolPath(),
		"link set wan1 up", "addr add 198.18.0.1/30 dev wan1"))
	require.NoError(t, l.Server.IP(t.Context(), "link set eth1 up", "addr add 198.18.0.2/30 dev eth1",
		"route replace default via 198.18.0.1 dev eth1 src 203.0.113.2"))
	require.NoError(t, l.Server.NFT(t.Context(), "table netdev cut { chain c { type filter hook ingress device eth0 priority 0; ip daddr 203.0.113.2 drop; }; }"))
	spec := l.fast()
	spec.Devices = names(append(append(l.LAN.Lower, l.WAN.Lower...), "wan1")...)
	l.apply(t, accelerate(ruleset.Inet, spec))
	require.NoError(t, l.NS.IP(t.Context(), fmt.Sprintf("route add %v/32 via 198.18.0.2 dev wan1", l.ServerAddr(testns.IPv4))))
}

// changeMTU makes the server's link narrow.
func changeMTU(t *testing.T, l *lab) {
	for _, d := range l.WAN.All {
		require.NoError(t, l.NS.IP(t.Context(), "link set dev "+d+" mtu 1280"))
	}
	require.NoError(t, l.Server.IP(t.Context(), "link set dev eth0 mtu 1280"))
}

// changePort moves the client to the other port of the bridge, with both its addresses.
func changePort(t *testing.T, l *lab) {
	text, err := l.Client.Run(t.Context(), "", "ip", "-o", "link", "show", "dev", "eth0")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(text, "link/ether ")
	require.NoError(t, l.Client.IP(t.Context(), "addr flush dev eth0 scope global", "link set dev eth0 address "+movedMAC,
		"link set dev eth0b address "+strings.Fields(rest)[0], "link set dev eth0b up",
		fmt.Sprintf("addr add %v/24 dev eth0b", l.ClientAddr(testns.IPv4)), fmt.Sprintf("route add default via %v", l.LANAddr(testns.IPv4))))
}
