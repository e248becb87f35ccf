package offload_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsTwoFlowtables partitions a router: two flowtables of one table, with different priorities on different devices, each carrying
// the flows that the rules give it.
func TestDocsTwoFlowtables(t *testing.T) {
	l := newLab(t, &testns.RouterConfig{SecondLAN: true})
	other := l.addSecondWAN(t)
	rule := func(from, to, table string) ruleset.Rule {
		return ruleset.R(ruleset.IIFName.Is(from, to), ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.FlowAdd(table))
	}
	l.apply(t, ruleset.Spec{Tables: []ruleset.Table{{
		Name: "accel",
		Flowtables: []flowtable.Spec{
			{Name: "home", Priority: "filter - 10", Devices: names("lan0", "wan0")},
			{Name: "guests", Priority: "filter + 10", Devices: names("lan1", "wan1")},
		},
		Chains: []ruleset.Chain{{Name: "accelerate", Hook: ruleset.Forward, Rules: []ruleset.Rule{
			rule("lan0", "wan0", "home"), rule("lan1", "wan1", "guests"),
		}}},
	}}})

	priorities := map[string]int32{}
	for _, f := range flowtables(t, l.NS) {
		priorities[f.Name] = f.Priority
	}
	assert.Equal(t, map[string]int32{"home": -10, "guests": 10}, priorities)
	text := listing(t, l.NS)
	assert.Contains(t, text, "hook ingress priority filter - 10\n\t\tdevices = { lan0, wan0 }")
	assert.Contains(t, text, "hook ingress priority filter + 10\n\t\tdevices = { lan1, wan1 }")

	l.dialFast(t, "tcp", testns.IPv4)
	l.dialFast(t, "udp", testns.IPv6)
	for _, network := range []string{"tcp", "udp"} {
		f, err := testns.Dial(t.Context(), l.Guest, testns.DialConfig{Network: network, To: other})
		require.NoError(t, err)
		defer f.Close()
		talk(t, f, 3, 100)
		testns.AssertSoftwarePath(t, l.Router, f, within)
	}
}

// addSecondWAN joins router and server by wan1, over which they reach the guests' network, and returns the server's address there.
func (l *lab) addSecondWAN(t *testing.T) netip.AddrPort {
	t.Helper()
	require.NoError(t, l.NS.IP(t.Context(),
		"link add wan1 type veth peer name eth1 netns "+l.Server.ToolPath(),
		"addr add 198.51.100.1/24 dev wan1",
		"link set wan1 up"))
	require.NoError(t, l.Server.IP(t.Context(),
		"addr add 198.51.100.2/24 dev eth1",
		"link set eth1 up",
		"route add 192.168.2.0/24 via 198.51.100.1"))
	return netip.AddrPortFrom(netip.MustParseAddr("198.51.100.2"), l.Echo.Port())
}

// TestDocsIngressChain: the priority orders a flowtable among the ingress chains of its devices. Packets of an offloaded flow meet a chain
// with a smaller number and never reach one with a greater.
func TestDocsIngressChain(t *testing.T) {
	l := newLab(t, nil)
	for _, priority := range []int{-20, 20} {
		t.Run(fmt.Sprint(priority), func(t *testing.T) {
			f := l.fast()
			f.Priority = flowtable.Priority(fmt.Sprint(priority))
			l.apply(t, accelerate(ruleset.Inet, f))
			require.NoError(t, l.NS.NFT(t.Context(), fmt.Sprintf(`
add table netdev ingress
delete table netdev ingress
table netdev ingress {
	chain early { type filter hook ingress device "lan0" priority %[1]d; policy accept; udp dport %[3]d counter; }
	chain late { type filter hook ingress device "lan0" priority %[2]d; policy accept; udp dport %[3]d counter; }
}`, priority-1, priority+1, l.Echo.Port())))
			flow := l.dialFast(t, "udp", testns.IPv4)
			early, late := l.packetsIn(t, "netdev", "ingress", "early"), l.packetsIn(t, "netdev", "ingress", "late")
			assert.NotZero(t, late, "before it was offloaded")
			talk(t, flow, trips, 100)
			assert.GreaterOrEqual(t, l.packetsIn(t, "netdev", "ingress", "early")-early, trips)
			assert.Zero(t, l.packetsIn(t, "netdev", "ingress", "late")-late)
		})
	}
}
