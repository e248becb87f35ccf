package offload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A topology is what stands on the two links of a router, how a user names it, and what the default resolution makes of that.
type topology struct {
	lan, wan testns.Stack
	devices  []flowtable.Selector
	bound    map[string][]string // trace by device
}

// What a trace says of the device at its end.
const (
	veth = "a veth, by which packets come in"
	bond = "a bond, which kernels do not look through: packets of its slaves come in by it"
)

var topologies = map[string]topology{
	"bridge and PPPoE over VLAN": {testns.Bridge, testns.PPPoEVLAN, []flowtable.Selector{{PortsOf: "br-lan"}, {Name: "ppp0"}}, map[string][]string{
		"lan0":  {"ports of br-lan -> lan0: " + veth},
		"lan0b": {"ports of br-lan -> lan0b: " + veth},
		"wan0":  {"ppp0 -> wan0.7 -> wan0: PPPoE session 1 over VLAN 7, " + veth},
	}},
	"bridge that filters, pvid untagged, and PPPoE": {testns.BridgePVID, testns.PPPoE, []flowtable.Selector{{Name: "br-lan"}, {PPPOver: "wan0"}}, map[string][]string{
		"lan0":  {"br-lan -> lan0: port of the bridge, " + veth},
		"lan0b": {"br-lan -> lan0b: port of the bridge, " + veth},
		"wan0":  {"PPP over wan0 -> ppp0 -> wan0: PPPoE session 1, " + veth},
	}},
	"VLAN over such a bridge, port untagged, and VLAN": {testns.BridgeUntagged, testns.VLAN, []flowtable.Selector{{Name: "br-lan.10"}, {VLANsOn: "wan0"}}, map[string][]string{
		"lan0":  {"br-lan.10 -> br-lan -> lan0: VLAN 10, port of the bridge, " + veth},
		"lan0b": {"br-lan.10 -> br-lan -> lan0b: VLAN 10, port of the bridge, " + veth},
		"wan0":  {"VLANs on wan0 -> wan0.10 -> wan0: VLAN 10, " + veth},
	}},
	"VLAN over such a bridge, port tagged, and QinQ": {testns.BridgeTagged, testns.QinQ, []flowtable.Selector{{VLANsOn: "br-lan"}, {Name: "wan0.20.10"}}, map[string][]string{
		"lan0":  {"VLANs on br-lan -> br-lan.10 -> br-lan -> lan0: VLAN 10, port of the bridge, " + veth},
		"lan0b": {"VLANs on br-lan -> br-lan.10 -> br-lan -> lan0b: VLAN 10, port of the bridge, " + veth},
		"wan0":  {"wan0.20.10 -> wan0.20 -> wan0: VLAN 10 over VLAN 20 (802.1ad), " + veth},
	}},
	"bridge with a port of VLAN, and WireGuard": {testns.BridgeVLANPort, testns.WireGuard, []flowtable.Selector{{PortsOf: "br-lan"}, {Name: "wg-wan"}}, map[string][]string{
		"lan0":   {"ports of br-lan -> lan0.10 -> lan0: VLAN 10, " + veth},
		"lan0b":  {"ports of br-lan -> lan0b: " + veth},
		"wg-wan": {"wg-wan: a tunnel (wireguard), by which packets come in when they are unpacked"},
	}},
	"bridge with a bond as port, and VLAN over a bond": {testns.BridgeBond, testns.BondVLAN, []flowtable.Selector{{Name: "br-lan"}, {Name: "bond-wan.10"}}, map[string][]string{
		"bond-lan": {"br-lan -> bond-lan: port of the bridge, " + bond},
		"bond-wan": {"bond-wan.10 -> bond-wan: VLAN 10, " + bond},
	}},
	"bond and macvlan": {testns.Bond, testns.Macvlan, []flowtable.Selector{{Name: "bond-lan"}, {Name: "mac-wan"}}, map[string][]string{
		"bond-lan": {"bond-lan: " + bond},
		"mac-wan":  {"mac-wan: a macvlan, by which packets come in"},
	}},
}

// TestTopologies names logical devices, and has the default resolution choose those that packets come in by: TCP and UDP, one over
// IPv4 and one over IPv6, take the fast path both ways, each binding says why its device was chosen, and no flow is half offloaded.
func TestTopologies(t *testing.T) {
	for name, top := range topologies {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, &testns.RouterConfig{LANStack: top.lan, WANStack: top.wan})
			spec := l.listing(top.devices...)
			plan, err := l.manager.Plan(t.Context(), &spec)
			require.NoError(t, err)
			bound := map[string][]string{}
			for _, b := range plan.Bindings() {
				assert.Equal(t, flowtable.Bound, b.State, "%+v", b)
				bound[b.Device] = b.Trace
			}
			assert.Equal(t, top.bound, bound)
			target, err := l.manager.Target(t.Context())
			require.NoError(t, err)
			for _, link := range target.Links {
				filters := top.lan == testns.BridgePVID || top.lan == testns.BridgeUntagged || top.lan == testns.BridgeTagged
				assert.Equal(t, link.Kind == "bridge" && filters, link.VLANFiltering, link.Name)
			}
			_, err = l.manager.Apply(t.Context(), plan)
			require.NoError(t, err)
			eachPair(t, func(t *testing.T, network string, fam testns.Family) { l.dialFast(t, network, fam) })
			report, err := l.manager.Report(t.Context(), l.watcher)
			require.NoError(t, err)
			assert.Empty(t, report.Half)
			assert.Zero(t, report.Untold)
		})
	}
}

// TestTopologyHalf lists a layer in between on one side. Up to 7.1 flows are tagged and carried in one direction, which the report
// says; 7.2 does not offload them. What the report tells to list mends it.
func TestTopologyHalf(t *testing.T) {
	l := newLab(t, &testns.RouterConfig{LANStack: testns.Bridge, WANStack: testns.PPPoEVLAN})
	half := l.listing(flowtable.Selector{Name: "br-lan"}, flowtable.Selector{Name: "wan0.7"})
	half.Tables[0].Flowtables[0].Layers = flowtable.LayersLogical
	l.apply(t, half)
	eachPair(t, func(t *testing.T, network string, fam testns.Family) {
		f := l.DialT(t, network, fam)
		talk(t, f, trips, 100)
		require.NoError(t, l.Watch(t.Context(), f.Tuple()))
		seen := l.forwarded(t, f, func() { talk(t, f, trips, 100) })
		report, err := l.manager.Report(t.Context(), l.watcher)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, seen.Reply.Packets, uint64(trips), "answers take the slow path")
		if l.kernel.AtLeast(7, 2) {
			assert.Equal(t, conntrack.Slow, l.path(t, f))
			assert.Empty(t, report.Half)
			return
		}
		assert.Equal(t, conntrack.Software, l.path(t, f))
		require.Len(t, report.Half, 1)
		assert.Positive(t, report.Half[0].Flows)
		assert.Equal(t, offload.Half{Device: "ppp0", Lower: []string{"wan0"}, Flows: report.Half[0].Flows}, report.Half[0])
		assert.Contains(t, report.String(), "the packets from ppp0 take the slow path: no flowtable lists it or wan0 under it")
	})
	l.apply(t, l.listing(flowtable.Selector{Name: "br-lan"}, flowtable.Selector{Name: "ppp0"}))
	_, err := l.watcher.Evict(t.Context(), conntrack.Match{Status: conntrack.Offload}, false)
	require.NoError(t, err)
	eachPair(t, func(t *testing.T, network string, fam testns.Family) { l.dialFast(t, network, fam) })
	report, err := l.manager.Report(t.Context(), l.watcher)
	require.NoError(t, err)
	assert.Empty(t, report.Half)
}

// listing declares a flowtable with the default layers.
func (l *lab) listing(devices ...flowtable.Selector) ruleset.Spec {
	f := l.fast()
	f.Devices = devices
	return accelerate(ruleset.Inet, f)
}
