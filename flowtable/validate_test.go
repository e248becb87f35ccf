package flowtable

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestValidateAccepts(t *testing.T) {
	for _, s := range []Spec{
		{Name: "f"},
		{Name: "_f"},
		{Name: ".f"},
		{Name: "cali40-no/flow_offload.v4"},
		{Name: strings.Repeat("f", 255)},
		{Name: "flow_"},
		{Name: "f", Devices: []Selector{{Name: "eth0"}, {Name: "eth0.2"}, {Name: "overlay.pods"}, {Prefix: "ppp"}}},
		{Name: "f", Devices: []Selector{{Name: strings.Repeat("d", 15)}}, Priority: "filter - 10", Hardware: HardwareOn, NoCounter: true},
		{Name: "f", Priority: "-2147483648"},
		{Name: "f", Devices: []Selector{{Name: "ppp"}, {Prefix: "pppoe"}}},
		{Name: "f", Devices: []Selector{{Name: "-"}, {Name: "wän"}}},
	} {
		assert.NoError(t, s.Validate(), "%+v", s)
	}
}

func TestValidateRefuses(t *testing.T) {
	device := func(name string) Spec { return Spec{Name: "f", Devices: []Selector{{Name: name}}} }
	prefix := func(prefix string) Spec { return Spec{Name: "f", Devices: []Selector{{Prefix: prefix}}} }
	for _, c := range []struct {
		spec       Spec
		path, want string
	}{
		{Spec{}, "name", "empty"},
		{Spec{Name: strings.Repeat("f", 256)}, "name", "256 bytes long"},
		{Spec{Name: "offload"}, "name", "reserved word"},
		{Spec{Name: "fwd"}, "name", "reserved word"},
		{Spec{Name: "auto-merge"}, "name", "reserved word"},
		{Spec{Name: "ll"}, "name", "packet header"},
		{Spec{Name: "."}, "name", "cannot spell"},
		{Spec{Name: "1f"}, "name", `begins with '1'`},
		{Spec{Name: "-f"}, "name", `begins with '-'`},
		{Spec{Name: "f g"}, "name", `holds ' '`},
		{Spec{Name: "f\x00"}, "name", `holds '\x00'`},
		{Spec{Name: "fä"}, "name", `holds 'ä'`},
		{Spec{Name: "f\xff"}, "name", "cannot spell"},
		{device(strings.Repeat("d", 16)), "devices[0].name", "16 bytes long"},
		{device("a/b"), "devices[0].name", `holds '/'`},
		{device("a:b"), "devices[0].name", `holds ':'`},
		{device("a b"), "devices[0].name", `holds ' '`},
		{device("a\tb"), "devices[0].name", `holds '\t'`},
		{device("a%d"), "devices[0].name", `holds '%'`},
		{device(`a"b`), "devices[0].name", `holds '"'`},
		{device("a\x00"), "devices[0].name", `holds '\x00'`},
		{device("."), "devices[0].name", "no device"},
		{device(".."), "devices[0].name", "no device"},
		{device("ppp*"), "devices[0].name", "as a prefix"},
		{prefix("ppp*"), "devices[0].prefix", `write "ppp"`},
		{prefix("*"), "devices[0].prefix", `ends in "*"`},
		{prefix("a/"), "devices[0].prefix", `holds '/'`},
		{prefix(strings.Repeat("p", 15)), "devices[0].prefix", "write it as a name"},
		{device(""), "devices[0]", "picks nothing"},
		{Spec{Name: "f", Devices: []Selector{{Name: "a", Prefix: "b"}}}, "devices[0]", "has name and prefix; set one"},
		{Spec{Name: "f", Devices: []Selector{{Name: "a"}, {Name: "b"}, {Name: "a"}}}, "devices[2]", `"a" is already picked by "a"`},
		{Spec{Name: "f", Devices: []Selector{{Prefix: "eth"}, {Name: "eth0"}}}, "devices[1]", `"eth0" is already picked by "eth*"`},
		{Spec{Name: "f", Devices: []Selector{{Prefix: "ethernet"}, {Prefix: "eth"}}}, "devices[1]", `"eth*" is already picked by "ethernet*"`},
		{Spec{Name: "f", Priority: "mangle"}, "priority", `the number "-150"`},
		{Spec{Name: "f", Priority: "raw - 5"}, "priority", `the number "-305"`},
		{Spec{Name: "f", Priority: "fast"}, "priority", "neither a number"},
		{Spec{Name: "f", Priority: "2147483648"}, "priority", "out of range"},
		{Spec{Name: "f", Hardware: "off"}, "hardware", `unknown hardware mode "off"`},
		{Spec{Name: "f", Layers: "upper"}, "layers", `unknown layers "upper"`},
		{Spec{Name: "f", Devices: []Selector{{PortsOf: "br/0"}}}, "devices[0].portsOf", `holds '/'`},
		{Spec{Name: "f", Devices: []Selector{{SlavesOf: "b*"}}}, "devices[0].slavesOf", `holds "*"`},
		{Spec{Name: "f", Devices: []Selector{{Group: 0, Except: []string{"a"}}}}, "devices[0]", "group (not 0)"},
		{Spec{Name: "f", Devices: []Selector{{Group: 3, DefaultRoute: true}}}, "devices[0]", "has group and defaultRoute"},
		{Spec{Name: "f", Devices: []Selector{{VLANsOn: "a", Except: []string{""}}}}, "devices[0].except[0]", "is empty"},
		{Spec{Name: "f", Devices: []Selector{{PPPOver: "a", Except: []string{"ok", "*"}}}}, "devices[0].except[1]", "is empty"},
		{Spec{Name: "f", Devices: []Selector{{Prefix: "a", Except: []string{"b**"}}}}, "devices[0].except[0]", `ends in "*"`},
		{Spec{Name: "f", Devices: []Selector{{Name: "a", Except: []string{"a"}}}}, "devices[0].except[0]", "remove the one or the other"},
	} {
		err := c.spec.Validate()
		var mistake *FieldError
		require.ErrorAs(t, err, &mistake, "%+v", c.spec)
		assert.Equal(t, c.path, mistake.Path, "%v", err)
		assert.ErrorContains(t, mistake, c.want)
		assert.NotContains(t, err.Error(), "\n", "one mistake, one line")
	}
}

func TestValidateReportsAllInOrder(t *testing.T) {
	s := Spec{
		Devices:  []Selector{{}, {Name: "a/b"}, {Name: "c"}, {Name: "c"}},
		Priority: "x", Hardware: "x",
	}
	var joined interface{ Unwrap() []error }
	require.True(t, errors.As(s.Validate(), &joined))
	var paths []string
	for _, err := range joined.Unwrap() {
		var mistake *FieldError
		require.ErrorAs(t, err, &mistake)
		paths = append(paths, mistake.Path)
	}
	assert.Equal(t, []string{"name", "devices[0]", "devices[1].name", "devices[3]", "priority", "hardware"}, paths)
}

func TestFirstOverlapsOfTwo(t *testing.T) {
	for _, c := range []struct {
		a, b Selector
		want bool
	}{
		{Selector{Name: "eth0"}, Selector{Name: "eth0"}, true},
		{Selector{Name: "eth0"}, Selector{Name: "eth01"}, false},
		{Selector{Name: "eth0"}, Selector{Prefix: "eth"}, true},
		{Selector{Name: "eth"}, Selector{Prefix: "eth"}, true},
		{Selector{Name: "et"}, Selector{Prefix: "eth"}, false},
		{Selector{Prefix: "e"}, Selector{Prefix: "eth"}, true},
		{Selector{Prefix: "wan"}, Selector{Prefix: "eth"}, false},
		{Selector{}, Selector{Prefix: "eth"}, false},
		{Selector{}, Selector{}, false},
	} {
		want := []int{-1, -1}
		if c.want {
			want[1] = 0
		}
		assert.Equal(t, want, FirstOverlaps([]Selector{c.a, c.b}), "%v and %v", c.a, c.b)
		assert.Equal(t, want, FirstOverlaps([]Selector{c.b, c.a}), "%v and %v", c.b, c.a)
	}
}

func TestTargetValidate(t *testing.T) {
	var none *Target
	require.NoError(t, none.Validate())
	require.NoError(t, (&Target{Kernel: KernelOf("6.12"), Links: []Link{{Index: 1, Name: "lo"}, {Index: 2, Name: "eth0"}, {Name: "x"}, {Name: "y", Master: 9}}}).Validate())
	err := (&Target{Kernel: Kernel{Wildcards: true}, Links: []Link{
		{Index: 1, Name: "a"}, {Index: 1, Name: "a"}, {Index: -1}, {Name: "b/c", Parent: -2, Master: -3},
	}}).Validate()
	want := strings.TrimSpace(`
kernel.wildcards: a kernel that takes prefixes also takes names of missing devices; set byName too
links[1].name: device "a" is already links[0]; remove one
links[1].index: index 1 is already that of links[0]; remove one, or leave it out
links[2].name: the device name is empty; give one
links[2].index: index -1 is negative; device indexes begin at 1, 0 is none
links[3].name: device name "b/c" holds '/', which the kernel refuses in names or nft cannot spell
links[3].parent: index -2 is negative; device indexes begin at 1, 0 is none
links[3].master: index -3 is negative; device indexes begin at 1, 0 is none`)
	assert.EqualError(t, err, want)
}

// What a terminal would not print as it is stands in quotes; and no flowtable lists such a device, for nft's text has no escapes.
func TestSpelled(t *testing.T) {
	for name, want := range map[string]string{
		"eth0": "eth0", "wan-ppp.7": "wan-ppp.7", "k\u00fcche": "k\u00fcche", "ppp*": "ppp*", "": `""`, "a b": `"a b"`, `a"b`: `"a\"b"`, `a\b`: `"a\\b"`,
		"\x1b[2J": `"\x1b[2J"`, "a\nb": `"a\nb"`, "\u009b2J": `"\u009b2J"`, "a\u2003b": `"a\u2003b"`, "a\u202eb": `"a\u202eb"`, "\xff": `"\xff"`, "\x7f": `"\x7f"`,
	} {
		got := Spelled(name)
		assert.Equal(t, want, got)
		if got != name {
			assert.Error(t, CheckDevice(name), got)
		}
	}
	l := Target{Links: []Link{{Name: "eth\u202e0"}}}
	b := Spec{Name: "f", Devices: []Selector{{Prefix: "eth"}}}.Bind(&l)
	assert.Equal(t, Unsupported, b[0].State)
	assert.NotContains(t, b[0].Why, "\u202e")
}
