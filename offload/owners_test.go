package offload_test

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/runlock"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// of is a Spec of an owner, with a table of a name of its own.
func of(owner, table string) *ruleset.Spec {
	spec := fast("eth0")
	spec.Owner, spec.Tables[0].Name = owner, table
	return spec
}

// TestOwners: who has what is found by the kernel alone, without a Spec.
func TestOwners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := offloadtest.New(t, offloadtest.Linux612("eth0"))
		kernel.SetSysctl(forward, "0")
		m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel})
		require.NoError(t, err)
		owners, err := m.Owners(t.Context())
		require.NoError(t, err)
		assert.Empty(t, owners)

		applySpec(t, m, of("router", "nat"))
		applySpec(t, m, of("guard", "fw"))
		require.NoError(t, m.Off(t.Context(), "guard"))
		_, err = m.SetSettings(t.Context(), "", offload.Setting{Key: forward, Value: "1"})
		require.NoError(t, err)
		plan, err := m.Plan(t.Context(), &ruleset.Spec{Owner: "router"})
		require.NoError(t, err)
		pending, err := m.ApplyConfirm(t.Context(), plan, time.Minute)
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		lasting := strings.Repeat("o", 60)
		go func() { ended <- m.Run(ctx, of(lasting, "long")) }()
		synctest.Wait()

		owners, err = m.Owners(t.Context())
		require.NoError(t, err)
		byName := map[string]offload.Owner{}
		for _, o := range owners {
			byName[o.Name] = o
		}
		require.Len(t, byName, 4)
		guard := byName["guard"]
		require.Len(t, guard.Tables, 1)
		assert.Equal(t, "fw", guard.Tables[0].Name)
		assert.Empty(t, guard.Flowtables, "off took them")
		assert.NotEmpty(t, guard.Off.Since)
		assert.Zero(t, guard.Run)
		router := byName["router"]
		assert.Empty(t, router.Tables)
		assert.Equal(t, pending.Mark(), router.Unconfirmed)
		settings := byName[ruleset.DefaultOwner].Settings
		require.Len(t, settings, 1)
		assert.Equal(t, forward, settings[0].Key)
		run := byName[lasting]
		require.Len(t, run.Flowtables, 1)
		assert.Equal(t, "fast", run.Flowtables[0].Name)
		assert.Equal(t, offload.RunLock{Table: runlock.Table(lasting), Process: os.Getpid(), Since: time.Now().UTC().Format(time.RFC3339)}, run.Run,
			"the lock does not tell so long a name, its table does")
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.NoError(t, pending.Confirm(t.Context()))
		require.NoError(t, m.Close())
	})
}

// TestOwnersOfNothingYet: a Run whose plan is refused has its lock and no tables.
func TestOwnersOfNothingYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := offloadtest.New(t, offloadtest.Linux612("eth0"))
		m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel})
		require.NoError(t, err)
		for _, name := range []string{"b", "a", strings.Repeat("o", 60)} {
			_, release, err := kernel.Lock(t.Context(), name, false)
			require.NoError(t, err)
			defer release()
		}
		owners, err := m.Owners(t.Context())
		require.NoError(t, err)
		require.Len(t, owners, 3)
		for i, want := range []string{"", "a", "b"} {
			assert.Equal(t, want, owners[i].Name)
			assert.NotEmpty(t, owners[i].Run.Table)
		}
		require.NoError(t, m.Close())
	})
}

// TestPlanOff: what off would do is told, and not done.
func TestPlanOff(t *testing.T) {
	m, kernel := onFake(t, offloadtest.Linux612("eth0"), nil)
	applySpec(t, m, fast("eth0"))
	before := kernel.Ruleset()
	plan, err := m.PlanOff(t.Context(), "")
	require.NoError(t, err)
	assert.Contains(t, plan.String(), "delete flowtable inet fw fast")
	assert.Contains(t, plan.String(), "fastpath_off_")
	assert.Equal(t, before, kernel.Ruleset())
	require.NoError(t, m.Off(t.Context(), ""))
	plan, err = m.PlanOff(t.Context(), "")
	require.NoError(t, err)
	assert.True(t, plan.Empty())
	kernel.FailDump(syscall.EPERM)
	_, err = m.Owners(t.Context())
	require.ErrorIs(t, err, syscall.EPERM)
}
