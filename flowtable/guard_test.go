package flowtable

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// guardReleases are kernels before, with and after the quirks that Bind acts on.
var guardReleases = []string{"6.12.117", "6.18.15", "6.19.14", "7.0.13", "7.1.13", "7.2.13", "7.3.4"}

// The golden files show, release by release, what is listed of machines that some kernels do not survive, with the guard and without.
func TestGuardTopologies(t *testing.T) {
	fixtures := topologyFixtures(t)
	for _, name := range []string{"pppoe", "pppoe-over-vlan", "qinq", "tunnel-underlay", "tunnels", "prefixes"} {
		t.Run(name, func(t *testing.T) {
			f := fixtures[name]
			var told []string
			releases := map[string][]string{}
			for _, release := range guardReleases {
				for _, noGuard := range []bool{false, true} {
					target := f.Target
					target.Kernel = KernelOf(release)
					bindings := Spec{Name: "fast", Devices: f.Devices, NoGuard: noGuard}.Bind(&target)
					requireFit(t, &target, bindings)
					var b strings.Builder
					writeBindings(&b, bindings)
					text := strings.ReplaceAll(b.String(), release, "RELEASE")
					if len(releases[text]) == 0 {
						told = append(told, text)
					}
					title := release
					if noGuard {
						title += " noGuard"
					}
					releases[text] = append(releases[text], title)
				}
			}
			var b strings.Builder
			for _, text := range told {
				fmt.Fprintf(&b, "Linux %s\n%s\n", strings.Join(releases[text], ", "), text)
			}
			golden(t, "guard/"+name+".golden", b.String())
		})
	}
}

// machineOf is lan0, and what else is given.
func machineOf(release string, links ...Link) *Target {
	return &Target{Kernel: KernelOf(release), Links: append([]Link{{Index: 2, Name: "lan0"}, {Index: 3, Name: "wan0"}}, links...)}
}

var (
	guardPPPoE  = Link{Index: 5, Name: "ppp0", Kind: "ppp", PPPoE: PPPoE{Device: "wan0", Session: 1}}
	guardOuter  = Link{Index: 6, Name: "wan0.20", Kind: "vlan", Parent: 3, VLAN: VLAN{ID: 20, Protocol: "802.1ad"}}
	guardInner  = Link{Index: 7, Name: "wan0.20.10", Kind: "vlan", Parent: 6, VLAN: VLAN{ID: 10}}
	guardThird  = Link{Index: 8, Name: "ppp1", Kind: "ppp", PPPoE: PPPoE{Device: "wan0.20.10", Session: 2}}
	guardIPIP   = Link{Index: 9, Name: "tun9", Kind: "ipip", Underlay: 3}
	guardLost   = Link{Index: 10, Name: "tun8", Kind: "ipip"}
	guardIP6    = Link{Index: 11, Name: "tun6", Kind: "ip6tnl"}
	guardL2TP   = Link{Index: 12, Name: "ppp2", Kind: "ppp"}
	guardFar    = Link{Index: 14, Name: "far.7", Kind: "vlan", VLAN: VLAN{ID: 7}}
	guardPort   = Link{Index: 15, Name: "wan0.30", Kind: "vlan", Parent: 3, VLAN: VLAN{ID: 30}, Master: 13}
	guardFilter = Link{Index: 16, Name: "br1", Kind: "bridge", VLANFiltering: true}
	guardTagged = Link{Index: 17, Name: "wan0.31", Kind: "vlan", Parent: 3, VLAN: VLAN{ID: 31}, Master: 16}
	guardBridge = Link{Index: 13, Name: "br0", Kind: "bridge"}
)

// TestGuard says on which kernels which machines have flowtables without devices, and by which quirk.
func TestGuard(t *testing.T) {
	lan := []Selector{{Name: "lan0"}}
	both := []Selector{{Name: "lan0"}, {Name: "wan0"}}
	for name, c := range map[string]struct {
		devices []Selector
		layers  Layers
		links   []Link
		by      map[string]string // quirk by release; none where all is listed
	}{
		"plain":                     {devices: both},
		"one VLAN":                  {devices: both, links: []Link{guardOuter}},
		"PPPoE picked":              {devices: []Selector{{Name: "lan0"}, {Name: "ppp0"}}, links: []Link{guardPPPoE}, by: map[string]string{"6.19": quirkPanics, "7.0": quirkPanics}},
		"PPPoE over a listed one":   {devices: both, links: []Link{guardPPPoE}, by: map[string]string{"6.19": quirkPanics, "7.0": quirkPanics}},
		"PPPoE elsewhere":           {devices: lan, links: []Link{guardPPPoE}, by: map[string]string{"6.19": quirkPanics, "7.0": quirkPanics}},
		"PPPoE, logical":            {devices: []Selector{{Name: "ppp0"}}, layers: LayersLogical, links: []Link{guardPPPoE}, by: map[string]string{"6.19": quirkPanics, "7.0": quirkPanics, "7.1": quirkNoEthernet}},
		"PPPoE, all":                {devices: []Selector{{Name: "ppp0"}}, layers: LayersAll, links: []Link{guardPPPoE}, by: map[string]string{"6.19": quirkPanics, "7.0": quirkPanics}},
		"VLAN, lower":               {devices: []Selector{{Name: "lan0"}, {Name: "wan0.20"}}, links: []Link{guardOuter}},
		"VLAN, all":                 {devices: []Selector{{Name: "lan0"}, {Name: "wan0.20"}}, layers: LayersAll, links: []Link{guardOuter}},
		"VLAN, logical":             {devices: []Selector{{Name: "lan0"}, {Name: "wan0.20"}}, layers: LayersLogical, links: []Link{guardOuter}, by: map[string]string{"6.19": quirkNoHeader, "7.0": quirkNoHeader, "7.1": quirkNoHeader}},
		"VLAN of another namespace": {devices: []Selector{{Name: "far.7"}}, links: []Link{guardFar}, by: map[string]string{"6.19": quirkNoHeader, "7.0": quirkNoHeader, "7.1": quirkNoHeader}},
		"VLAN as a bridge's port":   {devices: []Selector{{Name: "br0"}}, links: []Link{guardBridge, guardPort}},
		"such a bridge filters":     {devices: []Selector{{Name: "br1"}}, links: []Link{guardFilter, guardTagged}, by: map[string]string{"6.19": quirkPanics, "7.0": quirkPanics}},
		"QinQ":                      {devices: both, links: []Link{guardOuter, guardInner}, by: map[string]string{"6.19": quirkPanics, "7.0": quirkPanics}},
		"PPPoE over QinQ":           {devices: lan, links: []Link{guardOuter, guardInner, guardThird}, by: map[string]string{"6.19": quirkPanics, "7.0": quirkPanics, "7.1": quirkTooDeep}},
		"ipip":                      {devices: []Selector{{Name: "lan0"}, {Name: "tun9"}}, links: []Link{guardIPIP}},
		"ipip alone":                {devices: []Selector{{Name: "lan0"}, {Name: "tun9"}}, layers: LayersLogical, links: []Link{guardIPIP}, by: map[string]string{"6.19": quirkNoEthernet, "7.0": quirkNoEthernet, "7.1": quirkNoEthernet}},
		"ipip over nobody knows":    {devices: []Selector{{Name: "lan0"}, {Name: "tun8"}}, links: []Link{guardLost}, by: map[string]string{"6.19": quirkNoEthernet, "7.0": quirkNoEthernet, "7.1": quirkNoEthernet}},
		"ip6tnl over nobody knows":  {devices: []Selector{{Name: "lan0"}, {Name: "tun6"}}, links: []Link{guardIP6}, by: map[string]string{"7.0": quirkNoEthernet, "7.1": quirkNoEthernet}},
		"ppp without PPPoE":         {devices: []Selector{{Name: "lan0"}, {Name: "ppp2"}}, links: []Link{guardL2TP}, by: map[string]string{"6.19": quirkPanics, "7.0": quirkPanics, "7.1": quirkNoEthernet}},
		"ppp without PPPoE, prefix": {devices: []Selector{{Prefix: "ppp"}}, links: []Link{guardL2TP}, by: map[string]string{"6.19": quirkPanics, "7.0": quirkPanics, "7.1": quirkNoEthernet}},
		"ppp elsewhere":             {devices: both, links: []Link{guardL2TP}, by: map[string]string{"6.19": quirkPanics, "7.0": quirkPanics}},
		"tunnels elsewhere":         {devices: both, links: []Link{guardLost, guardIP6}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, release := range []string{"", "6.1", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3"} {
				s := Spec{Name: "fast", Devices: c.devices, Layers: c.layers}
				require.NoError(t, s.Validate())
				target := machineOf(release, c.links...)
				bindings := s.Bind(target)
				require.NotEmpty(t, bindings)
				for _, b := range bindings {
					quirk, kept := c.by[release]
					assert.Equal(t, !kept, b.State.Listed(), "%s %+v", release, b)
					if kept {
						assert.Equal(t, Unsupported, b.State)
						assert.Contains(t, b.Why, "no device of the flowtable can be listed safely on Linux "+release+" ("+quirk+", since ")
						assert.Contains(t, b.Why, "noGuard")
						assert.Contains(t, strings.Join(b.Trace, "\n"), quirk+" (since ")
					}
				}
				s.NoGuard = true
				for _, b := range s.Bind(target) {
					assert.True(t, b.State.Listed(), "%s %+v", release, b)
				}
			}
		})
	}
}

// A flowtable that is kept empty has taken no device from the others of its table, and those are kept empty by their own devices.
func TestGuardOfTables(t *testing.T) {
	target := machineOf("7.1", guardL2TP)
	all := BindTable([]Spec{{Name: "a", Devices: []Selector{{Name: "wan0"}, {Name: "ppp2"}}}, {Name: "b", Devices: []Selector{{Name: "wan0"}}}}, target)
	assert.Equal(t, []string{"ppp2 unsupported", "wan0 unsupported"}, answers(all[0]))
	assert.Equal(t, []string{"wan0 bound"}, answers(all[1]))

	// A VLAN device whose lower device is another flowtable's stands for the other side of what comes in by lan0.
	apart := []Spec{{Name: "a", Devices: []Selector{{Name: "wan0"}}}, {Name: "b", Devices: []Selector{{Name: "lan0"}, {Name: "wan0.20"}}}}
	for release, want := range map[string][]string{
		"6.18": {"lan0 bound", "wan0 unsupported"}, "6.19": {"lan0 unsupported", "wan0 unsupported"},
		"7.1": {"lan0 unsupported", "wan0 unsupported"}, "7.2": {"lan0 bound", "wan0 unsupported"},
	} {
		assert.Equal(t, want, answers(BindTable(apart, machineOf(release, guardOuter))[1]), release)
	}

	all = BindTable([]Spec{{Name: "a", Devices: []Selector{{Name: "wan0"}}}, {Name: "b", Layers: LayersAll, Devices: []Selector{{Name: "wan0.20"}}}}, machineOf("7.1", guardOuter))
	assert.Equal(t, []string{"wan0 bound"}, answers(all[0]))
	assert.Equal(t, []string{"wan0 unsupported", "wan0.20 unsupported"}, answers(all[1]), "the device below is in the other flowtable")
}

// What is not there could be anything, so kernels that panic are given nothing in advance.
func TestGuardListsNothingInAdvance(t *testing.T) {
	s := Spec{Name: "fast", Devices: []Selector{{Name: "lan0"}, {Name: "usb0"}, {Prefix: "eth"}, {Prefix: "wan"}}}
	for release, want := range map[string][]string{
		"6.18": {"eth* pending", "lan0 bound", "usb0 pending", "wan* bound"},
		"6.19": {"eth* missing", "lan0 bound", "usb0 missing", "wan0 bound"},
		"7.0":  {"eth* missing", "lan0 bound", "usb0 missing", "wan0 bound"},
		"7.1":  {"eth* missing", "lan0 bound", "usb0 missing", "wan0 bound"},
		"7.2":  {"eth* pending", "lan0 bound", "usb0 pending", "wan* bound"},
	} {
		bindings := s.Bind(machineOf(release))
		assert.Equal(t, want, answers(bindings), release)
		for _, b := range bindings {
			if b.State == Missing {
				assert.Contains(t, b.Why, "plan again when", release)
			}
		}
	}
	s.NoGuard = true
	assert.Equal(t, []string{"eth* pending", "lan0 bound", "usb0 pending", "wan* bound"}, answers(s.Bind(machineOf("7.0"))))
}

// The machine's own hazard is told without a flowtable.
func TestHazard(t *testing.T) {
	assert.Equal(t, "no device of any flowtable can be listed safely on Linux 7.0 (panics-below-pppoe-qinq, since 6.19, before 7.1): "+
		"ppp1 -> wan0.20.10 -> wan0.20: PPPoE session 2 over VLAN 10 over VLAN 20 (802.1ad), one header too many; run another kernel, or say noGuard if this one is repaired",
		machineOf("7.0", guardThird, guardOuter, guardInner).Hazard())
	assert.Contains(t, machineOf("7.1", guardThird, guardOuter, guardInner).Hazard(), quirkTooDeep)
	assert.Contains(t, machineOf("6.19", guardPPPoE).Hazard(), "ppp0 -> wan0: PPPoE session 1;")
	assert.Contains(t, machineOf("6.19", guardL2TP).Hazard(), "ppp2, a ppp device, perhaps by PPPoE;")
	for _, safe := range []*Target{nil, {}, machineOf("6.19", guardLost, guardIPIP, guardBridge), machineOf("7.1", guardL2TP), machineOf("7.1", guardPPPoE), machineOf("7.2", guardThird, guardOuter, guardInner), machineOf("", guardPPPoE)} {
		assert.Empty(t, safe.Hazard())
	}
}

// Tunnels are listed with what they go by on every release: that is right on all of them.
func TestTunnelsAreListedWithTheirUnderlay(t *testing.T) {
	six := guardIP6
	six.Parent = 3
	for _, release := range append(guardReleases, "6.1.0") {
		bindings := Spec{Name: "fast", Devices: []Selector{{Name: "tun9"}, {Name: "tun6"}}}.Bind(machineOf(release, guardIPIP, six))
		assert.Equal(t, []string{"tun6 bound", "tun9 bound", "wan0 bound"}, answers(bindings), release)
	}
}

func TestNoGuardJSON(t *testing.T) {
	text, err := json.Marshal(Spec{Name: "fast", NoGuard: true})
	require.NoError(t, err)
	assert.JSONEq(t, `{"name": "fast", "noGuard": true}`, string(text))
	var s Spec
	require.NoError(t, json.Unmarshal(text, &s))
	assert.True(t, s.NoGuard)
}

func TestHasQuirk(t *testing.T) {
	assert.True(t, KernelOf("6.19.14+deb13-amd64").HasQuirk(quirkPanics))
	assert.False(t, KernelOf("7.1.13").HasQuirk(quirkPanics))
	assert.True(t, KernelOf("").HasQuirk(quirkPanics), "of an unknown kernel all may be true")
	assert.False(t, KernelOf("7.0").HasQuirk("no-such-quirk"))
	for _, id := range []string{quirkPanics, quirkNoEthernet, quirkTooDeep, quirkNoHeader} {
		assert.True(t, Kernel{}.HasQuirk(id), id)
	}
}

// A bridge that filters VLANs adds a tag of its own below a VLAN device of another protocol, and links do not tell which the bridge's is.
func TestGuardOfVLANOnAFilteringBridge(t *testing.T) {
	bridge, top := guardBridge, Link{Index: 30, Name: "br0.10", Kind: "vlan", Parent: guardBridge.Index, VLAN: VLAN{ID: 10, Protocol: "802.1ad"}}
	s := Spec{Name: "fast", Devices: []Selector{{Name: "lan0"}}}
	for _, release := range []string{"6.19.14", "7.0.13"} {
		assert.Equal(t, []string{"lan0 bound"}, answers(s.Bind(machineOf(release, bridge, top))), release)
		bridge.VLANFiltering = true
		assert.Equal(t, []string{"lan0 unsupported"}, answers(s.Bind(machineOf(release, bridge, top))), release)
		bridge.VLANFiltering = false
	}
	bridge.VLANFiltering = true
	assert.Equal(t, []string{"lan0 bound"}, answers(s.Bind(machineOf("7.2.13", bridge, top))))
}

// What a VLAN device goes by can be excepted, or bear a name that no flowtable takes: then the other side is left out, too.
func TestGuardOfWhatIsLeftOutBelow(t *testing.T) {
	spaced := Link{Index: 20, Name: "wan 1", Kind: "veth"}
	over := Link{Index: 21, Name: "vlan9", Kind: "vlan", Parent: 20, VLAN: VLAN{ID: 9}}
	for name, devices := range map[string][]Selector{
		"excepted": {{Name: "lan0"}, {Prefix: "wan0.", Except: []string{"wan0"}}},
		"spelled":  {{Name: "lan0"}, {Name: "vlan9"}},
	} {
		t.Run(name, func(t *testing.T) {
			for release, kept := range map[string]bool{"6.18.15": false, "6.19.14": true, "7.1.13": true, "7.1-rc3": true, "7.2-rc1": true, "7.2.13": false} {
				bindings := Spec{Name: "fast", Devices: devices}.Bind(machineOf(release, guardOuter, spaced, over))
				for _, b := range bindings {
					if b.Device == "lan0" {
						assert.Equal(t, kept, !b.State.Listed(), "%s: %+v", release, b)
						assert.Equal(t, kept, strings.Contains(b.Why, "list that too (layers lower or all)"), b.Why)
					}
				}
			}
		})
	}
}

// A bridge's own tag is a header like others: kernels before 7.2 break connections below three.
func TestGuardCountsTheTagOfABridge(t *testing.T) {
	filter := guardFilter
	links := []Link{filter, {Index: 22, Name: "br1.5", Kind: "vlan", Parent: filter.Index, VLAN: VLAN{ID: 5}},
		{Index: 23, Name: "ppp9", Kind: "ppp", PPPoE: PPPoE{Device: "br1.5", Session: 3}}, {Index: 24, Name: "eth9", Kind: "veth", Master: filter.Index}}
	assert.Contains(t, machineOf("7.1.13", links...).Hazard(), quirkTooDeep)
	assert.Empty(t, machineOf("7.2.13", links...).Hazard())
	links[0].VLANFiltering = false
	assert.Empty(t, machineOf("7.1.13", links...).Hazard())
}

// A candidate for the release that repairs a quirk may be without the repair.
func TestGuardOfCandidates(t *testing.T) {
	for release, want := range map[string]bool{"7.1-rc3": true, "7.1.0-rc3": true, "7.1~rc3-1~exp1": true, "7.1": false, "7.1.0": false, "6.19-rc1": true, "6.18-rc1": false} {
		assert.Equal(t, want, machineOf(release, guardPPPoE).Hazard() != "", release)
	}
}

// A release of no known form whose version is known is guarded by that.
func TestGuardByVersion(t *testing.T) {
	target := machineOf("7.0.13", guardPPPoE)
	target.Kernel.Release, target.Kernel.Version = "appliance", "7.0.13"
	assert.NotEmpty(t, target.Hazard())
}
