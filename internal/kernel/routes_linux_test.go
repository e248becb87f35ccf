package kernel

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// A device is told where one route leads to it, and not where it is a matter of choice.
func TestDevices(t *testing.T) {
	testns.RequireNamespaces(t)
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "routes")
	require.NoError(t, ns.IP(t.Context(),
		"link add a0 type veth peer name a1", "link set a0 up", "link set a1 up",
		"link add b0 type veth peer name b1", "link set b0 up", "link set b1 up",
		"addr add 192.0.2.1/24 dev a0", "addr add 198.51.100.1/24 dev b0",
		"addr add 2001:db8:1::1/64 dev a0 nodad", "route add 2001:db8:2::/64 via 2001:db8:1::9",
		"route add 203.0.113.0/24 nexthop via 192.0.2.9 nexthop via 198.51.100.9",
	))
	k, err := Open(ns.Path())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, k.Close()) })
	addr := netip.MustParseAddr
	ask := []netip.Addr{addr("192.0.2.7"), addr("198.51.100.7"), addr("203.0.113.7"), addr("10.0.0.1"), addr("2001:db8:1::7"), addr("2001:db8:2::7"), addr("2001:db8:3::7"), addr("192.0.2.1"), addr("2001:db8:1::1"), addr("127.0.0.1")}
	found, err := k.Devices(t.Context(), ask)
	require.NoError(t, err)
	assert.Equal(t, map[netip.Addr]string{
		addr("192.0.2.7"): "a0", addr("198.51.100.7"): "b0", addr("2001:db8:1::7"): "a0", addr("2001:db8:2::7"): "a0",
		addr("192.0.2.1"): "", addr("2001:db8:1::1"): "", addr("127.0.0.1"): "", // its own
	}, found)

	require.NoError(t, ns.IP(t.Context(), "rule add fwmark 1 lookup 100"))
	found, err = k.Devices(t.Context(), ask)
	require.NoError(t, err)
	assert.Empty(t, found, "a rule looks at marks")
}
