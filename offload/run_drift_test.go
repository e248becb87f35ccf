package offload_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// meddle is another program that puts a Spec in the place of ours.
func (r *running) meddle(spec *ruleset.Spec) {
	r.Helper()
	m, err := offload.Open(r.Context(), &offload.Config{Kernel: r.kernel.Kernel})
	require.NoError(r, err)
	_, err = m.Reconcile(r.Context(), spec)
	require.NoError(r, err)
	synctest.Wait()
}

// meddled is a Spec with one rule less.
func meddled(names ...string) *ruleset.Spec {
	spec := fast(names...)
	rules := &spec.Tables[0].Chains[0].Rules
	*rules = (*rules)[:1]
	return spec
}

func (r *running) rules() int {
	r.Helper()
	have, err := ruleset.Load("", r.kernel.Kernel.Dump(context.Background()))
	require.NoError(r, err)
	return len(have.Rules())
}

func TestRunRepairs(t *testing.T) {
	for _, target := range []*flowtable.Target{offloadtest.Linux61("eth0"), offloadtest.Linux72("eth0")} {
		inBubble(t, target, offload.RunConfig{}, fast("eth0"), func(t *testing.T, r *running) {
			r.pass(time.Second)
			r.kernel.ForeignFlush()
			synctest.Wait()
			assert.Equal(t, []string{"eth0"}, r.held(), "repaired at once")
			s := r.status()
			assert.Equal(t, offload.PhaseSteady, s.Phase)
			require.NotEmpty(t, s.Drift)
			assert.Contains(t, s.Drift[0], "create table inet fw")
			assert.Equal(t, []string{"another program (process 2)"}, s.DriftBy)
			assert.Empty(t, s.Pending)

			r.pass(time.Second)
			r.meddle(meddled("eth0"))
			assert.Equal(t, 2, r.rules())
			s = r.status()
			require.Len(t, s.Drift, 1)
			assert.Contains(t, s.Drift[0], "add rule inet fw forward counter")

			r.pass(time.Second)
			changes := s.Changes
			r.kernel.ForeignCommit()
			r.pass(time.Second)
			assert.Equal(t, changes, r.status().Changes, "what others do to their own tables is theirs")
		})
	}
}

// Somebody takes a device out that is there: on Linux 6.1, too, that is told from a device that went.
func TestRunTellsDevicesFromDrift(t *testing.T) {
	inBubble(t, offloadtest.Linux61("eth0", "eth1"), offload.RunConfig{}, fast("eth0", "eth1"), func(t *testing.T, r *running) {
		r.pass(time.Second)
		r.meddle(fast("eth0"))
		assert.Equal(t, []string{"add flowtable inet fw fast { hook ingress priority filter; devices = { \"eth1\" }; counter; }"}, r.status().Drift)
		assert.Equal(t, []string{"eth0", "eth1"}, r.held())
	})
}

func TestRunReportsOnly(t *testing.T) {
	inBubble(t, offloadtest.Linux61("eth0"), offload.RunConfig{ReportOnly: true}, fast("eth0", "eth1"), func(t *testing.T, r *running) {
		assert.Equal(t, offload.PhaseSteady, r.status().Phase, "what is declared is applied")
		r.pass(time.Second)
		r.meddle(meddled("eth0", "eth1"))
		s := r.status()
		assert.Equal(t, offload.PhaseDrifted, s.Phase)
		assert.Equal(t, s.Drift, s.Pending)
		require.Len(t, s.Drift, 1)
		assert.Equal(t, 1, r.rules())

		r.kernel.AddLink(flowtable.Link{Name: "eth1"})
		r.pass(time.Second)
		s = r.status()
		assert.Equal(t, offload.PhaseDrifted, s.Phase)
		assert.Len(t, s.Drift, 1)
		assert.Len(t, s.Pending, 2, "the device waits")
		assert.Equal(t, []string{"eth0 bound", "eth1 desired"}, r.states())

		require.NoError(t, r.m.Update(fast("eth0", "eth1")))
		s = r.status()
		assert.Equal(t, offload.PhaseSteady, s.Phase)
		assert.Empty(t, s.Drift)
		assert.Equal(t, 2, r.rules())
		assert.Equal(t, []string{"eth0 bound", "eth1 bound"}, r.states())

		r.pass(time.Second)
		r.meddle(meddled("eth0", "eth1"))
		r.pass(time.Second)
		assert.Equal(t, offload.PhaseDrifted, r.status().Phase)
		r.meddle(fast("eth0", "eth1"))
		r.pass(time.Second)
		assert.Equal(t, offload.PhaseSteady, r.status().Phase, "somebody put it right")
	})
}

func TestRunObserves(t *testing.T) {
	inBubble(t, offloadtest.Linux61("eth0"), offload.RunConfig{Observe: true}, fast("eth0"), func(t *testing.T, r *running) {
		s := r.status()
		assert.Equal(t, offload.PhaseObserving, s.Phase)
		assert.NotEmpty(t, s.Pending)
		assert.Equal(t, []string{"eth0 desired"}, r.states())
		assert.Zero(t, r.tables())

		writer := open(t, &watched{Kernel: r.kernel.Kernel}, offload.RunConfig{})
		writer.start(fast("eth0"))
		r.pass(time.Second)
		s = r.status()
		assert.Equal(t, offload.PhaseObserving, s.Phase)
		assert.Empty(t, s.Pending)
		assert.Equal(t, []string{"eth0 bound"}, r.states())
		writer.stop(context.Canceled)

		r.kernel.ForeignFlush()
		r.pass(time.Second)
		s = r.status()
		assert.NotEmpty(t, s.Drift)
		assert.NotEmpty(t, s.Pending)
		assert.Zero(t, s.Changes)
		assert.Zero(t, r.kernel.commits.Load())
		assert.Zero(t, r.tables())
	})
}

// Two who want different things do not thrash for long.
func TestRunFreezes(t *testing.T) {
	inBubble(t, offloadtest.Linux61("eth0"), offload.RunConfig{MaxChanges: 5}, fast("eth0"), func(t *testing.T, r *running) {
		for range 10 {
			r.pass(time.Second)
			r.kernel.ForeignFlush()
		}
		s := r.status()
		assert.Equal(t, offload.PhaseFrozen, s.Phase)
		assert.EqualValues(t, 6, s.Changes, "the first undid nothing")
		assert.Contains(t, s.Err, "5 commits within a minute")
		assert.NotEmpty(t, s.Drift)
		assert.NotEmpty(t, s.Pending)
		assert.Equal(t, s.Since.Add(time.Minute), s.Retry)
		assert.Zero(t, r.tables())

		r.pass(time.Minute)
		s = r.status()
		assert.Equal(t, offload.PhaseSteady, s.Phase)
		assert.EqualValues(t, 7, s.Changes)
		assert.Empty(t, s.Err)

		for range 10 {
			r.pass(time.Second)
			r.kernel.ForeignFlush()
		}
		assert.Equal(t, offload.PhaseFrozen, r.status().Phase)
		require.NoError(t, r.m.Update(fast("eth0")))
		assert.Equal(t, offload.PhaseSteady, r.status().Phase, "Update thaws")
	})
}

// Subscribers come and go, one after the other: each is served within a second, however long that goes on.
func TestRunFollowsSubscribers(t *testing.T) {
	inBubble(t, offloadtest.Linux61("eth0"), offload.RunConfig{}, fast("eth0", "ppp*"), func(t *testing.T, r *running) {
		began, before := time.Now(), r.kernel.commits.Load()
		r.pass(time.Second)
		came := map[string]time.Time{}
		for n := range 450 {
			name := fmt.Sprintf("ppp%d", n)
			r.kernel.AddLink(flowtable.Link{Name: name, Up: true})
			came[name] = time.Now()
			if n%3 == 2 {
				r.kernel.DelLink(name)
				delete(came, name)
			}
			if n%5 == 4 {
				r.kernel.ForeignCommit() // which makes a Run look before its time
			}
			r.pass(400 * time.Millisecond)
			held := map[string]bool{}
			for _, name := range r.held() {
				held[name] = true
			}
			for name, at := range came {
				if time.Since(at) > time.Second {
					require.True(t, held[name], "%s after %v", name, time.Since(at))
				}
			}
			require.NotEqual(t, offload.PhaseFrozen, r.status().Phase, r.status().Err)
		}
		assert.Empty(t, r.status().Drift)
		assert.LessOrEqual(t, r.kernel.commits.Load()-before, int64(time.Since(began)/time.Second))
		r.pass(time.Second)
		assert.Len(t, r.held(), 301)
		assert.Equal(t, offload.PhaseSteady, r.status().Phase)
	})
}

// The kill switch of another process is heard of, and is no drift.
func TestRunIsSwitchedOff(t *testing.T) {
	inBubble(t, offloadtest.Linux61("eth0"), offload.RunConfig{}, fast("eth0"), func(t *testing.T, r *running) {
		other, err := offload.Open(t.Context(), &offload.Config{Kernel: r.kernel.Kernel})
		require.NoError(t, err)
		r.pass(time.Second)
		require.NoError(t, other.Off(t.Context(), ""))
		s := r.status()
		assert.Equal(t, offload.PhaseOff, s.Phase)
		mark, is, err := other.IsOff(t.Context(), "")
		require.NoError(t, err)
		require.True(t, is)
		assert.Equal(t, mark, s.Off)
		assert.Contains(t, s.String(), "off since "+mark.Since)
		assert.Empty(t, s.Drift)
		assert.Empty(t, s.Pending)
		assert.Equal(t, []string{"eth0 desired"}, r.states())
		assert.Contains(t, s.Devices[0].Why, "switched off")
		require.Len(t, s.Flowtables, 1)
		assert.Contains(t, s.Flowtables[0].Failed, "switched off")
		assert.Equal(t, 1, r.rules(), "the counter")

		r.kernel.AddLink(flowtable.Link{Name: "eth1"})
		r.pass(time.Second)
		assert.Equal(t, offload.PhaseOff, r.status().Phase)
		require.NoError(t, other.On(t.Context(), ""))
		r.pass(time.Second)
		assert.Equal(t, offload.PhaseSteady, r.status().Phase)
		assert.Zero(t, r.status().Off)
		assert.Equal(t, []string{"eth0 bound"}, r.states())
		assert.Empty(t, r.status().Drift)
	})
}
