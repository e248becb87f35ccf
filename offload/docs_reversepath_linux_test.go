package offload_test

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsReversePath: the fast path takes packets of a flow by the device alone that the route to their source leads to. The same ones by another device meet a
// reverse-path filter as before, also if the flowtable has that device.
func TestDocsReversePath(t *testing.T) {
	l := newLab(t, nil)
	spoofer := testns.NewT(t, "spoofer")
	require.NoError(t, l.NS.IP(t.Context(),
		"link add spoof0 address 02:00:00:00:00:99 type veth peer name spoof1 netns "+spoofer.ToolPath(), "addr add 10.99.0.1/24 dev spoof0", "link set spoof0 up"))
	require.NoError(t, l.NS.SetSysctl("net/ipv4/conf/spoof0/rp_filter", "0"))
	require.NoError(t, spoofer.IP(t.Context(), "link set spoof1 up", "addr add 10.99.0.2/24 dev spoof1", fmt.Sprintf("addr add %s/32 dev spoof1", l.ClientAddr(testns.IPv4)),
		"neigh add 10.99.0.1 lladdr 02:00:00:00:00:99 dev spoof1", "route add default via 10.99.0.1"))
	fast := l.fast()
	fast.Devices = append(fast.Devices, flowtable.Selector{Name: "spoof0"})
	spec := accelerate(ruleset.Inet, fast)
	l.apply(t, spec)
	require.NoError(t, l.NS.NFT(t.Context(), "table inet walls { chain back { type filter hook prerouting priority mangle + 10; fib saddr . iif oif missing counter drop; }; }"))
	f := l.dialFast(t, "udp", testns.IPv4)

	var conn *net.UDPConn
	require.NoError(t, spoofer.Do(func() (err error) {
		conn, err = net.DialUDP("udp4", net.UDPAddrFromAddrPort(f.Tuple().Source), net.UDPAddrFromAddrPort(f.Tuple().Destination))
		return err
	}))
	defer conn.Close()
	before := l.packetsIn(t, "inet", "walls", "back")
	for range 3 {
		_, err := conn.Write([]byte("spoofed"))
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return l.packetsIn(t, "inet", "walls", "back") == before+3 }, within, 10*time.Millisecond, "the filter stops all of them")
	assert.Zero(t, l.forwarded(t, f, func() { talk(t, f, trips, 100) }), "the flow runs on")

	findings, err := l.manager.Conflicts(t.Context(), &spec)
	require.NoError(t, err)
	at := slices.IndexFunc(findings, func(f ruleset.Finding) bool { return f.Path == "chain inet walls back" })
	require.GreaterOrEqual(t, at, 0, "%v", findings)
	assert.True(t, findings[at].Information)
	assert.Contains(t, findings[at].Text, "reverse-path filter")
}
