package vmtest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

const (
	hwTC       = "hw-tc-offload"
	oneDevice  = "add table inet t\nadd flowtable inet t f { hook ingress priority 0; devices = { hwlan0 }; flags offload; }\n"
	nextDevice = "add flowtable inet t f { hook ingress priority 0; devices = { hwwan0 }; flags offload; }\n"
)

// TestSimulatorGivesTheFeature: a program that looks before it asks finds what the name of a device says.
func TestSimulatorGivesTheFeature(t *testing.T) {
	inVM(t)
	testns.RequireSimulator(t)
	ns, there := testns.NewT(t, "feature"), testns.NewT(t, "there")
	require.NoError(t, ns.IP(t.Context(),
		"link add hwlan0 type veth peer name plain0", "link add hwno0 type dummy", "link add other0 type dummy"))
	is := func(ns *testns.Namespace, device string, want testns.Feature) {
		t.Helper()
		f, err := ns.Feature(device, hwTC)
		require.NoError(t, err)
		assert.Equal(t, want, f, device)
	}
	is(ns, "hwlan0", testns.Feature{On: true})
	is(ns, "hwno0", testns.Feature{On: true})
	is(ns, "plain0", testns.Feature{Fixed: true})
	is(ns, "other0", testns.Feature{Fixed: true})

	require.NoError(t, ns.SetFeature("hwlan0", hwTC, false))
	is(ns, "hwlan0", testns.Feature{})
	require.NoError(t, ns.IP(t.Context(), "link set hwlan0 up", "link set hwlan0 down", "link set hwlan0 name hwlan1"))
	is(ns, "hwlan1", testns.Feature{})
	require.NoError(t, ns.SetFeature("hwlan1", hwTC, true))
	is(ns, "hwlan1", testns.Feature{On: true})

	require.NoError(t, ns.IP(t.Context(), "link set other0 name hwother0"))
	is(ns, "hwother0", testns.Feature{On: true})
	require.NoError(t, ns.SetFeature("hwother0", hwTC, false))
	require.NoError(t, ns.IP(t.Context(), "link set hwother0 netns "+there.ToolPath()))
	is(there, "hwother0", testns.Feature{})
}

// TestSimulatorRefusesLater: what is bound stays bound and carries flows, what comes later is refused.
func TestSimulatorRefusesLater(t *testing.T) {
	inVM(t)
	ns := testns.NewT(t, "later")
	require.NoError(t, ns.IP(t.Context(), "link add hwlan0 type dummy", "link add hwwan0 type dummy"))
	bound, unbound, refused := readParam(t, "n_bind"), readParam(t, "n_unbind"), readParam(t, "n_refused")
	require.NoError(t, ns.NFT(t.Context(), oneDevice))
	setParam(t, "refuse", "hwlan,hwwan,hwno")
	require.ErrorContains(t, ns.NFT(t.Context(), nextDevice), "not supported")
	text, err := ns.Ruleset(t.Context())
	require.NoError(t, err)
	assert.Contains(t, text, "hwlan0")
	assert.NotContains(t, text, "hwwan0")
	assert.Equal(t, refused+1, readParam(t, "n_refused"))
	assert.Equal(t, bound+1, readParam(t, "n_bind"))
	assert.Equal(t, unbound, readParam(t, "n_unbind"))

	setParam(t, "refuse", "hwno")
	require.NoError(t, ns.NFT(t.Context(), nextDevice))
	require.NoError(t, ns.NFT(t.Context(), "delete table inet t\n"))
	assert.Equal(t, readParam(t, "n_bind")-bound, readParam(t, "n_unbind")-unbound)
}
