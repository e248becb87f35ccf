package offload_test

import (
	"context"
	"io/fs"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
)

// stacked is a machine with devices on devices: ppp0 over eth0.7 over eth0; eth1 and eth2 under br0, and br0.5 on it; eth3 and eth5 under
// bond0; macvlan0 on eth4; and wg0. Its routes: 10.0.0.0/24 is br0's, .1 is ppp0's, .2 wg0's, .3 bond0's, .4 br0.5's, .5 macvlan0's; 10.0.9.1 is its own.
type stacked struct{ *offloadtest.Kernel }

func (stacked) Devices(_ context.Context, addrs []netip.Addr) (map[netip.Addr]string, error) {
	found := map[netip.Addr]string{}
	for _, addr := range addrs {
		switch net := addr.As4()[2]; {
		case int(net) < len(stackedDevices()):
			found[addr] = stackedDevices()[net]
		case net == 9:
			found[addr] = ""
		}
	}
	return found, nil
}

func stackedDevices() []string { return []string{"br0", "ppp0", "wg0", "bond0", "br0.5", "macvlan0"} }

func onStack(t *testing.T) (*offload.Manager, *offloadtest.Kernel) {
	t.Helper()
	target := offloadtest.Linux612()
	target.Links = []flowtable.Link{
		{Index: 1, Name: "eth0"}, {Index: 2, Name: "eth0.7", Kind: "vlan", Parent: 1, VLAN: flowtable.VLAN{ID: 7}},
		{Index: 3, Name: "ppp0", Kind: "ppp", PPPoE: flowtable.PPPoE{Device: "eth0.7", Session: 1}},
		{Index: 4, Name: "eth1", Kind: "veth", Parent: 1, Master: 6}, {Index: 5, Name: "eth2", Master: 6}, {Index: 6, Name: "br0", Kind: "bridge"},
		{Index: 7, Name: "br0.5", Kind: "vlan", Parent: 6, VLAN: flowtable.VLAN{ID: 5}}, {Index: 8, Name: "wg0", Kind: "wireguard"},
		{Index: 9, Name: "eth3", Master: 10}, {Index: 10, Name: "bond0", Kind: "bond"},
		{Index: 11, Name: "eth4"}, {Index: 12, Name: "macvlan0", Kind: "macvlan", Parent: 11}, {Index: 13, Name: "eth5", Master: 10},
	}
	kernel := offloadtest.New(t, target)
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: stacked{kernel}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	for port, between := range [][2]string{
		{"10.0.0.2", "10.0.1.2"}, {"10.0.0.2", "10.0.2.2"}, {"10.0.2.2", "10.0.7.2"}, {"10.0.2.2", "10.0.9.1"}, {"10.0.3.2", "10.0.4.2"}, {"10.0.5.2", "10.0.1.2"},
	} {
		kernel.AddFlow(conntrack.Entry{Orig: conntrack.Tuple{
			Src: netip.AddrPortFrom(netip.MustParseAddr(between[0]), 4000), Dst: netip.AddrPortFrom(netip.MustParseAddr(between[1]), uint16(port)), Proto: conntrack.UDP,
		}})
	}
	return m, kernel
}

// Who goes by a device, and of whom that is open. Flows: 0 br0 ppp0, 1 br0 wg0, 2 wg0 and unknown, 3 wg0 and the machine itself, 4 bond0 br0.5, 5 macvlan0 ppp0.
func TestEvictByDevice(t *testing.T) {
	for device, want := range map[string]struct {
		gone   []uint16
		untold uint64
	}{
		"ppp0":     {[]uint16{0, 5}, 1},
		"eth0.7":   {[]uint16{0, 5}, 1},
		"eth0":     {[]uint16{0, 5}, 1},
		"wg0":      {[]uint16{1, 2, 3}, 0},
		"br0":      {[]uint16{0, 1, 4}, 1},
		"br0.5":    {[]uint16{4}, 1},
		"eth1":     {nil, 4}, // by one of the ports, or by the other
		"bond0":    {[]uint16{4}, 1},
		"eth3":     {nil, 2},
		"macvlan0": {[]uint16{5}, 1},
		"eth4":     {[]uint16{5}, 1},
	} {
		t.Run(device, func(t *testing.T) {
			m, kernel := onStack(t)
			for _, dry := range []bool{true, false} {
				done, err := m.Evict(t.Context(), offload.Eviction{Device: device, DryRun: dry})
				require.NoError(t, err)
				var gone []uint16
				for _, v := range done.Victims {
					gone = append(gone, v.Entry.Orig.Dst.Port())
				}
				assert.ElementsMatch(t, want.gone, gone)
				assert.Equal(t, want.untold, done.Untold)
				left := 6
				if !dry {
					left -= len(gone)
				}
				assert.Len(t, ports(t, kernel), left)
			}
		})
	}
}

// A device narrows what a Match says; without one it is the Match alone, and what may break is told.
func TestEvictByMatchAndDevice(t *testing.T) {
	m, kernel := onStack(t)
	match := conntrack.Match{Tuple: conntrack.Tuple{Src: netip.MustParseAddrPort("10.0.0.2:4000")}}
	done, err := m.Evict(t.Context(), offload.Eviction{Match: match, Device: "wg0"})
	require.NoError(t, err)
	require.Len(t, done.Victims, 1)
	assert.Equal(t, []uint16{0, 2, 3, 4, 5}, ports(t, kernel))
	done, err = m.Evict(t.Context(), offload.Eviction{Match: match})
	require.NoError(t, err)
	require.Len(t, done.Victims, 1)
	assert.Equal(t, []uint16{2, 3, 4, 5}, ports(t, kernel))

	kernel.AddFlow(conntrack.Entry{
		Orig:  conntrack.Tuple{Src: netip.MustParseAddrPort("10.0.1.9:1"), Dst: netip.MustParseAddrPort("10.0.2.9:80"), Proto: conntrack.TCP},
		Reply: conntrack.Tuple{Src: netip.MustParseAddrPort("10.0.2.9:80"), Dst: netip.MustParseAddrPort("10.0.9.1:1"), Proto: conntrack.TCP},
	})
	done, err = m.Evict(t.Context(), offload.Eviction{Device: "eth0", DryRun: true, Match: conntrack.Match{Proto: conntrack.TCP}})
	require.NoError(t, err)
	require.Len(t, done.Victims, 1)
	assert.Contains(t, done.Victims[0].Risk, "translated")

	_, err = m.Evict(t.Context(), offload.Eviction{Device: "nosuch0"})
	require.ErrorIs(t, err, offload.ErrNoDevice)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "nosuch0")
	_, err = m.Evict(t.Context(), offload.Eviction{Device: "wg0", Match: conntrack.Match{Family: 3}})
	require.ErrorContains(t, err, "family 3")
}

// A Kernel that knows no routes tells of no connection by which devices it goes.
func TestEvictByDeviceWithoutRoutes(t *testing.T) {
	m, kernel := onFake(t, offloadtest.Linux612("eth0"), nil)
	for port := range uint16(5000) { // more than are looked up at once
		flow(kernel, port, conntrack.Offload)
	}
	done, err := m.Evict(t.Context(), offload.Eviction{Device: "eth0"})
	require.NoError(t, err)
	assert.Empty(t, done.Victims)
	assert.EqualValues(t, 5000, done.Untold)
	assert.Len(t, ports(t, kernel), 5000)
}
