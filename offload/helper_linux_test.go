package offload

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// openT opens a Manager in a fresh namespace.
func openT(t *testing.T) (*testns.Namespace, *Manager) {
	t.Helper()
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "offload")
	m, err := Open(testContext(t), &Config{NetNS: ns.Path()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return ns, m
}

func listing(t *testing.T, ns *testns.Namespace) string {
	t.Helper()
	text, err := ns.Ruleset(testContext(t))
	require.NoError(t, err)
	return text
}

// apply plans and applies, and requires that it works.
func apply(t *testing.T, m *Manager, spec *ruleset.Spec) uint32 {
	t.Helper()
	plan, err := m.Plan(testContext(t), spec)
	require.NoError(t, err)
	generation, err := m.Apply(testContext(t), plan)
	require.NoError(t, err)
	return generation
}

// unchanged runs f and requires that nft lists the same before and after.
func unchanged(t *testing.T, ns *testns.Namespace, f func()) {
	t.Helper()
	before := listing(t, ns)
	f()
	require.Equal(t, before, listing(t, ns), "the kernel changed")
}

// plain is a table without flowtables: every kernel with nf_tables takes it.
func plain() *ruleset.Spec {
	return &ruleset.Spec{Tables: []ruleset.Table{{
		Name: "fw",
		Sets: []ruleset.Set{{Name: "slow", Type: ruleset.IPv4Addr, Interval: true, Elements: []string{"192.0.2.0/24", "198.51.100.7"}}},
		Chains: []ruleset.Chain{
			{Name: "forward", Hook: ruleset.Forward, Policy: ruleset.VerdictDrop, Rules: []ruleset.Rule{
				ruleset.R(ruleset.IPDaddr.Is("@slow"), ruleset.Counter(), ruleset.Accept()).Note("slow ones"),
				ruleset.R(ruleset.Jump("more")),
			}},
			{Name: "more", Rules: []ruleset.Rule{ruleset.R(ruleset.CTState.Is(ruleset.Established), ruleset.Accept())}},
		},
	}}}
}
