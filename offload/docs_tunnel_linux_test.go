package offload_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
)

// A tunnel is a kind of tunnel between the router and the server, and the major release that looks through it.
type tunnel struct {
	kind, options string
	fam           testns.Family // inside and outside
	near, far     netip.Prefix  // the addresses inside
	back          string        // the client's network
	seenBy        [2]int        // the first release whose fast path unpacks it
}

var tunnels = []tunnel{
	{"ipip", "", testns.IPv4, netip.MustParsePrefix("10.9.0.1/24"), netip.MustParsePrefix("10.9.0.2/24"), "192.168.1.0/24", [2]int{6, 19}},
	{"ip6tnl", "mode ip6ip6 encaplimit none", testns.IPv6, netip.MustParsePrefix("fd09::1/64"), netip.MustParsePrefix("fd09::2/64"), "2001:db8:1::/64", [2]int{7, 0}},
}

// dig makes the tunnel tun9 over wan0, bound to no device.
func (l *lab) dig(t *testing.T, c tunnel) {
	t.Helper()
	ends := []struct {
		ns            *testns.Namespace
		local, remote netip.Addr
		inside        netip.Prefix
	}{{l.NS, l.WANAddr(c.fam), l.ServerAddr(c.fam), c.near}, {l.Server, l.ServerAddr(c.fam), l.WANAddr(c.fam), c.far}}
	for _, e := range ends {
		nodad := ""
		if c.fam == testns.IPv6 {
			nodad = " nodad"
		}
		require.NoError(t, e.ns.IP(t.Context(),
			fmt.Sprintf("link add tun9 type %s %s local %v remote %v", c.kind, c.options, e.local, e.remote),
			fmt.Sprintf("addr add %v dev tun9%s", e.inside, nodad), "link set tun9 up"))
	}
	require.NoError(t, l.Server.IP(t.Context(), "route add "+c.back+" dev tun9"))
}

// TestDocsTunnel lists one of a tunnel and of what it goes by, or both. Kernels that look through the tunnel carry what comes in by the device
// below and offload nothing that they find by the tunnel alone; older ones are the reverse, and carry one direction by the device below. Both
// are right on all, and that is the default. Report.Half and the plan's warnings say what each of them does.
func TestDocsTunnel(t *testing.T) {
	for _, c := range tunnels {
		t.Run(c.kind, func(t *testing.T) {
			l := newLab(t, nil)
			l.dig(t, c)
			looksThrough := l.kernel.AtLeast(c.seenBy[0], c.seenBy[1])

			below := l.tunnelled(t, c, flowtable.LayersLogical, "lan0", "wan0")
			only := l.tunnelled(t, c, flowtable.LayersLogical, "lan0", "tun9")
			for _, both := range []tunnelled{
				l.tunnelled(t, c, flowtable.LayersLogical, "lan0", "tun9", "wan0"),
				l.tunnelled(t, c, flowtable.LayersDefault, "lan0", "tun9"),
			} {
				assert.Equal(t, tunnelled{path: conntrack.Software, listed: []string{"lan0", "tun9", "wan0"}}, both)
			}
			assert.Equal(t, []string{"lan0", "wan0"}, below.listed)
			if looksThrough && !l.kernel.AtLeast(7, 2) {
				assert.Empty(t, only.listed, "connections would break")
				assert.True(t, only.requests && only.answers, "the classic path carries both directions")
				return
			}
			assert.Equal(t, []string{"lan0", "tun9"}, only.listed)
			if looksThrough {
				assert.Equal(t, tunnelled{path: conntrack.Software, listed: below.listed}, below)
				assert.True(t, only.requests && only.answers, "the classic path carries both directions")
				assert.Equal(t, conntrack.Slow, only.path)
				assert.Empty(t, only.half)
				return
			}
			assert.Equal(t, conntrack.Software, below.path)
			assert.Equal(t, [2]bool{false, true}, [2]bool{below.requests, below.answers}, "what the classic path carries")
			assert.Equal(t, []offload.Half{{Device: "tun9", Lower: []string{"tun9", "wan0"}, Flows: 1}}, below.half)
			assert.Equal(t, tunnelled{path: conntrack.Software, listed: only.listed}, only)
		})
	}
}

// tunnelled is what becomes of a connection through the tunnel.
type tunnelled struct {
	path              conntrack.Path
	requests, answers bool // the classic path carries them
	half              []offload.Half
	listed            []string
}

// tunnelled lists devices, and drives a connection through the tunnel.
func (l *lab) tunnelled(t *testing.T, c tunnel, layers flowtable.Layers, devices ...string) (found tunnelled) {
	t.Helper()
	spec := l.listing(names(devices...)...)
	spec.Tables[0].Flowtables[0].Layers = layers
	plan, err := l.manager.Plan(t.Context(), &spec)
	require.NoError(t, err)
	for _, b := range plan.Bindings() {
		if b.State == flowtable.Bound {
			found.listed = append(found.listed, b.Device)
		}
	}
	if c.kind == "ipip" && l.kernel.AtLeast(c.seenBy[0], c.seenBy[1]) && len(found.listed) == 2 && found.listed[1] == "tun9" {
		assert.Contains(t, strings.Join(plan.Warnings(), "\n"), "lists tun9 and not wan0 below it")
	} else {
		assert.NotContains(t, strings.Join(plan.Warnings(), "\n"), "tun9")
	}
	_, err = l.manager.Apply(t.Context(), plan)
	require.NoError(t, err)
	_, err = l.watcher.Evict(t.Context(), conntrack.Match{Status: conntrack.Offload}, false)
	require.NoError(t, err)

	f, err := testns.Dial(t.Context(), l.Client, testns.DialConfig{Network: "tcp", To: netip.AddrPortFrom(c.far.Addr(), l.Echo.Port())})
	require.NoError(t, err)
	defer f.Close()
	talk(t, f, trips, 100)
	require.NoError(t, l.Watch(t.Context(), f.Tuple()))
	seen := l.forwarded(t, f, func() { talk(t, f, trips, 100) })
	report, err := l.manager.Report(t.Context(), l.watcher)
	require.NoError(t, err)
	found.path, found.half = l.path(t, f), report.Half
	found.requests, found.answers = seen.Original.Packets >= trips, seen.Reply.Packets >= trips
	return found
}
