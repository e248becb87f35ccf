package flowtable

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var testSpec = Spec{Name: "fast", Devices: []Selector{{Name: "wan"}, {Prefix: "ppp"}, {Name: "eth0"}, {Prefix: "tun"}}}

func testLinks() []Link {
	return []Link{{Index: 4, Name: "ppp1"}, {Index: 2, Name: "eth0"}, {Index: 3, Name: "ppp0"}, {Index: 1, Name: "lo"}}
}

// answers is a Binding without its reason.
func answers(bindings []Binding) []string {
	var s []string
	for _, b := range bindings {
		s = append(s, b.Device+" "+string(b.State))
	}
	return s
}

func TestBind(t *testing.T) {
	for name, c := range map[string]struct {
		target *Target
		want   []string
	}{
		"nil":            {nil, []string{"eth0 bound", "ppp* bound", "tun* bound", "wan bound"}},
		"zero":           {&Target{}, []string{"eth0 bound", "ppp* bound", "tun* bound", "wan bound"}},
		"6.1":            {&Target{Kernel: KernelOf("6.1.0-56-amd64"), Links: testLinks()}, []string{"eth0 bound", "ppp0 bound", "ppp1 bound", "tun* missing", "wan missing"}},
		"links only":     {&Target{Links: testLinks()}, []string{"eth0 bound", "ppp0 bound", "ppp1 bound", "tun* missing", "wan missing"}},
		"by name":        {&Target{Kernel: Kernel{ByName: true}, Links: testLinks()}, []string{"eth0 bound", "ppp0 bound", "ppp1 bound", "tun* missing", "wan pending"}},
		"7.2":            {&Target{Kernel: KernelOf("7.2.13"), Links: testLinks()}, []string{"eth0 bound", "ppp* bound", "tun* pending", "wan pending"}},
		"7.2, linkless":  {&Target{Kernel: KernelOf("7.2.13")}, []string{"eth0 pending", "ppp* pending", "tun* pending", "wan pending"}},
		"6.12, linkless": {&Target{Kernel: KernelOf("6.12.117")}, []string{"eth0 missing", "ppp* missing", "tun* missing", "wan missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			bindings := testSpec.Bind(c.target)
			assert.Equal(t, c.want, answers(bindings))
			for _, b := range bindings {
				assert.Equal(t, "fast", b.Flowtable)
				assert.NotEmpty(t, b.Why)
			}
		})
	}
}

func TestBindSaysWhy(t *testing.T) {
	old := testSpec.Bind(&Target{Kernel: KernelOf("6.1"), Links: testLinks()})
	assert.Equal(t, "the device is there", old[0].Why)
	assert.Contains(t, old[1].Why, `picked by "ppp*"`)
	assert.Contains(t, old[3].Why, `no device begins with "tun"`)
	assert.Contains(t, old[4].Why, "refuses a flowtable with a missing device")
	recent := testSpec.Bind(&Target{Kernel: KernelOf("7.2"), Links: testLinks()})
	assert.Equal(t, "matches ppp0, ppp1 today; the kernel binds those that appear", recent[1].Why)
}

func TestBindIsDeterministicAndLeavesItsInputAlone(t *testing.T) {
	target := &Target{Kernel: KernelOf("6.12"), Links: testLinks()}
	shuffled := &Target{Kernel: KernelOf("6.12"), Links: []Link{{Index: 1, Name: "lo"}, {Index: 3, Name: "ppp0"}, {Index: 2, Name: "eth0"}, {Index: 4, Name: "ppp1"}}}
	spec := testSpec
	spec.Devices = []Selector{{Prefix: "tun"}, {Name: "eth0"}, {Name: "wan"}, {Prefix: "ppp"}}
	assert.Equal(t, testSpec.Bind(target), spec.Bind(shuffled))
	assert.Equal(t, testLinks(), target.Links)
}

// An invalid Spec is Validate's business, but Bind names no device twice all the same.
func TestBindNamesNoDeviceTwice(t *testing.T) {
	s := Spec{Name: "f", Devices: []Selector{{Prefix: "ppp"}, {Name: "ppp0"}, {}, {Prefix: "pp"}}}
	assert.Equal(t, []string{"ppp0 bound", "ppp1 bound"}, answers(s.Bind(&Target{Links: testLinks()})))
}

// Kernels take device names that nft has no spelling for, and a link given by hand can have any. A prefix must not bring one
// into a file for nft, nor "ppp*", as a device can be named, into a message as a prefix.
func TestBindLeavesOutWhatCannotBeSpelled(t *testing.T) {
	target := &Target{Kernel: KernelOf("6.12"), Links: []Link{{Name: `ppp" }; }`}, {Name: "ppp*"}, {Name: "ppp0"}, {Name: "ppp45678901234567"}}}
	bindings := Spec{Name: "f", Devices: []Selector{{Prefix: "ppp"}}}.Bind(target)
	assert.Equal(t, []string{`ppp" }; } unsupported`, "ppp* unsupported", "ppp0 bound", "ppp45678901234567 unsupported"}, answers(bindings))
	assert.Contains(t, bindings[1].Why, `picked by "ppp*", but device name "ppp*" holds "*"`)
}

func TestBindWithoutDevices(t *testing.T) {
	assert.Empty(t, Spec{Name: "f"}.Bind(&Target{Links: testLinks()}))
}

func TestStateListed(t *testing.T) {
	assert.True(t, Bound.Listed())
	assert.True(t, Pending.Listed())
	assert.False(t, Missing.Listed())
	assert.False(t, Unsupported.Listed())
}

func TestKernelOf(t *testing.T) {
	for release, want := range map[string][2]bool{
		"6.1.0-56-amd64":  {false, false},
		"6.12.117":        {false, false},
		"6.15.9":          {false, false},
		"6.16":            {true, true},
		"6.17.1-arch1-1":  {true, true},
		"6.18.44-fc-v669": {true, true},
		"6.18-rc1":        {true, true},
		"7.2.13":          {true, true},
		"10.0":            {true, true},
		"5.19.17":         {false, false},
		"":                {false, false},
		"linux":           {false, false},
		"7":               {false, false},
		"-7.2":            {false, false},
		"7.x":             {false, false},
	} {
		assert.Equal(t, Kernel{Release: release, ByName: want[0], Wildcards: want[1]}, KernelOf(release), release)
	}
}

func TestTargetJSON(t *testing.T) {
	target := Target{Kernel: KernelOf("7.2.13"), Links: []Link{{Index: 2, Name: "eth0", Up: true}, {Index: 3, Name: "eth0.7", Kind: "vlan", Parent: 2, Master: 9}}}
	text, err := json.Marshal(target)
	require.NoError(t, err)
	assert.JSONEq(t, `{"kernel":{"release":"7.2.13","byName":true,"wildcards":true},
		"links":[{"index":2,"name":"eth0","up":true},{"index":3,"name":"eth0.7","kind":"vlan","parent":2,"master":9}]}`, string(text))
	var again Target
	require.NoError(t, json.Unmarshal(text, &again))
	assert.Equal(t, target, again)

	text, err = json.Marshal(Target{})
	require.NoError(t, err)
	assert.Equal(t, "{}", string(text))
}
