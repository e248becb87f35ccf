package offload_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
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

var errBroken = errors.New("broken")

func TestRunTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, &watched{Kernel: offloadtest.New(t, offloadtest.Linux61("eth0"))}, offload.RunConfig{})
		began := time.Now()
		for range 5 {
			r.kernel.FailDump(errBroken)
		}
		r.start(fast("eth0", "eth1"))
		s := r.status()
		assert.Equal(t, offload.PhaseRetrying, s.Phase)
		assert.Contains(t, s.Err, "broken")
		first := s.Retry.Sub(began)
		assert.GreaterOrEqual(t, first, 50*time.Millisecond)
		assert.LessOrEqual(t, first, 100*time.Millisecond)
		r.pass(time.Second)
		s = r.status()
		assert.Equal(t, offload.PhaseRetrying, s.Phase)
		pause := time.Until(s.Retry)
		assert.Greater(t, pause+time.Since(began), time.Second, "pauses grow")
		r.pass(3 * time.Second)
		s = r.status()
		assert.Equal(t, offload.PhaseSteady, s.Phase)
		assert.Empty(t, s.Err)
		assert.Zero(t, s.Retry)

		r.kernel.FailCommit(errBroken)
		r.kernel.AddLink(flowtable.Link{Name: "eth1"})
		assert.Equal(t, offload.PhaseRetrying, r.status().Phase)
		assert.Equal(t, []string{"eth0 bound", "eth1 desired"}, r.states())
		assert.Len(t, r.status().Pending, 1)
		r.pass(time.Second)
		assert.Equal(t, offload.PhaseSteady, r.status().Phase)
		assert.Equal(t, []string{"eth0 bound", "eth1 bound"}, r.states())
		r.stop(context.Canceled)
	})
}

// An event does not wait for the end of a long pause.
func TestEventsWakeWhoRetries(t *testing.T) {
	inBubble(t, offloadtest.Linux61("eth0"), offload.RunConfig{}, fast("eth0"), func(t *testing.T, r *running) {
		var mended atomic.Bool
		r.kernel.refuse = func(*ruleset.Batch) error {
			if !mended.Load() {
				return errBroken
			}
			return nil
		}
		r.kernel.ForeignFlush()
		r.pass(5 * time.Minute)
		pause := time.Until(r.status().Retry)
		assert.LessOrEqual(t, pause, 30*time.Second)
		if pause <= time.Second {
			r.pass(2 * time.Second)
		}
		mended.Store(true)
		r.kernel.ChangeLink("eth0", func(l *flowtable.Link) { l.Up = true })
		assert.Equal(t, offload.PhaseSteady, r.status().Phase)
	})
}

func TestRunSurvivesLostEvents(t *testing.T) {
	inBubble(t, offloadtest.Linux61("eth0"), offload.RunConfig{}, fast("eth0", "eth1"), func(t *testing.T, r *running) {
		r.kernel.LoseEvents()
		r.kernel.AddLink(flowtable.Link{Name: "eth1"})
		r.pass(time.Second)
		assert.Equal(t, []string{"eth0", "eth1"}, r.held())

		r.kernel.FailEvents(errBroken)
		s := r.status()
		assert.Contains(t, s.Err, "changes are not announced: broken")
		r.kernel.DelLink("eth1")
		r.kernel.AddLink(flowtable.Link{Name: "eth1"})
		synctest.Wait()
		assert.Equal(t, []string{"eth0"}, r.held(), "nobody heard of it")
		r.pass(time.Second)
		assert.Equal(t, []string{"eth0", "eth1"}, r.held(), "the next stream begins with a look")
		assert.Empty(t, r.status().Err)
	})
}

// A namespace that is deleted ends its Run, whoever tells of it first.
func TestRunEndsWithItsNamespace(t *testing.T) {
	for name, delete := range map[string]func(k *watched, err error){
		"announced": func(k *watched, err error) { k.FailEvents(err) },
		"found by a look": func(k *watched, err error) {
			k.FailDump(err)
			k.ForeignCommit()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, &watched{Kernel: offloadtest.New(t, offloadtest.Linux61("eth0"))}, offload.RunConfig{Stale: offload.StaleReport})
				r.start(fast("eth0"))
				r.pass(time.Second)
				delete(r.kernel, fmt.Errorf("network namespace %q: %w", "blue", offload.ErrNamespaceGone))
				r.pass(time.Second)
				r.stop(offload.ErrNamespaceGone)
				assert.Contains(t, r.status().Err, "was deleted")
			})
		})
	}
}

// A Kernel that announces nothing is looked at from time to time.
func TestRunWithoutEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := offloadtest.New(t, offloadtest.Linux61("eth0"))
		m, err := offload.Open(t.Context(), &offload.Config{Kernel: struct{ offload.Kernel }{kernel}, Run: offload.RunConfig{Resync: time.Minute}})
		require.NoError(t, err)
		r := &running{T: t, kernel: &watched{Kernel: kernel}, m: m}
		r.start(fast("eth0", "eth1"))
		assert.Equal(t, offload.PhaseSteady, r.status().Phase)
		kernel.AddLink(flowtable.Link{Name: "eth1"})
		r.pass(59 * time.Second)
		assert.Equal(t, []string{"eth0"}, r.held())
		r.pass(2 * time.Second)
		assert.Equal(t, []string{"eth0", "eth1"}, r.held())
		r.stop(context.Canceled)
	})
}

// hardware is a Spec whose flowtable asks drivers, with a table beside it that has nothing to do with it.
func hardware(names ...string) *ruleset.Spec {
	spec := fast(names...)
	spec.Tables[0].Flowtables[0].Hardware = flowtable.HardwareOn
	spec.Tables = append(spec.Tables, ruleset.Table{Name: "rest", Chains: []ruleset.Chain{{Name: "in", Hook: ruleset.Input}}})
	return spec
}

func TestRunLeavesRefusingDevicesOut(t *testing.T) {
	for _, target := range []*flowtable.Target{offloadtest.Linux61("eth0", "eth1"), offloadtest.Linux72("eth0", "eth1")} {
		inBubble(t, target, offload.RunConfig{}, hardware("eth0"), func(t *testing.T, r *running) {
			s := r.status()
			assert.Equal(t, offload.PhaseSteady, s.Phase)
			assert.Equal(t, "asked", s.Flowtables[0].Hardware)
			r.pass(time.Second)

			r.kernel.Refuse("eth1")
			require.NoError(t, r.m.Update(hardware("eth0", "eth1")))
			s = r.status()
			assert.Equal(t, offload.PhaseRetrying, s.Phase)
			assert.Equal(t, []string{"eth0 bound", "eth1 refused"}, r.states(), "what works goes on working")
			assert.Equal(t, []string{"eth0"}, r.held())
			assert.Contains(t, s.Flowtables[0].Failed, "the driver refuses")
			assert.Contains(t, s.Err, "the driver refuses")
			assert.GreaterOrEqual(t, time.Until(s.Retry), 30*time.Second, "drivers are not asked often")
			assert.Equal(t, 2, r.tables())
			changes := s.Changes

			r.pass(20 * time.Second)
			r.kernel.ChangeLink("eth0", func(l *flowtable.Link) { l.Up = true })
			r.pass(time.Second)
			assert.Equal(t, changes, r.status().Changes)
			r.kernel.Accept("eth1")
			r.pass(20 * time.Second)
			s = r.status()
			assert.Equal(t, offload.PhaseSteady, s.Phase)
			assert.Empty(t, s.Flowtables[0].Failed)
			assert.Equal(t, []string{"eth0 bound", "eth1 bound"}, r.states())
		})
	}
}

func TestRunMakesARefusedFlowtableEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, &watched{Kernel: offloadtest.New(t, offloadtest.Linux612("eth0", "eth1"))}, offload.RunConfig{})
		r.kernel.Refuse("eth1")
		r.start(hardware("eth0", "eth1"))
		assert.Equal(t, []string{"eth0 refused", "eth1 refused"}, r.states())
		assert.Empty(t, r.held())
		assert.Equal(t, 2, r.tables(), "the rest is in force")
		assert.NotZero(t, r.status().Flowtables[0].Handle)

		r.kernel.DelLink("eth1") // another device comes in its place
		r.kernel.Accept("eth1")
		r.kernel.AddLink(flowtable.Link{Name: "eth1"})
		r.pass(time.Second)
		assert.Contains(t, r.states(), "eth1 bound", "which is asked at once")
		r.pass(time.Minute)
		assert.Equal(t, []string{"eth0 bound", "eth1 bound"}, r.states())
		r.stop(context.Canceled)
	})
}

// A kernel without flowtables has all the rest.
func TestRunWithoutFlowtables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, &watched{Kernel: offloadtest.New(t, offloadtest.Linux612("eth0"))}, offload.RunConfig{})
		var complete atomic.Bool
		r.kernel.refuse = func(b *ruleset.Batch) error {
			for i := range b.Messages() {
				if op, ok := b.Operation(i); !complete.Load() && ok && op.Kind == ruleset.KindFlowtable {
					return &ruleset.CommitError{Refusals: []ruleset.Refusal{{Message: i, Errno: 2}}}
				}
			}
			return nil
		}
		r.start(fast("eth0"))
		s := r.status()
		assert.Equal(t, offload.PhaseRetrying, s.Phase)
		assert.Contains(t, s.Err, "this kernel has no flowtables")
		assert.Equal(t, []string{"eth0 refused"}, r.states())
		assert.Equal(t, 1, r.rules(), "the counter")
		assert.Contains(t, s.Flowtables[0].Failed, "this kernel has no flowtables")
		r.pass(time.Hour)
		assert.EqualValues(t, 1, r.status().Changes)
		complete.Store(true)
		r.pass(time.Hour)
		assert.Equal(t, offload.PhaseSteady, r.status().Phase)
		assert.Equal(t, []string{"eth0 bound"}, r.states())
		r.stop(context.Canceled)
	})
}

// A device that goes away between the look and the commit costs another look.
func TestRunRacesWithDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, &watched{Kernel: offloadtest.New(t, offloadtest.Linux61("eth0", "eth1"))}, offload.RunConfig{})
		r.kernel.refuse = func(*ruleset.Batch) error {
			r.kernel.DelLink("eth1")
			return nil
		}
		r.start(fast("eth0", "eth1"))
		s := r.status()
		assert.Equal(t, offload.PhaseSteady, s.Phase)
		assert.Equal(t, []string{"eth0 bound", "eth1 missing"}, r.states())
		assert.Empty(t, s.Flowtables[0].Failed)
		r.stop(context.Canceled)
	})
}

// What was refused because of a device is forgotten when that is gone.
func TestRunForgetsDevicesThatAreGone(t *testing.T) {
	inBubble(t, offloadtest.Linux61("eth0", "eth1"), offload.RunConfig{}, hardware("eth0"), func(t *testing.T, r *running) {
		r.pass(time.Second)
		r.kernel.Refuse("eth1")
		require.NoError(t, r.m.Update(hardware("eth0", "eth1")))
		require.Equal(t, offload.PhaseRetrying, r.status().Phase)
		r.pass(time.Second)
		r.kernel.DelLink("eth1")
		r.pass(time.Second)
		s := r.status()
		assert.Equal(t, offload.PhaseSteady, s.Phase)
		assert.Empty(t, s.Err)
		assert.Empty(t, s.Flowtables[0].Failed)
		assert.Equal(t, []string{"eth0 bound", "eth1 missing"}, r.states())
	})
}
