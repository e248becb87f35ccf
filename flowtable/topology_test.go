package flowtable

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// A topologyFixture is a machine, where it was taken from, and what is asked of it.
type topologyFixture struct {
	Source  string     `json:"source"`
	Devices []Selector `json:"devices"`
	Target  Target     `json:"target"`
}

func topologyFixtures(t *testing.T) map[string]topologyFixture {
	files, err := filepath.Glob("testdata/topology/*.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 12)
	all := map[string]topologyFixture{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var f topologyFixture
		decoder := json.NewDecoder(strings.NewReader(string(text)))
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&f), file)
		require.NoError(t, f.Target.Validate(), file)
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = f
	}
	return all
}

// The golden files show what each layer policy lists on an old kernel and a new one, and why.
func TestTopologies(t *testing.T) {
	for name, f := range topologyFixtures(t) {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			fmt.Fprintf(&b, "# %s\n#\n", f.Source)
			for _, d := range f.Devices {
				fmt.Fprintf(&b, "# %s\n", d)
			}
			for _, layers := range []Layers{LayersLower, LayersLogical, LayersAll} {
				for _, release := range []string{"6.12", "7.2"} {
					target := f.Target
					target.Kernel = KernelOf(release)
					s := Spec{Name: "fast", Devices: f.Devices, Layers: layers}
					if len(target.Hardware) > 0 {
						s.Hardware = HardwareAuto
					}
					require.NoError(t, s.Validate())
					bindings := s.Bind(&target)
					requireFit(t, &target, bindings)
					fmt.Fprintf(&b, "\n%s, Linux %s\n", layers, release)
					writeBindings(&b, bindings)
				}
			}
			golden(t, "topology/"+name+".golden", b.String())
		})
	}
}

// The drawings are what `flowctl topology` prints.
func TestDrawings(t *testing.T) {
	fixtures := topologyFixtures(t)
	for _, name := range []string{"pppoe-over-vlan", "bond", "tunnels"} {
		f := fixtures[name]
		golden(t, "topology/"+name+".mermaid", f.Target.Mermaid())
		golden(t, "topology/"+name+".dot", f.Target.DOT())
	}
}

func TestDrawingsEscape(t *testing.T) {
	target := &Target{Links: []Link{{Name: "a\"];<b>&#`\\\n", Kind: "x\"y"}}}
	assert.Equal(t, "flowchart TD\n    n0[\"#quot;a\\#quot;];#lt;b#gt;#amp;#35;#96;\\\\\\n#quot;<br/>#quot;x\\#quot;y#quot;\"]\n", target.Mermaid())
	assert.Equal(t, "digraph topology {\n    node [shape=box];\n    n0 [label=\"\\\"a\\\\\\\"];<b>&#`\\\\\\\\\\\\n\\\"\\n\\\"x\\\\\\\"y\\\"\"];\n}\n", target.DOT())
	assert.Equal(t, "flowchart TD\n", (*Target)(nil).Mermaid())
}

func writeBindings(b *strings.Builder, bindings []Binding) {
	for _, f := range bindings {
		hardware := ""
		if f.Hardware {
			hardware = ", hardware"
		}
		fmt.Fprintf(b, "  %s (%s%s): %s\n", f.Device, f.State, hardware, f.Why)
		for _, line := range f.Trace {
			fmt.Fprintf(b, "      %s\n", line)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run with -update to make it")
	assert.Equal(t, string(want), got)
}

// requireFit holds bindings to what a kernel takes: no device twice, none that a wildcard picks, no missing one and no
// wildcard before 6.16.
func requireFit(t *testing.T, target *Target, bindings []Binding) {
	t.Helper()
	var listed []Selector
	for _, b := range bindings {
		require.NotEmpty(t, b.Why, "%+v", b)
		if !b.State.Listed() {
			continue
		}
		if prefix, is := strings.CutSuffix(b.Device, "*"); is {
			require.True(t, target.Kernel.Wildcards, "%+v", b)
			require.NoError(t, CheckDevicePrefix(prefix))
			listed = append(listed, Selector{Prefix: prefix})
			continue
		}
		require.NoError(t, CheckDevice(b.Device))
		there := false
		for i := range target.Links {
			there = there || target.Links[i].Name == b.Device
		}
		require.True(t, there || target.Kernel.ByName, "%+v is not there", b)
		listed = append(listed, Selector{Name: b.Device})
	}
	for i, first := range FirstOverlaps(listed) {
		require.Negative(t, first, "%v overlaps", listed[i])
	}
}
