package offload_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Taking the lock is a commit of our own: what a Manager read before it is not read again for it, and a plan from before still stands.
func TestRunLockSpoilsNothing(t *testing.T) {
	inBubble(t, offloadtest.Linux72("eth0"), offload.RunConfig{}, fast("eth0"), func(t *testing.T, r *running) {
		r.stop(context.Canceled)
		plan, err := r.m.Plan(r.Context(), fast("eth0"))
		require.NoError(t, err)
		require.True(t, plan.Empty())
		dumps := r.kernel.dumps.Load()
		r.start(fast("eth0"))
		synctest.Wait()
		assert.Equal(t, offload.PhaseSteady, r.status().Phase)
		assert.Equal(t, plan.Generation()+1, r.status().Generation)
		assert.Equal(t, dumps, r.kernel.dumps.Load())
		_, err = r.m.Apply(r.Context(), plan)
		require.NoError(t, err)
		r.stop(context.Canceled)
		plan, err = r.m.Plan(r.Context(), fast("eth0"))
		require.NoError(t, err)
		assert.True(t, plan.Empty())
		assert.Equal(t, dumps, r.kernel.dumps.Load(), "nor when it ends")
		r.start(fast("eth0"))
	})
}

// A lock is nobody's ruleset: it is no conflict, no drift, and stays when everything of its owner goes, or all others' tables.
func TestRunLockIsNoRuleset(t *testing.T) {
	inBubble(t, offloadtest.Linux612("eth0"), offload.RunConfig{}, fast("eth0"), func(t *testing.T, r *running) {
		again := open(t, &watched{Kernel: r.kernel.Kernel}, offload.RunConfig{})
		conflicts, err := again.m.Conflicts(r.Context(), fast("eth0"))
		require.NoError(t, err)
		assert.Empty(t, conflicts)
		have, err := ruleset.Load("", r.kernel.Dump(r.Context()))
		require.NoError(t, err)
		assert.Len(t, have.Tables(), 1)

		r.kernel.ForeignFlush()
		r.pass(time.Second)
		assert.Equal(t, []string{"eth0"}, r.held())
		assert.ErrorIs(t, again.m.Run(r.Context(), fast("eth0")), offload.ErrRunning)
		for _, d := range r.status().Drift {
			assert.NotContains(t, d, "fastpath_run")
		}
	})
}

// Several who ask for a takeover take turns, and one who gives up leaves no request behind.
func TestRunTakeoversTakeTurns(t *testing.T) {
	k := offloadtest.New(t, offloadtest.Linux612("eth0"))
	lost, release, err := k.Lock(t.Context(), "a", false)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-lost; cancel() }()
	_, _, err = k.Lock(ctx, "a", true)
	require.ErrorIs(t, err, context.Canceled)

	const heirs = 3
	done := make(chan error, heirs)
	for range heirs {
		go func() {
			_, release, err := k.Lock(t.Context(), "a", true)
			if err == nil {
				err = release()
			}
			done <- err
		}()
	}
	require.NoError(t, release())
	for range heirs {
		require.NoError(t, <-done)
	}
	_, release, err = k.Lock(t.Context(), "a", false)
	require.NoError(t, err)
	require.NoError(t, release())
}
