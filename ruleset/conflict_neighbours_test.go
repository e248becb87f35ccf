package ruleset_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestConflictsWithNeighbours has each ruleset of the world in a kernel in memory as someone else's, and asks what stands in the way of a
// flowtable on its devices. testdata/conflicts.txt is what it said when a person last read it.
func TestConflictsWithNeighbours(t *testing.T) {
	specs := ruleset.DeclaredSpecs()
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		if strings.HasPrefix(name, "policy ") {
			continue
		}
		k := newKernel(t)
		theirs, err := specs[name].Resolve(offloadtest.Linux72(neighbourDevices...)) // in hardware, only what is there is listed
		require.NoError(t, err)
		k.apply(k.diff(theirs))
		findings := resolve(t, neighbour()).Conflicts(k.load())
		for _, f := range findings {
			assert.Contains(t, []string{"foreign-flowtable", "skipped-chain"}, f.Code)
			assert.NotEmpty(t, f.Fix)
			assert.NotEmpty(t, f.Path)
		}
		fmt.Fprintf(&text, "%s\n", name)
		for _, f := range findings {
			what := f.Code
			if f.Information {
				what = "information " + what
			}
			fmt.Fprintf(&text, "\t%s: %s\n", what, f.Text)
		}
		own := resolve(t, specs[name])
		for _, f := range own.Conflicts(k.load()) {
			assert.NotContains(t, f.Code, "foreign", "%s beside itself: %s", name, f)
			assert.NotContains(t, f.Code, "skipped", "%s beside itself: %s", name, f)
		}
	}
	const path = "testdata/conflicts.txt"
	if ruleset.Update() {
		require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with -update")
	assert.Equal(t, string(want), text.String())
}

var neighbourDevices = []string{"eth0", "eth1", "lan0", "wan0", "lan", "wan", "br-lan", "ens1", "ppp0"}

// neighbour is a ruleset of another owner that offloads between the devices of many.
func neighbour() *ruleset.Spec {
	f := flowtable.Spec{Name: "fast", Priority: "filter + 5"}
	for _, d := range neighbourDevices {
		f.Devices = append(f.Devices, flowtable.Selector{Name: d})
	}
	return &ruleset.Spec{Owner: "neighbour", Tables: []ruleset.Table{{Name: "neighbour", Flowtables: []flowtable.Spec{f}}}}
}

// TestConflictsOfWriters: rules of others in our table, beside ours; and a table that nft loaded whole is no one else's.
func TestConflictsOfWriters(t *testing.T) {
	spec := &ruleset.Spec{Tables: []ruleset.Table{{Name: "x", Flowtables: []flowtable.Spec{{Name: "f"}}, Chains: []ruleset.Chain{
		{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{ruleset.R(ruleset.Counter()), ruleset.R(ruleset.FlowAdd("f"))}},
	}}}}
	k := newKernel(t)
	k.apply(k.diff(resolve(t, spec)))
	assert.Empty(t, resolve(t, spec).Conflicts(k.load()))
	mine := ruleset.Spec{Owner: "other", Tables: []ruleset.Table{{Family: ruleset.IP6, Name: "x", Chains: []ruleset.Chain{{Name: "c"}}}}}
	k.apply(k.diff(resolve(t, &mine)))
	assert.Empty(t, resolve(t, spec).Conflicts(k.load()), "a table of another family")

	assert.Equal(t, []string{"table inet x holds 1 rules that someone else put there, the first is in chain forward handle 3"}, texts(resolve(t, spec).Conflicts(k.stripped(t, 1))))
	assert.Empty(t, resolve(t, spec).Conflicts(k.stripped(t, 2)), "no rule bears our identity: nft loaded them, perhaps from a file of ours")
}

// stripped is what the kernel holds, with the first rules without the identity that the library gives them.
func (k testKernel) stripped(t *testing.T, rules int) *ruleset.Loaded {
	t.Helper()
	l, err := ruleset.Load("", func(yield func(ruleset.Message, error) bool) {
		for m, err := range k.Dump(t.Context()) {
			if mark := []byte("fp\x00\x01"); rules > 0 && bytes.Contains(m.Data, mark) {
				m.Data = bytes.Replace(m.Data, mark, []byte("nobody")[:4], 1)
				rules--
			}
			if !yield(m, err) {
				return
			}
		}
	})
	require.NoError(t, err)
	return l
}

func texts(findings []ruleset.Finding) (list []string) {
	for _, f := range findings {
		list = append(list, f.Text)
	}
	return list
}
