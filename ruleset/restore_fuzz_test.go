package ruleset_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestRestoreRandomly goes from any declaration, with edits of others on top, to any other and back: what the kernels hold then is
// what they held.
func TestRestoreRandomly(t *testing.T) {
	n := uint64(40)
	if testing.Short() || os.Getenv("FASTPATH_VM") != "" { // the kernel is an imitated one there too
		n = 3
	}
	for seed := range n {
		for _, like := range []func(...string) *flowtable.Target{offloadtest.Linux61, offloadtest.Linux612, offloadtest.Linux72} {
			target := like(append(fuzzDevices, "extrafa")...)
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				returnTo(t, &maker{choice: &choice{randomBytes(seed, 2000)}, flowtables: true}, target, offloadtest.New(t, target))
			})
		}
	}
}

// returnTo goes one way there and back.
func returnTo(t testing.TB, m *maker, target *flowtable.Target, k anyKernel) {
	t.Helper()
	m.devices, m.prefixes = fuzzDevices, target.Kernel.Wildcards
	planFor := func(spec *ruleset.Spec, have *ruleset.Loaded) *ruleset.Plan {
		want, err := spec.Resolve(target)
		require.NoError(t, err)
		plan, err := ruleset.Diff(have, want)
		require.NoError(t, err)
		return plan
	}
	have, _ := read(t, k)
	if plan := planFor(m.spec(), have); !plan.Empty() {
		commit(t, k, plan)
	}
	for range m.n(3) {
		edit(t, m.choice, k)
	}
	have, messages := read(t, k)
	before := state(t, messages)
	change := planFor(m.spec(), have)
	backup, err := change.Backup(have)
	require.NoError(t, err)
	mark := ruleset.Unconfirmed{Owner: ruleset.DefaultOwner, ID: "AAAAAAAAAAAAAAAAAAAAAAAAAA", Until: "2026-01-02T03:04:05+01:00"}
	commit(t, k, change.MarkUnconfirmed(mark))

	now, _ := read(t, k)
	fingerprint := backup.Fingerprint(now)
	back, err := backup.Restore(now, ruleset.Restoration{Mark: &mark, Fingerprint: fingerprint})
	require.NoError(t, err)
	commit(t, k, back)
	_, messages = read(t, k)
	require.Equal(t, before, state(t, messages), "there by\n%s\nback by\n%s", change, back)
}
