package offload_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// refuseFlowtables answers as a kernel without flowtables does.
func refuseFlowtables(b *ruleset.Batch) error {
	for i := range b.Messages() {
		if op, ok := b.Operation(i); ok && op.Kind == ruleset.KindFlowtable {
			return &ruleset.CommitError{Refusals: []ruleset.Refusal{{Message: i, Errno: 2}}}
		}
	}
	return nil
}

// A controller tells by a type and by a word what is wrong, whatever the texts say.
func TestStatusTellsTheCause(t *testing.T) {
	for name, c := range map[string]struct {
		wrong  func(r *running)
		is     error
		reason offload.Reason
	}{
		"another's table": {func(r *running) {
			other := fast("eth0")
			other.Owner = "other"
			r.meddle(other)
		}, offload.ErrForeign, offload.ReasonForeignTable},
		"no privilege":  {func(r *running) { r.kernel.FailDump(syscall.EPERM) }, fs.ErrPermission, offload.ReasonNoPrivilege},
		"no flowtables": {func(r *running) { r.kernel.refuse = refuseFlowtables }, offload.ErrNoFlowtables, offload.ReasonNoFlowtables},
		"a driver":      {func(r *running) { r.kernel.Refuse("eth0") }, offload.ErrHardwareRefused, offload.ReasonHardwareRefused},
		"anything":      {func(r *running) { r.kernel.FailCommit(errBroken) }, errBroken, offload.ReasonOther},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, &watched{Kernel: offloadtest.New(t, offloadtest.Linux61("eth0"))}, offload.RunConfig{})
				c.wrong(r)
				r.start(hardware("eth0"))
				s := r.status()
				assert.Equal(t, offload.PhaseRetrying, s.Phase)
				require.ErrorIs(t, s.Cause, c.is)
				assert.Equal(t, s.Cause.Error(), s.Err)
				assert.Equal(t, c.reason, s.Reason)
				text, err := json.Marshal(s)
				require.NoError(t, err)
				assert.Contains(t, string(text), fmt.Sprintf("%q:%q", "reason", c.reason))
				r.stop(context.Canceled)
				assert.Equal(t, offload.ReasonStopped, r.status().Reason)
				require.ErrorIs(t, r.status().Cause, context.Canceled)
			})
		})
	}
	for err, want := range map[error]offload.Reason{
		nil: "", offload.ErrConflict: offload.ReasonConflict, offload.ErrTakenOver: offload.ReasonTakenOver, errors.ErrUnsupported: offload.ReasonUnsupported,
		&offload.ApplyError{Errno: syscall.EINVAL}: offload.ReasonRefused,
	} {
		assert.Equal(t, want, offload.ReasonOf(err), "%v", err)
	}
}

// A kernel without flowtables is explained once; flowtables and devices bear the word.
func TestNoFlowtablesIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, &watched{Kernel: offloadtest.New(t, offloadtest.Linux61("eth0", "eth1", "eth2"))}, offload.RunConfig{})
		r.kernel.refuse = refuseFlowtables
		r.start(fast("eth0", "eth1", "eth2"))
		s := r.status()
		text, err := json.Marshal(s)
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(string(text), "Next: "), "%s", text)
		require.Len(t, s.Devices, 3)
		for _, d := range s.Devices {
			assert.Equal(t, offload.ReasonNoFlowtables, d.Reason)
			require.ErrorIs(t, d.Cause, offload.ErrNoFlowtables)
			assert.Less(t, len(d.Why), 40)
		}
		assert.Equal(t, offload.ReasonNoFlowtables, s.Flowtables[0].Reason)
		require.ErrorIs(t, s.Flowtables[0].Cause, offload.ErrNoFlowtables)
		r.stop(context.Canceled)
	})
}

// barren is a kernel without flowtables, as it is found when it is tried.
type barren struct{ *offloadtest.Kernel }

func (k barren) Manners(ctx context.Context) (offload.Manners, error) {
	found, err := k.Kernel.Manners(ctx)
	found.Flowtables = offload.Finding{Known: true, Evidence: "tried a flowtable without devices: ENOENT"}
	return found, err
}

// Who only observes is told as well that the kernel has no flowtables, once, with what to do; a Spec without flowtables lacks none.
func TestObservedWithoutFlowtables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := offload.Open(t.Context(), &offload.Config{
			Kernel: barren{offloadtest.New(t, offloadtest.Linux72("eth0", "eth1"))}, Run: offload.RunConfig{Observe: true},
		})
		require.NoError(t, err)
		defer m.Close()
		ctx, stop := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- m.Run(ctx, fast("eth0", "eth1")) }()
		synctest.Wait()
		s := statusOf(t, m)
		assert.Equal(t, offload.PhaseObserving, s.Phase)
		assert.Equal(t, offload.ReasonNoFlowtables, s.Reason)
		require.ErrorIs(t, s.Cause, offload.ErrNoFlowtables)
		assert.Contains(t, s.Err, "tried a flowtable without devices: ENOENT")
		assert.NotEmpty(t, s.Pending)
		assert.Equal(t, 1, strings.Count(s.String(), "Next: boot a kernel with"), "%s", s)
		require.Len(t, s.Devices, 2)
		for _, d := range s.Devices {
			assert.Equal(t, offload.Desired, d.State)
			assert.Equal(t, offload.ReasonNoFlowtables, d.Reason)
			assert.Equal(t, "this kernel has no flowtables", d.Why)
		}
		assert.Equal(t, "this kernel has no flowtables", s.Flowtables[0].Failed)
		assert.Equal(t, offload.ReasonNoFlowtables, s.Flowtables[0].Reason)

		require.NoError(t, m.Update(&ruleset.Spec{Tables: []ruleset.Table{{Name: "plain"}}}))
		synctest.Wait()
		s = statusOf(t, m)
		assert.NotEmpty(t, s.Pending)
		assert.Empty(t, s.Err)
		stop()
		require.ErrorIs(t, <-left, context.Canceled)
	})
}

// Drift is counted, with the time of the last, and what of it is not undone yet.
func TestStatusCountsDrift(t *testing.T) {
	inBubble(t, offloadtest.Linux61("eth0"), offload.RunConfig{MaxChanges: 3}, fast("eth0"), func(t *testing.T, r *running) {
		assert.Zero(t, r.status().DriftCount)
		for n := range 3 {
			r.pass(time.Second)
			r.meddle(meddled("eth0"))
			at := time.Now()
			s := r.status()
			assert.EqualValues(t, n+1, s.DriftCount)
			assert.Equal(t, at, s.DriftAt)
			assert.NotEmpty(t, s.Drift)
			assert.Empty(t, s.DriftOpen, "it is undone")
		}
		r.pass(time.Second)
		r.meddle(meddled("eth0"))
		s := r.status()
		assert.Equal(t, offload.ReasonFrozen, s.Reason)
		require.ErrorIs(t, s.Cause, offload.ErrFrozen)
		assert.EqualValues(t, 4, s.DriftCount)
		assert.Equal(t, s.Drift, s.DriftOpen)
		r.pass(time.Minute)
		s = r.status()
		assert.EqualValues(t, 4, s.DriftCount, "it is the same")
		assert.Empty(t, s.DriftOpen)
		assert.Nil(t, s.Cause)
		assert.Empty(t, s.Reason)
	})
}
