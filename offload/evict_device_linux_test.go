package offload_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
)

// TestEvictByDeviceOnTheKernel: real routes tell which connections go by a device, and which end at the router itself.
func TestEvictByDeviceOnTheKernel(t *testing.T) {
	testns.RequireNamespaces(t)
	testns.CheckLeaks(t)
	r := testns.NewRouterT(t, &testns.RouterConfig{SecondLAN: true})
	require.NoError(t, r.NS.NFT(t.Context(), "table inet t { chain c { type filter hook prerouting priority 0; ct state established accept; }; }\n"))
	m := openManager(t, r.NS)
	server := netip.AddrPortFrom(r.ServerAddr(testns.IPv4), 5001)
	atWAN := netip.AddrPortFrom(r.WANAddr(testns.IPv4), 5002) // the router itself, though the address stands at wan0
	send(t, r.Client, server)
	send(t, r.Guest, server)
	send(t, r.Client, atWAN)

	evict := func(device string, dry bool) []string {
		done, err := m.Evict(t.Context(), offload.Eviction{Match: conntrack.Match{Proto: conntrack.UDP, Family: conntrack.IPv4}, Device: device, DryRun: dry})
		require.NoError(t, err)
		assert.Zero(t, done.Untold)
		var gone []string
		for _, v := range done.Victims {
			gone = append(gone, v.Entry.Orig.Src.Addr().String()+" "+v.Entry.Orig.Dst.String())
		}
		return gone
	}
	clientOut, guestOut, clientIn := "192.168.1.2 "+server.String(), "192.168.2.2 "+server.String(), "192.168.1.2 "+atWAN.String()
	require.NoError(t, testns.Poll(t.Context(), 5*time.Millisecond, func() (bool, error) { return len(evict("", true)) == 3, nil }), "all are there")
	assert.ElementsMatch(t, []string{clientOut, guestOut}, evict("wan0", true))
	assert.ElementsMatch(t, []string{clientOut, clientIn}, evict("lan0", true))
	assert.ElementsMatch(t, []string{guestOut}, evict("lan1", false))
	assert.ElementsMatch(t, []string{clientOut}, evict("wan0", false))
	assert.ElementsMatch(t, []string{clientIn}, evict("", true))
}

// send sends one datagram.
func send(t *testing.T, from *testns.Namespace, to netip.AddrPort) {
	t.Helper()
	require.NoError(t, from.Do(func() error {
		c, err := net.Dial("udp", to.String())
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("once"))
		return err
	}))
}
