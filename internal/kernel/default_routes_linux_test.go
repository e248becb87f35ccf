package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
)

// Default routes of the main table count, of both families, with all their paths; those of other tables and others do not.
func TestDefaultRoutes(t *testing.T) {
	ns, k := openT(t)
	found, err := k.defaultRoutes(t.Context())
	require.NoError(t, err)
	assert.Empty(t, found)

	var lines []string
	for _, n := range []string{"a", "b", "c", "d"} {
		lines = append(lines, "link add "+n+"0 type veth peer name "+n+"1", "link set "+n+"0 up", "link set "+n+"1 up")
	}
	require.NoError(t, ns.IP(t.Context(), append(lines,
		"addr add 192.0.2.1/24 dev a0", "addr add 198.51.100.1/24 dev b0", "addr add 203.0.113.1/24 dev c0", "addr add 2001:db8:1::1/64 dev d0 nodad",
		"route add default via 203.0.113.9 table 100", "route add 0.0.0.0/1 via 203.0.113.9", "route add 10.0.0.0/8 via 203.0.113.9",
		"route add unreachable ::/0 metric 10000",
	)...))
	found, err = k.defaultRoutes(t.Context())
	require.NoError(t, err)
	assert.Empty(t, found)

	require.NoError(t, ns.IP(t.Context(),
		"route add default metric 5 nexthop via 192.0.2.9 nexthop via 198.51.100.9", "route add default via 192.0.2.9 metric 6",
		"route add default via 2001:db8:1::9"))
	target, err := k.Target(t.Context())
	require.NoError(t, err)
	indexes := map[string]int{}
	for _, l := range target.Links {
		indexes[l.Name] = l.Index
	}
	assert.Equal(t, []int{indexes["a0"], indexes["b0"], indexes["d0"]}, target.DefaultRoutes)
	assert.NoError(t, (&flowtable.Target{Links: target.Links}).Validate())

	less, err := k.TargetOf(t.Context(), false, false)
	require.NoError(t, err)
	assert.Empty(t, less.DefaultRoutes)
	require.Len(t, less.Links, len(target.Links))
	for i := range less.Links {
		assert.Empty(t, less.Links[i].TCOffload)
		assert.Equal(t, target.Links[i].Name, less.Links[i].Name)
	}
}
