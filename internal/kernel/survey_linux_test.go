package kernel

import (
	"net/netip"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// TestSurvey reads what the ip and bridge tools wrote.
func TestSurvey(t *testing.T) {
	ns, k := openT(t)
	require.NoError(t, ns.IP(t.Context(),
		"link add a0 type veth peer name a1", "link set a0 up", "link set a1 up",
		"addr add 192.0.2.1/24 dev a0", "addr add 2001:db8:1::1/64 dev a0 nodad",
		"neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev a0", "neigh add 2001:db8:1::9 lladdr 02:00:00:00:00:09 dev a0",
		"neigh add 192.0.2.8 dev a0 nud none",
		"route add 198.51.100.0/24 via 192.0.2.9", "route add 198.51.100.0/24 via 192.0.2.10 metric 5", "route add 2001:db8:2::/64 via 2001:db8:1::9",
		"route add 203.0.113.0/24 via inet6 2001:db8:1::9 dev a0", "route add unreachable 10.0.0.0/8",
	))
	before, err := k.Survey(t.Context())
	require.NoError(t, err)
	links, err := k.links(t.Context())
	require.NoError(t, err)
	device := 0
	for _, l := range links {
		if l.Name == "a0" {
			device = l.Index
		}
	}
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	assert.Equal(t, "02:00:00:00:00:09", before.Neighbours[Hop{device, addr("192.0.2.9")}])
	assert.Equal(t, "02:00:00:00:00:09", before.Neighbours[Hop{device, addr("2001:db8:1::9")}])
	assert.Empty(t, before.Neighbours[Hop{device, addr("192.0.2.8")}])
	assert.Equal(t, []int{device, device}, before.Routes[prefix("198.51.100.0/24")].Devices)
	assert.Contains(t, before.Routes, prefix("2001:db8:2::/64"))
	assert.NotContains(t, before.Routes, prefix("10.0.0.0/8"), "not unicast")

	hops, err := k.NextHops(t.Context(), []netip.Addr{addr("192.0.2.7"), addr("198.51.100.7"), addr("203.0.113.7"), addr("2001:db8:2::7"), addr("10.0.0.1")})
	require.NoError(t, err)
	assert.Equal(t, map[netip.Addr]Hop{
		addr("192.0.2.7"): {device, addr("192.0.2.7")}, addr("198.51.100.7"): {device, addr("192.0.2.9")},
		addr("203.0.113.7"): {device, addr("2001:db8:1::9")}, addr("2001:db8:2::7"): {device, addr("2001:db8:1::9")},
	}, hops)

	require.NoError(t, ns.IP(t.Context(), "route replace 198.51.100.0/24 via 192.0.2.11", "neigh replace 192.0.2.9 lladdr 02:00:00:00:00:0a dev a0"))
	after, err := k.Survey(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, before.Routes[prefix("198.51.100.0/24")].Text, after.Routes[prefix("198.51.100.0/24")].Text)
	assert.Equal(t, before.Routes[prefix("2001:db8:2::/64")], after.Routes[prefix("2001:db8:2::/64")])
	assert.Equal(t, "02:00:00:00:00:0a", after.Neighbours[Hop{device, addr("192.0.2.9")}])
}

// Whoever may add routes in the namespace decides how many lead to one prefix: twice as many take twice the memory.
func TestSurveyMemory(t *testing.T) {
	few, many := surveyMemory(t, 2000), surveyMemory(t, 8000)
	assert.Less(t, many, 8*few, "the memory that 8,000 routes took, beside that of 2,000")
}

// surveyMemory is what so many routes to one prefix make a surveyor allocate.
func surveyMemory(t *testing.T, routes int) uint64 {
	t.Helper()
	o := nlmsg.Native()
	b := nlmsg.NewBuilder(o, nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := newSurveyor()
	for i := range routes {
		b.Reset()
		b.Raw([]byte{0: unix.AF_INET, 1: 24, 7: unix.RTN_UNICAST, routeHeader - 1: 0})
		b.Data(unix.RTA_DST, []byte{198, 51, 100, 0})
		b.Data(unix.RTA_OIF, o.AppendUint32(nil, 2))
		b.Data(unix.RTA_PRIORITY, o.AppendUint32(nil, uint32(i)))
		require.NoError(t, s.addRoute(o, b.Bytes()))
	}
	route := s.done().Routes[netip.MustParsePrefix("198.51.100.0/24")]
	runtime.ReadMemStats(&after)
	require.Len(t, route.Devices, routes)
	return after.TotalAlloc - before.TotalAlloc
}
