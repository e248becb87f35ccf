package offload_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestAnySize applies 10,000 rules and 100,000 elements as one transaction, and then changes ten elements and a rule by as many
// operations.
func TestAnySize(t *testing.T) {
	m, ns := inNamespace(t, nil)
	spec := large(10_000, 100_000)
	plan, err := m.Plan(t.Context(), spec)
	require.NoError(t, err)
	generation, err := m.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, plan.Generation()+1, generation, "one transaction")

	again, err := m.Plan(t.Context(), spec)
	require.NoError(t, err)
	require.True(t, again.Empty(), "%d operations", len(again.Operations()))
	assert.Equal(t, generation, again.Generation())

	other := large(10_000, 100_000)
	set := &other.Tables[0].Sets[0]
	set.Elements = append(slices.Delete(set.Elements, 5000, 5005), "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5")
	other.Tables[0].Chains[0].Rules[7000].Do[0] = ruleset.IPSaddr.Is("192.0.2.9")
	done, err := m.Reconcile(t.Context(), other)
	require.NoError(t, err)
	assert.Len(t, done.Plan.Operations(), 3, "%s", done.Plan)
	batch, err := done.Plan.Batch(nil)
	require.NoError(t, err)
	assert.Less(t, len(batch.Bytes()), 2000, "what is sent is what changed")

	text, err := ns.Run(t.Context(), "", "nft", "list", "chain", "inet", "large", "c")
	require.NoError(t, err)
	assert.Contains(t, text, "192.0.2.9")
	fresh, err := offload.Open(t.Context(), &offload.Config{NetNS: ns.Path()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, fresh.Close()) })
	again, err = fresh.Plan(t.Context(), other)
	require.NoError(t, err)
	assert.True(t, again.Empty(), "%s", again)
}
