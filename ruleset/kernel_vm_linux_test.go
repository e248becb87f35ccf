package ruleset

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// These tests need a kernel with flowtables; a micro VM runs them on Debian's.

// byName reports whether this kernel takes names of missing devices, and prefixes (Linux 6.16).
func byName(t *testing.T) bool {
	t.Helper()
	k, err := testns.Kernel()
	require.NoError(t, err)
	return k.AtLeast(6, 16)
}

// withDevices makes a namespace with dummy devices.
func withDevices(t *testing.T, devices ...string) *testns.Namespace {
	t.Helper()
	ns := testns.NewT(t, "flowtables")
	var lines []string
	for _, d := range devices {
		lines = append(lines, "link add "+d+" type dummy")
	}
	require.NoError(t, ns.IP(testContext(t), lines...))
	return ns
}

// TestKernelFlowtables applies flowtables of every shape, with the rules that use them, in every family, and compares what nft
// lists with what it lists for the same text; then it reads them back raw.
func TestKernelFlowtables(t *testing.T) {
	testns.RequireFlowtables(t)
	devices := []string{"lan0", "wan0", "dmz0", "hw0"}
	for _, family := range []Family{Inet, IP, IP6} {
		t.Run(string(family), func(t *testing.T) {
			text := fmt.Sprintf(`table %s t {
	comment "managed by fastpath"
	flowtable fast { hook ingress priority filter - 1; devices = { lan0, wan0 }; counter; }
	flowtable plain { hook ingress priority 20; devices = { dmz0 }; }
	flowtable empty { hook ingress priority filter; counter; }
	chain c {
		type filter hook forward priority filter; policy accept;
		ct state established meta l4proto { tcp, udp } flow add @fast ct mark set ct mark | 0x100 comment "fast"
		meta l4proto udp counter flow add @plain
		jump sub
	}
	chain sub {
		tcp dport 443 flow add @fast
	}
}
`, family)
			spec := &Spec{Tables: []Table{{Family: family, Name: "t",
				Flowtables: []flowtable.Spec{
					{Name: "fast", Priority: "filter - 1", Devices: []flowtable.Selector{{Name: "wan0"}, {Name: "lan0"}}},
					{Name: "plain", Priority: "20", Devices: []flowtable.Selector{{Name: "dmz0"}}, NoCounter: true},
					{Name: "empty"},
				},
				Chains: []Chain{
					{Name: "c", Hook: Forward, Rules: []Rule{
						R(CTState.Is(Established), L4Proto.Is(TCP, UDP), FlowAdd("fast"), CTMark.Set(0x100, 0x100)).Note("fast"),
						R(L4Proto.Is(UDP), Counter(), FlowAdd("plain")), R(Jump("sub")),
					}},
					{Name: "sub", Rules: []Rule{R(TCPDport.Is(443), FlowAdd("fast"))}},
				},
			}}}
			theirs := withDevices(t, devices...)
			require.NoError(t, theirs.NFT(testContext(t), text))
			ours := withDevices(t, devices...)
			apply(t, ours, spec)
			want, got := listing(t, theirs), listing(t, ours)
			compareLines(t, sortedDeviceLines(want), sortedDeviceLines(got))
			rendered := withDevices(t, devices...)
			require.NoError(t, rendered.NFT(testContext(t), nftText(t, spec)))
			compareLines(t, sortedDeviceLines(want), sortedDeviceLines(listing(t, rendered)))
			compareFlowtables(t, loadFrom(t, theirs), loadFrom(t, ours))
		})
	}
}

// sortedDeviceLines sorts the devices of each list: nft 1.0.6 prints them in the kernel's order, later ones sort themselves.
func sortedDeviceLines(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if head, list, ok := strings.Cut(line, "devices = { "); ok {
			names, tail, _ := strings.Cut(list, " }")
			var selectors []flowtable.Selector
			for _, n := range strings.Split(names, ", ") {
				selectors = append(selectors, flowtable.Selector{Name: n})
			}
			line = head + "devices = { "
			for _, s := range sortedDevices(selectors) {
				line += s.Name + " "
			}
			line += "}" + tail
		}
		out.WriteString(line)
	}
	return out.String()
}

func compareFlowtables(t *testing.T, want, got *Loaded) {
	t.Helper()
	w, g := want.Flowtables(), got.Flowtables()
	require.Equal(t, len(w), len(g))
	for i := range w {
		w[i], g[i] = withSortedDevices(w[i]), withSortedDevices(g[i])
		w[i].Handle, g[i].Handle = 0, 0
	}
	assert.ElementsMatch(t, w, g)
}

// TestKernelManyDevices: the devices beyond the 255th come with updates, and leave flags and priority alone.
func TestKernelManyDevices(t *testing.T) {
	testns.RequireFlowtables(t)
	var names []string
	f := flowtable.Spec{Name: "f", Priority: "filter - 5"}
	for i := range 300 {
		names = append(names, fmt.Sprintf("d%03d", i))
		f.Devices = append(f.Devices, flowtable.Selector{Name: names[i]})
	}
	ns := withDevices(t, names...)
	apply(t, ns, &Spec{Tables: []Table{{Name: "t", Flowtables: []flowtable.Spec{f}}}})
	got := loadFrom(t, ns).Flowtables()
	require.Len(t, got, 1)
	assert.ElementsMatch(t, f.Devices, got[0].Devices)
	assert.True(t, got[0].Counter())
	assert.EqualValues(t, -5, got[0].Priority)
}

// TestKernelMissingDevice: kernels before 6.16 refuse a flowtable with a device that is not there, and say which; later ones
// take its name, and prefixes.
func TestKernelMissingDevice(t *testing.T) {
	testns.RequireFlowtables(t)
	names := byName(t)
	devices := []flowtable.Selector{{Name: "lan0"}, {Name: "gone0"}}
	spec := &Spec{Tables: []Table{{Name: "t", Flowtables: []flowtable.Spec{{Name: "f", Devices: devices}}}}}
	ns := withDevices(t, "lan0")
	b := compile(t, spec)
	err := commit(t, ns, b)
	if !names {
		var r Refusal
		require.ErrorAs(t, err, &r)
		assert.Equal(t, 2, r.Errno)
		op, ok := b.Operation(r.Message)
		require.True(t, ok)
		assert.Equal(t, KindFlowtable, op.Kind)
		if r.Offset != 0 { // Linux 6.1 does not say which
			assert.Equal(t, `NFTA_FLOWTABLE_HOOK.NFTA_FLOWTABLE_HOOK_DEVS.NFTA_DEVICE_NAME "gone0"`, b.Attribute(r.Message, r.Offset))
		}
		assert.Empty(t, listing(t, ns))
		return
	}
	require.NoError(t, err)
	assert.ElementsMatch(t, devices, loadFrom(t, ns).Flowtables()[0].Devices)
	devices = append(devices, flowtable.Selector{Prefix: "ppp"})
	spec.Tables[0].Flowtables[0].Devices = devices
	_, b = batchBetween(t, loadFrom(t, ns), spec)
	require.NoError(t, commit(t, ns, b))
	assert.ElementsMatch(t, devices, loadFrom(t, ns).Flowtables()[0].Devices)
}

// TestKernelReplaceFlowtable replaces a flowtable in use in one batch: the rules that refer to it, the flowtable, its devices.
func TestKernelReplaceFlowtable(t *testing.T) {
	testns.RequireFlowtables(t)
	ns := withDevices(t, "lan0", "wan0")
	spec := capturedSpec(true, false)
	apply(t, ns, spec)
	before := listing(t, ns)
	p, _ := batchBetween(t, loadFrom(t, ns), spec)
	assert.Empty(t, p.String())

	f := &spec.Tables[0].Flowtables[0]
	priority := f.Priority
	for _, p := range []flowtable.Priority{"filter - 3", priority} {
		f.Priority = p
		assert.True(t, move(t, ns, spec).Disruptive())
	}
	assert.ElementsMatch(t, strings.Split(sortedDeviceLines(before), "\n"), strings.Split(sortedDeviceLines(listing(t, ns)), "\n"),
		"the same but for the place in the list")
}

// TestKernelDump reads what a kernel holds. In a VM it writes the dump, a seed of FuzzLoad, to $FASTPATH_OUT, elsewhere, with
// -update, to testdata/dumps.
func TestKernelDump(t *testing.T) {
	testns.RequireNamespaces(t)
	flowtables, reason := testns.HaveFlowtables(testContext(t))
	if !flowtables && os.Getenv("FASTPATH_VM") != "" {
		t.Fatal(reason)
	}
	wildcards := byName(t)
	ns := testns.NewT(t, "dump")
	if flowtables {
		require.NoError(t, ns.IP(testContext(t), "link add lan0 type dummy", "link add wan0 type dummy"))
	}
	require.NoError(t, ns.NFT(testContext(t), `table inet theirs { comment "not ours"; chain c { tcp dport 22 counter accept; }; }`))
	apply(t, ns, capturedSpec(flowtables, flowtables && wildcards))
	messages := dump(t, ns)
	l, err := Load("", seqOf(messages))
	require.NoError(t, err)
	if flowtables {
		checkCapturedFlowtables(t, l, wildcards)
	}
	if *update || os.Getenv("FASTPATH_OUT") != "" {
		k, err := testns.Kernel()
		require.NoError(t, err)
		writeDump(t, fmt.Sprintf("%d.%d", k.Major, k.Minor), k.Text, messages)
	}
}

func writeDump(t *testing.T, version, release string, messages []Message) {
	t.Helper()
	dir := os.Getenv("FASTPATH_OUT")
	if dir == "" {
		dir, version = filepath.Join("testdata", "dumps"), "host-"+version
	}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	text := "# nf_tables dump of Linux " + release + ": message type, generation, nfgenmsg and attributes\n"
	for _, m := range messages {
		text += fmt.Sprintf("%#x %d %x\n", m.Type, m.Generation, m.Data)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, version+".txt"), []byte(text), 0o644))
}
