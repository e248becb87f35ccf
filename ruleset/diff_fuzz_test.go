package ruleset_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// fuzzDevices are on the machine when the first flowtables are declared.
var fuzzDevices = []string{"d0", "d1", "d2", "d3"}

// FuzzDiff: from any declaration to any other, also when someone else changed our tables in between, a plan is taken by the three
// kernels, leaves nothing to do, and brings what the declaration alone would bring. Rules and flows that need not be touched are not.
func FuzzDiff(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(randomBytes(seed, 300))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &choice{data: data}
		target := pick(c, offloadtest.Linux72, offloadtest.Linux612, offloadtest.Linux61)(append(fuzzDevices, "extrafa")...)
		walk(t, &maker{choice: c, flowtables: true}, target, offloadtest.New(t, target), 3)
	})
}

// TestDiffRandomly goes the fuzzer's ways by chance, the same in every run.
func TestDiffRandomly(t *testing.T) {
	n := uint64(80)
	if testing.Short() || os.Getenv("FASTPATH_VM") != "" { // the kernel is an imitated one there too
		n = 4
	}
	for seed := range n {
		for _, like := range []func(...string) *flowtable.Target{offloadtest.Linux61, offloadtest.Linux612, offloadtest.Linux72} {
			target := like(append(fuzzDevices, "extrafa")...)
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				walk(t, &maker{choice: &choice{randomBytes(seed, 2000)}, flowtables: true}, target, offloadtest.New(t, target), 4)
			})
		}
	}
}

func randomBytes(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// walk goes through some declarations on one machine of that target, with edits of others in between. What a declaration alone
// brings is seen on an imitated kernel.
func walk(t testing.TB, m *maker, target *flowtable.Target, k anyKernel, steps int) {
	t.Helper()
	m.devices, m.prefixes = fuzzDevices, target.Kernel.Wildcards
	spec, edited := m.spec(), false
	for step := range steps {
		want, err := spec.Resolve(target)
		if err != nil {
			t.Fatalf("the declaration is not valid: %v", err)
		}
		empty := offloadtest.New(t, target)
		if plan, err := ruleset.Diff(nil, want); err != nil {
			t.Fatal(err)
		} else if !plan.Empty() {
			commit(t, empty, plan)
		}
		_, fresh := read(t, empty)
		move(t, k, want, state(t, fresh), edited)
		edited = false
		for range m.n(4) {
			edited = edit(t, m.choice, k) || edited
		}
		if step%2 == 0 {
			spec = m.change(spec)
		} else {
			spec = m.spec()
		}
	}
}

func commit(t testing.TB, k anyKernel, plan *ruleset.Plan) {
	t.Helper()
	b, err := plan.Batch(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Commit(t.Context(), b); err != nil {
		t.Fatalf("%v\nin\n%s", err, plan)
	}
}
