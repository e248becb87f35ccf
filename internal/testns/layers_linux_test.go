package testns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestStacks builds every stack and sends both protocols of both families through it. On a kernel with flowtables it then measures what
// is carried when a flowtable lists one layer or another of the devices towards the server, beside lan0. testdata/layers-KERNEL.txt
// says what it has to be; docs/devices.md tells the same. FASTPATH_OUT receives what was measured.
func TestStacks(t *testing.T) {
	RequireNamespaces(t)
	measure, _ := HaveFlowtables(t.Context())
	inVM := os.Getenv("FASTPATH_VM") != ""
	var measured strings.Builder
	for _, s := range append([]Stack{Plain}, Stacks()...) {
		t.Run(orDefault(string(s), "plain"), func(t *testing.T) {
			CheckLeaks(t)
			r, err := NewRouter(t.Context(), &RouterConfig{WANStack: s})
			if errors.Is(err, ErrNotOnThisKernel) {
				t.Skip(err)
			}
			if err != nil && !inVM {
				t.Skipf("this kernel cannot: %v", err)
			}
			require.NoError(t, err)
			defer func() { assert.NoError(t, r.Close()) }()
			assert.Equal(t, r.WAN.Logical, r.WANDevice)
			for _, network := range networks() {
				for _, fam := range Families() {
					f := r.DialT(t, network, fam)
					_, err := f.RoundTrip(t.Context(), 2, 200)
					require.NoError(t, err)
				}
			}
			if measure {
				measureLayers(t, r, s, &measured)
			}
		})
	}
	if !inVM {
		return
	}
	kernel := os.Getenv("FASTPATH_KERNEL")
	require.NoError(t, os.WriteFile(filepath.Join(os.Getenv("FASTPATH_OUT"), "layers-"+kernel+".txt"), []byte(measured.String()), 0o644))
	files, err := filepath.Glob("testdata/layers-*.txt")
	require.NoError(t, err)
	name := layersFor(kernel, files)
	require.NotEmpty(t, name, "no file of testdata is of %s or older", kernel)
	if !strings.HasSuffix(name, "-"+kernel+".txt") {
		t.Logf("NOTHING WAS WRITTEN DOWN FOR %s: it is held to what an older kernel does, %s", kernel, name)
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	was, is := strings.Split(string(want), "\n"), strings.Split(measured.String(), "\n")
	for i := range max(len(was), len(is)) {
		if i >= len(was) || i >= len(is) || was[i] != is[i] {
			t.Fatalf("%s says otherwise from line %d on; measured:\n%s", name, i+1, strings.Join(is[min(i, len(is)):], "\n"))
		}
	}
}

// layersFor picks the file of a kernel, else that of the newest older one; "" if there is none.
func layersFor(kernel string, files []string) string {
	best, version := "", Release{}
	for _, f := range files {
		text := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "layers-"), ".txt")
		r, err := ParseRelease(text)
		asked, e := ParseRelease(kernel)
		if err == nil && e == nil && asked.AtLeast(r.Major, r.Minor) && (best == "" || r.AtLeast(version.Major, version.Minor)) {
			best, version = f, r
		}
	}
	return best
}

func TestLayersFor(t *testing.T) {
	files := []string{"testdata/layers-6.12.txt", "testdata/layers-7.2.txt", "testdata/layers-6.1.txt"}
	for kernel, want := range map[string]string{
		"6.1": files[2], "6.11": files[2], "6.12": files[0], "7.1": files[0], "7.2": files[1], "7.10": files[1], "6.0": "", "": "",
	} {
		assert.Equal(t, want, layersFor(kernel, files), kernel)
	}
}

// layerPolicies are the ways to list the devices of a stack.
var layerPolicies = []struct {
	name    string
	devices func(Layers) []string
}{
	{"logical", func(l Layers) []string { return []string{l.Logical} }},
	{"middle", middle},
	{"lower", func(l Layers) []string { return l.Lower }},
	{"all", func(l Layers) []string { return l.All }},
}

// middle are the layers between the logical device and the lower ones.
func middle(l Layers) []string {
	return slices.DeleteFunc(slices.Clone(l.All), func(d string) bool { return d == l.Logical || slices.Contains(l.Lower, d) })
}

// measureLayers appends a line for every policy and protocol.
func measureLayers(t *testing.T, r *Router, s Stack, to *strings.Builder) {
	t.Helper()
	fmt.Fprintf(to, "# %s: %s\n", orDefault(string(s), "plain"), strings.Join(r.WAN.All, ", "))
	for i, p := range layerPolicies {
		devices := p.devices(r.WAN)
		if len(devices) == 0 {
			continue
		}
		m := layerMeasurement{Router: r, port: uint16(20000 + i)}
		m.load(t, append([]string{r.LANDevice}, devices...))
		outcomes := m.outcomes(t)
		for _, network := range networks() {
			fmt.Fprintf(to, "%-16s %-8s %s %s\n", orDefault(string(s), "plain"), p.name, network, outcomes[network])
		}
	}
}

// A layerMeasurement is one flow of each protocol from a port, and what counts their packets in the forward hook.
type layerMeasurement struct {
	*Router
	port uint16 // of the client
}

// load replaces the flowtable and the counters.
func (m layerMeasurement) load(t *testing.T, devices []string) {
	t.Helper()
	var counters strings.Builder
	for _, network := range networks() {
		fmt.Fprintf(&counters, "meta l4proto %s th sport %d counter comment %q\n", network, m.port, network+" original")
		fmt.Fprintf(&counters, "meta l4proto %s th dport %d counter comment %q\n", network, m.port, network+" reply")
	}
	require.NoError(t, m.NS.NFT(t.Context(), fmt.Sprintf(`
table inet accel
delete table inet accel
table inet accel {
	flowtable fast { hook ingress priority 0; devices = { %s }; counter; }
	chain accelerate {
		type filter hook forward priority filter; policy accept;
		meta l4proto { tcp, udp } flow add @fast
		%s
	}
}`, strings.Join(devices, ", "), counters.String())))
}

const unclear = "unclear"

// outcomes tells what becomes of the flows, by protocol. A packet that was on its way when a measurement began, or was sent again, blurs
// it: then the next one tells.
func (m layerMeasurement) outcomes(t *testing.T) map[string]string {
	t.Helper()
	flows := map[string]*Flow{}
	for _, network := range networks() {
		f, err := Dial(t.Context(), m.Client, DialConfig{Network: network, To: m.echoAddr(IPv4), SourcePort: m.port})
		require.NoError(t, err)
		defer f.Close()
		_, err = f.RoundTrip(t.Context(), settleRoundTrips, MinSize)
		require.NoError(t, err)
		flows[network] = f
	}
	found := map[string]string{}
	before := m.counters(t)
	for range 3 {
		for _, f := range flows {
			_, err := f.RoundTrip(t.Context(), proofRoundTrips, MinSize)
			require.NoError(t, err)
		}
		after, tagged := m.counters(t), m.tagged(t)
		for network := range flows {
			if old := found[network]; old == "" || old == unclear {
				there := after[network+" original"].Sub(before[network+" original"])
				back := after[network+" reply"].Sub(before[network+" reply"])
				found[network] = layerOutcome(there.Packets, back.Packets, tagged[network])
			}
		}
		if found["tcp"] != unclear && found["udp"] != unclear {
			break
		}
		before = after
	}
	return found
}

func (m layerMeasurement) counters(t *testing.T) map[string]Counter {
	t.Helper()
	text, err := m.NS.Run(t.Context(), "", "nft", "-j", "list", "chain", "inet", "accel", "accelerate")
	require.NoError(t, err)
	counters, err := parseCounters([]byte(text))
	require.NoError(t, err)
	require.Len(t, counters, 4, text)
	return counters
}

// tagged tells which of the two flows bear the offload bit.
func (m layerMeasurement) tagged(t *testing.T) map[string]bool {
	t.Helper()
	entries, err := ConntrackAll(t.Context(), m.NS)
	require.NoError(t, err)
	tagged := map[string]bool{}
	for _, e := range entries {
		if e.Original.Source.Port() == m.port {
			tagged[e.Protocol] = e.Offloaded()
		}
	}
	return tagged
}

// layerOutcome says which directions the forward hook did not see, though all round trips were verified, and what the tag claims.
func layerOutcome(there, back uint64, tagged bool) string {
	claim := ""
	if tagged {
		claim = ", tagged"
	}
	switch {
	case there == 0 && back == 0 && tagged:
		return "carried"
	case there == 0 && back >= proofRoundTrips:
		return "half: requests" + claim
	case there >= proofRoundTrips && back == 0:
		return "half: answers" + claim
	case there >= proofRoundTrips && back >= proofRoundTrips:
		return "slow" + claim
	}
	return unclear
}
