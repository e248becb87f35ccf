package offload_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A crowded Kernel is one where others do something before each commit.
type crowded struct {
	*offloadtest.Kernel
	others func()
}

func (c *crowded) Commit(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error) {
	if others := c.others; others != nil {
		c.others = nil
		others()
	}
	return c.Kernel.Commit(ctx, b)
}

func onCrowded(t *testing.T) (*offload.Manager, *crowded) {
	t.Helper()
	kernel := &crowded{Kernel: offloadtest.New(t, nil)}
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	return m, kernel
}

// Others who change our table make a plan worthless: Apply says so, Reconcile plans again.
func TestReconcilePlansAgain(t *testing.T) {
	m, kernel := onCrowded(t)
	other, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel.Kernel})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, other.Close()) })
	interfere := func() { applySpec(t, other, firewall(dropPort(1))) }

	applySpec(t, m, firewall())
	plan, err := m.Plan(t.Context(), firewall(dropPort(22)))
	require.NoError(t, err)
	kernel.others = interfere
	_, err = m.Apply(t.Context(), plan)
	require.ErrorIs(t, err, offload.ErrConflict)

	applySpec(t, other, firewall())
	kernel.others = interfere
	done, err := m.Reconcile(t.Context(), firewall(dropPort(22)))
	require.NoError(t, err)
	assert.Equal(t, 1, done.Conflicts)
	assert.Equal(t, kernel.Generation(), done.Generation)
	again, err := m.Reconcile(t.Context(), firewall(dropPort(22)))
	require.NoError(t, err)
	assert.True(t, again.Plan.Empty(), "%s", again.Plan)
	assert.Equal(t, done.Generation, again.Generation)

	kernel.others = kernel.ForeignCommit
	done, err = m.Reconcile(t.Context(), firewall(dropPort(23)))
	require.NoError(t, err)
	assert.Zero(t, done.Conflicts, "another's table is no conflict")

	kernel.others = func() {
		_, err := other.AddElements(t.Context(), offload.LiveSet{Table: "fw", Set: "slow"}, "10.0.0.1")
		require.NoError(t, err)
	}
	_, err = m.AddElements(t.Context(), offload.LiveSet{Table: "fw", Set: "slow"}, "10.0.0.1", "10.0.0.2")
	require.NoError(t, err, "one of them came meanwhile")
}

// The answer was lost: what the kernel holds decides, of a table that is new, replaced or changed in a rule.
func TestLostAnswers(t *testing.T) {
	for _, applied := range []bool{true, false} {
		m, kernel := onFake(t, nil, nil)
		for _, spec := range []*ruleset.Spec{firewall(), firewall(dropPort(22)), firewall(dropPort(23)), {}} {
			plan, err := m.Plan(t.Context(), spec)
			require.NoError(t, err)
			require.False(t, plan.Empty())
			kernel.LoseAnswer(applied)
			generation, err := m.Apply(t.Context(), plan)
			if applied {
				require.NoError(t, err)
				assert.Equal(t, kernel.Generation(), generation)
				continue
			}
			require.ErrorContains(t, err, "nothing was changed")
			applySpec(t, m, spec)
		}
	}
}

// What a context ends, ends at once, and leaves nothing behind.
func TestContextEndsReconcile(t *testing.T) {
	m, kernel := onCrowded(t)
	ctx, cancel := context.WithCancel(t.Context())
	kernel.others = cancel
	_, err := m.Reconcile(ctx, firewall())
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, kernel.Ruleset())
	_, err = m.Reconcile(ctx, firewall())
	require.ErrorIs(t, err, context.Canceled)
}
