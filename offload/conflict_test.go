package offload_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// What others have in the kernel is told, refused or ignored.
func TestConflictModes(t *testing.T) {
	for _, mode := range []offload.ConflictMode{offload.ConflictsWarn, offload.ConflictsRefuse, offload.ConflictsIgnore} {
		t.Run("mode "+string(mode), func(t *testing.T) {
			m, kernel := onFake(t, offloadtest.Linux72("eth0", "eth1"), &offload.Config{Conflicts: mode})
			beside(t, kernel)
			spec := elephants(flowtable.HardwareOff, "eth0", "eth1")
			findings, err := m.Conflicts(t.Context(), spec)
			require.NoError(t, err)
			require.Len(t, findings, 2)
			assert.Equal(t, "foreign-flowtable", findings[0].Code)
			assert.Equal(t, "skipped-chain", findings[1].Code)
			assert.Contains(t, findings[1].Text, "chain inet theirs forward at forward 20: connections in the fast path skip what it does (log, drop)")

			plan, err := m.Plan(t.Context(), spec)
			require.NoError(t, err)
			warned := strings.Contains(strings.Join(plan.Warnings(), "\n"), findings[0].String())
			assert.Equal(t, mode != offload.ConflictsIgnore, warned)
			kernel.ForeignCommit()
			_, err = m.Apply(t.Context(), plan)
			if mode != offload.ConflictsRefuse {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, offload.ErrObstructed)
			require.NotErrorIs(t, err, offload.ErrConflict)
			for _, f := range findings {
				assert.ErrorContains(t, err, f.String())
			}
			_, err = m.Reconcile(t.Context(), spec)
			require.ErrorIs(t, err, offload.ErrObstructed)
			assert.NotContains(t, kernel.Ruleset(), "table inet fw ")
			_, err = m.Reconcile(t.Context(), spec.WithoutFlowtables())
			require.NoError(t, err, "what offloads nothing is in nobody's way")
			require.NoError(t, m.Off(t.Context(), ""))
			_, err = m.Uninstall(t.Context(), "")
			require.NoError(t, err)
		})
	}
}

// What is only to know of is told, and neither warned of nor refused.
func TestInformationIsNotRefused(t *testing.T) {
	m, kernel := onFake(t, offloadtest.Linux72("eth0", "eth1"), &offload.Config{Conflicts: offload.ConflictsRefuse})
	others, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel})
	require.NoError(t, err)
	applySpec(t, others, &ruleset.Spec{Owner: "them", Tables: []ruleset.Table{{Name: "theirs", Chains: []ruleset.Chain{
		{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{ruleset.R(ruleset.CTState.Is("established"), ruleset.Counter(), ruleset.Accept())}},
	}}}})
	require.NoError(t, others.Close())
	spec := elephants(flowtable.HardwareOff, "eth0", "eth1")
	findings, err := m.Conflicts(t.Context(), spec)
	require.NoError(t, err)
	require.Len(t, findings, 1)
	assert.True(t, findings[0].Information)
	assert.Contains(t, findings[0].Text, "chain inet theirs forward at forward 0: connections in the fast path are not counted by it (counter)")
	plan, err := m.Plan(t.Context(), spec)
	require.NoError(t, err)
	assert.Equal(t, findings, plan.Conflicts())
	assert.NotContains(t, strings.Join(plan.Warnings(), "\n"), "theirs")
	_, err = m.Apply(t.Context(), plan)
	require.NoError(t, err)
}

// A neighbour that comes between the plan and its commit is seen too.
func TestConflictsComeLate(t *testing.T) {
	kernel := &crowded{Kernel: offloadtest.New(t, offloadtest.Linux72("eth0", "eth1"))}
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel, Conflicts: offload.ConflictsRefuse})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	plan, err := m.Plan(t.Context(), elephants(flowtable.HardwareOff, "eth0"))
	require.NoError(t, err)
	assert.Empty(t, plan.Conflicts())
	kernel.others = func() { beside(t, kernel.Kernel) }
	_, err = m.Apply(t.Context(), plan)
	require.ErrorIs(t, err, offload.ErrObstructed)
	assert.NotContains(t, kernel.Ruleset(), "table inet fw ")
}

func TestModesUnknown(t *testing.T) {
	_, err := offload.Open(t.Context(), &offload.Config{Conflicts: "no", Run: offload.RunConfig{Stale: "old"}, Kernel: offloadtest.New(t, nil)})
	assert.ErrorContains(t, err, `Config.Conflicts is "no"`)
	assert.ErrorContains(t, err, `Config.Run.Stale is "old"`)
}

// beside is a ruleset of someone else.
func beside(t *testing.T, kernel *offloadtest.Kernel) {
	t.Helper()
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel})
	require.NoError(t, err)
	applySpec(t, m, &ruleset.Spec{Owner: "them", Tables: []ruleset.Table{{
		Name: "theirs", Flowtables: []flowtable.Spec{{Name: "f", Devices: []flowtable.Selector{{Name: "eth0"}}}},
		Chains: []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward, Priority: "20", Rules: []ruleset.Rule{
			ruleset.R(ruleset.CTState.Is("invalid"), ruleset.Drop()),
			ruleset.R(ruleset.IPSaddr.Is("192.0.2.1"), ruleset.Log("x"), ruleset.Drop()),
			ruleset.R(ruleset.CTState.Is("established"), ruleset.Accept()),
			ruleset.R(ruleset.Counter()),
		}}},
	}}})
	require.NoError(t, m.Close())
}
