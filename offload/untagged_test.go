package offload_test

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
)

// onKernel is a Manager on a kernel, with the firewall in force and three connections: two in the fast path, to ports 22 and 443,
// and one in the slow one, to port 80. Then there is news of a route.
func onKernel(t *testing.T, target *flowtable.Target) (*offload.Manager, *offloadtest.Kernel) {
	t.Helper()
	kernel := offloadtest.New(t, target)
	m := openWith(t, kernel, kernel.Conntrack())
	applySpec(t, m, firewall())
	flow(kernel, 22, conntrack.Offload)
	flow(kernel, 443, conntrack.Offload)
	flow(kernel, 80, 0)
	kernel.SetDefaultRoutes("wan0")
	return m, kernel
}

// A drop finds the flow that it is about although the kernel took its tag, and leaves alone what is in the slow path for certain.
func TestApplyEvictsWithoutTag(t *testing.T) {
	m, kernel := onKernel(t, offloadtest.Linux73("lan0", "wan0"))
	for e, err := range kernel.Conntrack().Dump(t.Context(), conntrack.Match{}) {
		require.NoError(t, err)
		assert.Zero(t, e.Status&conntrack.Offload, "the tag is lost: %v", e)
	}
	applySpec(t, m, firewall(dropPort(22), dropPort(80)))
	assert.Equal(t, []uint16{80, 443}, ports(t, kernel))
	_, err := m.AddElements(t.Context(), offload.LiveSet{Table: "fw", Set: "slow"}, "203.0.113.0/24")
	require.NoError(t, err)
	assert.Equal(t, []uint16{80}, ports(t, kernel))
}

// A busy connection of the machine itself looks as if it may be in a flowtable: rules of the forward hook are not about it.
func TestApplyLeavesTheMachinesOwn(t *testing.T) {
	m, kernel := onKernel(t, offloadtest.Linux73("lan0", "wan0"))
	kernel.SetRoutes(offloadtest.Route{To: netip.MustParsePrefix("203.0.113.2/32")}, offloadtest.Route{To: netip.MustParsePrefix("192.168.1.0/24"), Device: "lan0"})
	applySpec(t, m, firewall(dropPort(22)))
	assert.Equal(t, []uint16{22, 80, 443}, ports(t, kernel))
	kernel.SetRoutes(offloadtest.Route{To: netip.MustParsePrefix("192.168.1.0/24"), Device: "lan0"})
	applySpec(t, m, firewall(dropPort(443)))
	assert.Equal(t, []uint16{22, 80}, ports(t, kernel), "not so one that is forwarded")
}

// What stays without a tag is told as what goes with one would be.
func TestApplyTellsWhoStaysWithoutTag(t *testing.T) {
	kernel := offloadtest.New(t, offloadtest.Linux73("lan0", "wan0"))
	m := openWith(t, kernel, unfound(kernel))
	applySpec(t, m, firewall())
	flow(kernel, 22, conntrack.Offload)
	kernel.SetDefaultRoutes("wan0")
	_, err := m.Reconcile(t.Context(), firewall(dropPort(22)))
	require.ErrorIs(t, err, offload.ErrNotEvicted)
	require.ErrorContains(t, err, "dport=22")
}

// A report counts what it cannot know apart, and says why.
func TestReportUnknown(t *testing.T) {
	m, _ := onKernel(t, offloadtest.Linux73("lan0", "wan0"))
	w, err := m.Watch(t.Context(), nil)
	require.NoError(t, err)
	r, err := m.Report(t.Context(), w)
	require.NoError(t, err)
	assert.EqualValues(t, 2, r.Unknown)
	paths := map[conntrack.Path]uint64{}
	for _, row := range r.Rows {
		paths[row.Path] += row.Flows
	}
	assert.Equal(t, map[conntrack.Path]uint64{conntrack.Slow: 1, conntrack.Unknown: 2}, paths)
	assert.Contains(t, r.String(), "Of 2 connections the path is unknown: this kernel can take [OFFLOAD] from a flow that stays in its flowtable.\n")
	text, err := json.Marshal(r)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"path":"unknown"`)
	var back offload.Report
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, r, &back)
}

// Other kernels keep their tags, and nothing is unknown there.
func TestKernelsThatKeepTags(t *testing.T) {
	m, kernel := onKernel(t, offloadtest.Linux72("lan0", "wan0"))
	w, err := m.Watch(t.Context(), &conntrack.Config{LosesTags: true})
	require.NoError(t, err)
	r, err := m.Report(t.Context(), w)
	require.NoError(t, err)
	assert.Zero(t, r.Unknown)
	assert.NotContains(t, r.String(), "unknown")
	applySpec(t, m, firewall(dropPort(22)))
	assert.Equal(t, []uint16{80, 443}, ports(t, kernel))
}

// A flow that is stale is found and evicted although the kernel took its tag.
func TestStaleWithoutTag(t *testing.T) {
	target := offloadtest.Linux73("lan0", "wan0", "br0")
	target.Links[2].Kind = "bridge"
	kernel := offloadtest.New(t, target)
	m := openWith(t, kernel, kernel.Conntrack())
	client, lan := netip.MustParseAddr("192.168.1.2"), netip.MustParsePrefix("192.168.1.0/24")
	kernel.SetRoutes(offloadtest.Route{To: lan, Device: "br0"})
	kernel.SetNeighbour("br0", client, "02:00:00:00:00:01")
	gone := flow(kernel, 443, conntrack.Offload)
	flow(kernel, 80, 0)
	found, err := m.Stale(t.Context())
	require.NoError(t, err)
	require.Empty(t, found, "the first look learns")

	kernel.SetDefaultRoutes("wan0")
	kernel.SetNeighbour("br0", client, "02:00:00:00:00:02")
	found, err = m.EvictStale(t.Context())
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, gone.Key(), found[0].Entry.Key())
	assert.Equal(t, conntrack.Unknown, found[0].Entry.Path())
	assert.Equal(t, []uint16{80}, ports(t, kernel))
}

// A packet of the classic path that waits for its neighbour holds its connection as a flow would. The kernel is asking for that neighbour:
// nothing is stale.
func TestWaitingForANeighbourIsNotStale(t *testing.T) {
	target := offloadtest.Linux73("lan0", "wan0")
	for i := range target.Links {
		target.Links[i].Address = "02:00:00:00:01:01"
	}
	kernel := offloadtest.New(t, target)
	m := openWith(t, kernel, kernel.Conntrack())
	applySpec(t, m, firewall())
	kernel.SetRoutes(offloadtest.Route{To: netip.MustParsePrefix("192.168.1.0/24"), Device: "lan0"})
	src, dst := netip.MustParseAddrPort("203.0.113.7:5000"), netip.MustParseAddrPort("192.168.1.2:53")
	e := conntrack.Entry{Orig: conntrack.Tuple{Src: src, Dst: dst, Proto: conntrack.UDP}, Reply: conntrack.Tuple{Src: dst, Dst: src, Proto: conntrack.UDP},
		Status: conntrack.Confirmed, Use: 2}
	kernel.AddFlow(e)
	stale, err := m.Stale(t.Context())
	require.NoError(t, err)
	assert.Empty(t, stale)

	e.Status |= conntrack.Offload
	kernel.AddFlow(e)
	stale, err = m.Stale(t.Context())
	require.NoError(t, err)
	require.Len(t, stale, 1, "in the fast path nobody asks")
	assert.Contains(t, stale[0].Why, "is not known")
}
