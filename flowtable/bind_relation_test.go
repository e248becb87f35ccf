package flowtable

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func bindAll(t *testing.T, target *Target, devices ...Selector) []Binding {
	t.Helper()
	bindings := Spec{Name: "f", Devices: devices}.Bind(target)
	requireFit(t, target, bindings)
	return bindings
}

// A relation that picks nothing is no error: it says what is waited for.
func TestRelationsThatPickNothing(t *testing.T) {
	target := &Target{Kernel: KernelOf("7.2"), DefaultRoutes: []int{99}, Links: []Link{
		{Index: 1, Name: "br0", Kind: "bridge"}, {Index: 2, Name: "bond0", Kind: "bond"}, {Index: 3, Name: "eth0"}, {Index: 4, Name: "lan0", Master: 5}, {Index: 5, Name: "br1", Kind: "bridge"},
	}}
	for _, c := range []struct {
		selector     Selector
		device, want string
	}{
		{Selector{PortsOf: "br9"}, "ports of br9", "br9 is not there"},
		{Selector{PortsOf: "br0"}, "ports of br0", "br0 has no port; plan again when one joins"},
		{Selector{PortsOf: "bond0"}, "ports of bond0", "bond0 is a bond and no bridge"},
		{Selector{SlavesOf: "br0"}, "slaves of br0", "br0 is a bridge and no bond or team"},
		{Selector{SlavesOf: "bond0"}, "slaves of bond0", "bond0 has no slave"},
		{Selector{VLANsOn: "eth0"}, "VLANs on eth0", "there is no VLAN device on eth0"},
		{Selector{PPPOver: "eth0"}, "PPP over eth0", "there is no PPPoE session on eth0"},
		{Selector{Group: 9}, "group 9", "no device is in link group 9"},
		{Selector{DefaultRoute: true}, "default route", "no default route leads to a device"},
		{Selector{PortsOf: "br1", Except: []string{"lan*"}}, "ports of br1 except lan*", "all that it picks today is excepted"},
		{Selector{Prefix: "tun", Except: []string{"tun0"}}, "tun* except tun0", `no device begins with "tun"`},
		{Selector{Name: "br0"}, "br0", "the bridge has no ports"},
		{Selector{Name: "br1", Except: []string{"lan0"}}, "br1", "nothing is left"},
	} {
		bindings := bindAll(t, target, c.selector)
		require.Len(t, bindings, 1, "%v", c.selector)
		assert.Equal(t, c.device, bindings[0].Device)
		assert.Equal(t, Missing, bindings[0].State)
		assert.Contains(t, bindings[0].Why, c.want)
	}
}

func TestZeroTargetKnowsNoRelations(t *testing.T) {
	bindings := Spec{Name: "f", Devices: []Selector{{Name: "a"}, {Prefix: "b"}, {Prefix: "c", Except: []string{"c0"}}, {PortsOf: "br0"}}}.Bind(nil)
	assert.Equal(t, []string{"a bound", "b* bound", "c* except c0 missing", "ports of br0 missing"}, answers(bindings))
	assert.Contains(t, bindings[3].Why, "give a Target")
}

// Parents and masters that lead in circles, are missing or their own, stop the walk and nothing else.
func TestCircles(t *testing.T) {
	target := &Target{Kernel: KernelOf("6.12"), Links: []Link{
		{Index: 1, Name: "v1", Kind: "vlan", Parent: 2}, {Index: 2, Name: "v2", Kind: "vlan", Parent: 1},
		{Index: 3, Name: "self", Kind: "vlan", Parent: 3},
		{Index: 4, Name: "b1", Kind: "bridge", Master: 5}, {Index: 5, Name: "b2", Kind: "bridge", Master: 4},
		{Index: 6, Name: "p0", Kind: "ppp", PPPoE: PPPoE{Device: "p0"}}, {Index: 7, Name: "far", Kind: "vlan", Parent: 4711}, {Index: 8, Name: "eth0"},
	}}
	bindings := bindAll(t, target, Selector{Name: "v1"}, Selector{Name: "self"}, Selector{Name: "b1"}, Selector{Name: "p0"}, Selector{Name: "far"}, Selector{Name: "eth0"})
	assert.Equal(t, []string{"b1 missing", "eth0 bound", "far bound", "p0 unsupported", "self unsupported", "v1 unsupported"}, answers(bindings))
	assert.Contains(t, bindings[2].Why, "of another namespace")
}

// Kernels take a device once in a table.
func TestBindTable(t *testing.T) {
	target := &Target{Kernel: KernelOf("7.2"), Links: []Link{
		{Index: 1, Name: "eth0"}, {Index: 2, Name: "eth0.7", Kind: "vlan", Parent: 1, VLAN: VLAN{ID: 7}}, {Index: 3, Name: "lan1", Master: 4}, {Index: 4, Name: "br0", Kind: "bridge"}, {Index: 5, Name: "lan2"},
	}}
	all := BindTable([]Spec{
		{Name: "a", Devices: []Selector{{Name: "eth0.7"}, {PortsOf: "br0"}}},
		{Name: "b", Devices: []Selector{{Name: "eth0"}, {Prefix: "lan"}}},
		{Name: "c", Devices: []Selector{{Name: "lan9"}, {Name: "lan2"}}},
	}, target)
	assert.Equal(t, []string{"eth0 bound", "lan1 bound"}, answers(all[0]))
	assert.Equal(t, []string{"eth0 unsupported", "lan1 unsupported", "lan2 bound"}, answers(all[1]))
	assert.Contains(t, all[1][0].Why, `flowtable "a" of this table lists it already`)
	assert.Contains(t, all[1][2].Why, `which is left out itself: flowtable "a" has some of them`)
	assert.Equal(t, []string{"lan2 unsupported", "lan9 pending"}, answers(all[2]))
}

func TestLowerAndAbove(t *testing.T) {
	f := topologyFixtures(t)
	router, vlans := f["pppoe-over-vlan"].Target, f["bridge-vlan-filtering"].Target
	assert.Equal(t, []string{"net0"}, router.Lower("ppp-net"))
	assert.Equal(t, []string{"sw1", "sw2", "sw3", "sw4"}, router.Lower("br-home"))
	assert.Equal(t, []string{"lan1", "lan2"}, vlans.Lower("br0.10"))
	assert.Equal(t, []string{"lo"}, router.Lower("lo"))
	assert.Empty(t, router.Lower("eth9"))
	assert.Empty(t, (*Target)(nil).Lower("eth9"))

	assert.Equal(t, []string{"net0", "net0.35", "ppp-net"}, router.Above("net0", "sw1", "nobody"))
	assert.Equal(t, []string{"br-home", "net0", "net0.35", "ppp-net"}, router.Above("net0", "sw1", "sw2", "sw3", "sw4"))
	assert.Equal(t, []string{"br0", "br0.10", "br0.20"}, vlans.Above("lan1", "lan2"))
	assert.Empty(t, vlans.Above("lan1"))
	qinq := f["qinq"].Target
	assert.Equal(t, []string{"eth1", "eth1.100", "eth1.100.7"}, qinq.Above("eth1"), "deep bears three headers")
	assert.Equal(t, []string{"bond0", "bond0.5"}, new(topologyFixture).Target.with(f["bond"].Target.Links).Above("bond0", "eth0"))
}

func (t Target) with(links []Link) *Target {
	t.Links = links
	return &t
}

func TestHardwareOfBindings(t *testing.T) {
	target := &Target{Kernel: KernelOf("7.2"), Links: []Link{{Name: "a"}, {Name: "b"}, {Name: "c0"}, {Name: "d0"}},
		Hardware: []Answer{{Device: "a", Result: Accepted}, {Device: "b", Result: FixedOff}, {Device: "c0", Result: Accepted}}}
	s := Spec{Name: "f", Devices: []Selector{{Name: "a"}, {Name: "b"}, {Prefix: "c"}, {Prefix: "d"}, {Name: "e"}}, Hardware: HardwareAuto}
	bindings := s.Bind(target)
	assert.Equal(t, []string{"a bound", "b bound", "c0 bound", "d0 bound", "e missing"}, answers(bindings))
	var hard []string
	for _, b := range bindings {
		if b.Hardware {
			hard = append(hard, b.Device)
		}
	}
	assert.Equal(t, []string{"a", "c0"}, hard)
	assert.True(t, strings.HasSuffix(bindings[0].Why, "; its driver accepts"))
	assert.True(t, strings.HasSuffix(bindings[1].Why, "; in software: feature fixed off"))
	assert.Contains(t, bindings[2].Why, "keeps devices from being made")
	assert.True(t, strings.HasSuffix(bindings[3].Why, "; in software, its driver was not asked"))
	s.Hardware = HardwareOn
	for _, b := range s.Bind(target) {
		assert.Equal(t, b.State.Listed(), b.Hardware, b.Device)
	}
	target.Hardware, s.Hardware = nil, HardwareAuto
	assert.Equal(t, []string{"a bound", "b bound", "c* bound", "d* bound", "e pending"}, answers(s.Bind(target)), "no driver accepts: it is software")
}

func TestTargetValidateRefuses(t *testing.T) {
	for path, target := range map[string]Target{
		"links[0].conduit":       {Links: []Link{{Name: "a", Conduit: -1}}},
		"links[0].mtu":           {Links: []Link{{Name: "a", MTU: -1}}},
		"links[0].vlan.id":       {Links: []Link{{Name: "a", VLAN: VLAN{ID: 4096}}}},
		"links[0].vlan.protocol": {Links: []Link{{Name: "a", VLAN: VLAN{Protocol: "QinQ"}}}},
		"links[0].pppoe.device":  {Links: []Link{{Name: "a", PPPoE: PPPoE{Device: "b c"}}}},
		"links[0].tcOffload":     {Links: []Link{{Name: "a", TCOffload: "yes"}}},
		"defaultRoutes[1]":       {DefaultRoutes: []int{1, -2}},
		"hardware[0].result":     {Hardware: []Answer{{Device: "a", Result: "fine"}}},
		"hardware[0].device":     {Hardware: []Answer{{Result: Busy}}},
		"hardware[1].device":     {Hardware: []Answer{{Device: "a", Result: Busy}, {Device: "a", Result: Busy}}},
	} {
		var mistake *FieldError
		require.ErrorAs(t, target.Validate(), &mistake, path)
		assert.Equal(t, path, mistake.Path)
	}
}
