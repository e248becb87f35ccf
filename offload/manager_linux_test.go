package offload

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

func TestApplyWithoutFlowtables(t *testing.T) {
	ns, m := openT(t)
	plan, err := m.Plan(testContext(t), plain())
	require.NoError(t, err)
	unchanged(t, ns, func() { require.NoError(t, m.Check(testContext(t), plan)) })
	generation, err := m.Apply(testContext(t), plan)
	require.NoError(t, err)
	assert.Equal(t, next(plan.Generation()), generation)

	text := listing(t, ns)
	for _, want := range []string{`comment "managed by fastpath"`, "type ipv4_addr", "192.0.2.0/24", "policy drop",
		`ip daddr @slow counter packets 0 bytes 0 accept comment "slow ones"`, "jump more", "ct state established accept"} {
		assert.Contains(t, text, want)
	}
	again, err := m.Plan(testContext(t), plain())
	require.NoError(t, err)
	assert.Equal(t, generation, again.Generation(), "what Apply told is what Plan finds")
	_, err = m.Apply(testContext(t), again)
	require.NoError(t, err)
	assert.Equal(t, text, listing(t, ns))
}

// A table that is no longer declared goes; those of others, and of other owners, stay.
func TestApplyDeletesWhatIsNotDeclared(t *testing.T) {
	ns, m := openT(t)
	require.NoError(t, ns.NFT(testContext(t), "table inet theirs { chain c { }; }\n"))
	other := plain()
	other.Owner, other.Tables[0].Name = "somebody", "other"
	apply(t, m, other)
	apply(t, m, plain())
	generation := apply(t, m, &ruleset.Spec{})
	text := listing(t, ns)
	assert.NotContains(t, text, "table inet fw")
	assert.Contains(t, text, "table inet theirs")
	assert.Contains(t, text, "table inet other")
	assert.Equal(t, generation, apply(t, m, &ruleset.Spec{}), "nothing to do, nothing committed")
}

func TestForeignTableIsRefused(t *testing.T) {
	ns, m := openT(t)
	require.NoError(t, ns.NFT(testContext(t), "table inet fw { chain c { }; }\n"))
	unchanged(t, ns, func() {
		_, err := m.Plan(testContext(t), plain())
		require.ErrorIs(t, err, ErrForeign)
		assert.ErrorContains(t, err, "table inet fw")
	})
}

// This kernel has no flowtables: the error says so, names the flowtable and the next step, and nothing changes.
func TestNoFlowtables(t *testing.T) {
	ns, m := openT(t)
	if ok, _ := testns.HaveFlowtables(testContext(t)); ok {
		t.Skip("not on this kernel: it has flowtables")
	}
	apply(t, m, plain())
	plan, err := m.Plan(testContext(t), fwSpec(devices("lo")))
	require.NoError(t, err)
	for name, do := range map[string]func() error{
		"check": func() error { return m.Check(testContext(t), plan) },
		"apply": func() error { _, err := m.Apply(testContext(t), plan); return err },
	} {
		unchanged(t, ns, func() {
			err := do()
			require.ErrorIs(t, err, ErrNoFlowtables)
			require.ErrorIs(t, err, errors.ErrUnsupported)
			require.ErrorIs(t, err, syscall.ENOENT)
			require.NotErrorIs(t, err, ErrNoDevice)
			var refused *ApplyError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, ruleset.KindFlowtable, refused.Operation.Kind)
			assert.Equal(t, "fast", refused.Operation.Name)
			for _, word := range []string{name, "flowtable inet fw fast", "no flowtables", "nothing was changed", "CONFIG_NF_FLOW_TABLE_INET"} {
				assert.ErrorContains(t, err, word)
			}
		})
	}
	facts, err := m.Facts(testContext(t))
	require.NoError(t, err)
	assert.Equal(t, "flowtables", facts[1].Name)
	assert.Equal(t, "no", facts[1].Answer, facts[1].Evidence)
}

// One rule of many is refused: the error names it, and nothing of the batch stays.
func TestRefusedInTheMiddle(t *testing.T) {
	ns, m := openT(t)
	apply(t, m, plain())
	spec := plain()
	spec.Tables[0].Name = "second"
	rules := &spec.Tables[0].Chains[0].Rules
	unknown := []byte{16, 0, 1, 0, 'n', 'o', '_', 's', 'u', 'c', 'h', '_', 'e', 'x', 'p', 0} // NFTA_EXPR_NAME
	bad := ruleset.R(ruleset.Counter(), ruleset.Statement{Raw: &ruleset.Raw{Text: "frobnicate 7", Expr: [][]byte{unknown}}})
	*rules = append(*rules, bad, ruleset.R(ruleset.Accept()))
	plan, err := m.Plan(testContext(t), spec)
	require.NoError(t, err)
	unchanged(t, ns, func() {
		_, err = m.Apply(testContext(t), plan)
		var refused *ApplyError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, syscall.ENOENT, refused.Errno)
		assert.Equal(t, ruleset.KindRule, refused.Operation.Kind)
		assert.ErrorContains(t, err, "add rule inet second forward counter")
		assert.ErrorContains(t, err, "frobnicate 7")
		assert.ErrorContains(t, err, "raw expressions")
	})
}

func TestOpenOfMissingNamespace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for netns, want := range map[string]error{"no-such-namespace": fs.ErrNotExist, "/proc/self/fd/99999": fs.ErrNotExist, file: fs.ErrInvalid} {
		_, err := Open(testContext(t), &Config{NetNS: netns})
		require.ErrorIs(t, err, want)
		assert.ErrorContains(t, err, netns)
	}
}

func TestOpenByName(t *testing.T) {
	testns.CheckLeaks(t)
	ns := testns.NewNamedT(t, "manager")
	m, err := Open(testContext(t), &Config{NetNS: ns.Name()})
	require.NoError(t, err)
	defer m.Close()
	apply(t, m, plain())
	assert.Contains(t, listing(t, ns), "table inet fw")
}

// Others commit between plan and apply: the plan stays good while what it is about does not change.
func TestApplyAfterForeignCommits(t *testing.T) {
	ns, m := openT(t)
	plan, err := m.Plan(testContext(t), plain())
	require.NoError(t, err)
	require.NoError(t, ns.NFT(testContext(t), "table ip theirs { chain c { }; }\n"))
	generation, err := m.Apply(testContext(t), plan)
	require.NoError(t, err)
	assert.Equal(t, plan.Generation()+2, generation)
	assert.Contains(t, listing(t, ns), "table inet fw")

	again, err := m.Plan(testContext(t), plain())
	require.NoError(t, err)
	assert.Equal(t, generation, again.Generation())
	require.NoError(t, ns.NFT(testContext(t), "delete table inet fw\n"))
	unchanged(t, ns, func() {
		_, err := m.Apply(testContext(t), again)
		require.ErrorIs(t, err, ErrConflict)
		assert.ErrorContains(t, err, "plan again")
	})

	fresh, err := m.Plan(testContext(t), plain())
	require.NoError(t, err)
	require.NoError(t, ns.NFT(testContext(t), "table inet fw { chain mine { }; }\n"))
	unchanged(t, ns, func() {
		_, err := m.Apply(testContext(t), fresh)
		require.ErrorIs(t, err, ErrConflict)
		require.ErrorIs(t, err, ErrForeign)
	})
}

// A plan that was made without looking meets a table of its name.
func TestApplyOfBlindPlan(t *testing.T) {
	ns, m := openT(t)
	resolved, err := plain().Resolve(nil)
	require.NoError(t, err)
	plan, err := ruleset.Diff(nil, resolved)
	require.NoError(t, err)
	generation, err := m.Apply(testContext(t), plan)
	require.NoError(t, err)
	again, err := m.Plan(testContext(t), plain())
	require.NoError(t, err)
	assert.Equal(t, again.Generation(), generation)
	unchanged(t, ns, func() {
		_, err := m.Apply(testContext(t), plan)
		require.ErrorIs(t, err, ErrConflict)
		require.ErrorIs(t, err, syscall.EEXIST)
	})
}

// Writers of one Manager take turns; each either wins or is told to plan again.
func TestConcurrentUse(t *testing.T) {
	ns, m := openT(t)
	var group sync.WaitGroup
	applied := make(chan int, 200)
	for i := range 4 {
		group.Go(func() {
			spec := plain()
			spec.Owner, spec.Tables[0].Name = fmt.Sprintf("owner%d", i), fmt.Sprintf("fw%d", i)
			for range 10 {
				plan, err := m.Plan(testContext(t), spec)
				if !assert.NoError(t, err) {
					return
				}
				if _, err := m.Apply(testContext(t), plan); err == nil {
					applied <- i
				} else {
					assert.ErrorIs(t, err, ErrConflict)
				}
			}
		})
	}
	group.Wait()
	close(applied)
	winners := map[int]bool{}
	for i := range applied {
		winners[i] = true
	}
	assert.Len(t, winners, 4)
	text := listing(t, ns)
	for i := range 4 {
		assert.Contains(t, text, fmt.Sprintf("managed by owner%d", i))
	}
}

func TestFacts(t *testing.T) {
	ns, m := openT(t)
	require.NoError(t, ns.SetSysctl("net.ipv4.ip_forward", "1"))
	facts, err := m.Facts(testContext(t))
	require.NoError(t, err)
	want := map[string]string{"forwarding ipv4": "yes", "forwarding ipv6": "no"}
	var names []string
	for _, f := range facts {
		names = append(names, f.Name)
		assert.NotEmpty(t, f.Evidence, f.Name)
		assert.NotEmpty(t, f.Answer, f.Name)
		if answer, ok := want[f.Name]; ok {
			assert.Equal(t, answer, f.Answer, f.String())
		}
	}
	assert.Equal(t, []string{"release", "flowtables", "by name", "wildcards", "accounting", "events", "timestamps", "forwarding ipv4", "forwarding ipv6",
		"tcp loose", "tcp timeout", "udp timeout", "nf_flow_table", "nf_flow_table_inet", "nft_flow_offload"}, names)
}

func TestTarget(t *testing.T) {
	ns, m := openT(t)
	require.NoError(t, ns.IP(testContext(t), "link add v0 type veth peer name v1"))
	target, err := m.Target(testContext(t))
	require.NoError(t, err)
	release, err := testns.Kernel()
	require.NoError(t, err)
	assert.Equal(t, release.Text, target.Kernel.Release)
	var names []string
	for _, l := range target.Links {
		names = append(names, l.Name)
	}
	assert.Subset(t, names, []string{"lo", "v0", "v1"})
	assert.Equal(t, flowtable.KernelOf(release.Text).ByName, target.Kernel.ByName)
}
