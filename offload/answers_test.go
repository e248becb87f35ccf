package offload_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A curt Kernel answers the next batch as it is told, whatever becomes of it; then it is itself.
type curt struct {
	*offloadtest.Kernel
	taken  bool // the batch is committed all the same
	answer error
}

func (c *curt) Commit(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error) {
	answer := c.answer
	c.answer = nil
	if answer != nil && !c.taken {
		return nil, answer
	}
	echoes, err := c.Kernel.Commit(ctx, b)
	return echoes, errors.Join(err, answer)
}

func refusals(list ...ruleset.Refusal) error { return &ruleset.CommitError{Refusals: list} }

// TestWhateverTheKernelAnswers holds Apply against all that nfnetlink answers to a batch (net/netfilter/nfnetlink.c): it never
// waits, never takes one thing for another, and leaves the Manager fit for the next plan.
func TestWhateverTheKernelAnswers(t *testing.T) {
	const erestart = syscall.Errno(85)
	whole := func(e syscall.Errno) error { return refusals(ruleset.Refusal{Message: 0, Errno: int(e)}) }
	for name, c := range map[string]struct {
		answer error
		taken  bool
		want   []error // nil is success
		says   string
	}{
		"one ack, no such subsystem":         {whole(95), false, []error{errors.ErrUnsupported, syscall.Errno(95)}, "no nf_tables"},
		"one ack, another generation":        {whole(erestart), false, nil, ""},
		"one ack, no memory":                 {whole(12), false, []error{syscall.Errno(12)}, "free memory"},
		"one ack, no privilege":              {whole(1), false, []error{syscall.EPERM}, "CAP_NET_ADMIN"},
		"no ack, aborted":                    {&ruleset.CommitError{Unknown: true}, false, []error{}, "nothing was changed"},
		"no ack, committed":                  {&ruleset.CommitError{Unknown: true}, true, nil, ""},
		"one error among acks":               {refusals(ruleset.Refusal{Message: 2, Errno: 22}), false, []error{syscall.EINVAL}, "chain inet fw forward"},
		"two errors":                         {refusals(ruleset.Refusal{Message: 4, Errno: 2}, ruleset.Refusal{Message: 2, Errno: 22}), false, []error{syscall.EINVAL}, "1 more refused"},
		"an error of a message of no batch":  {refusals(ruleset.Refusal{Message: 99, Errno: 22}), false, []error{syscall.EINVAL}, "the batch"},
		"the commit failed, then acks":       {whole(12), false, []error{syscall.Errno(12)}, "the batch"},
		"a batch that does not fit":          {offload.ErrSendBuffer, false, []error{offload.ErrSendBuffer}, ""},
		"a context that ended while it sent": {context.DeadlineExceeded, false, []error{context.DeadlineExceeded}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			kernel := &curt{Kernel: offloadtest.New(t, nil)}
			m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel})
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, m.Close()) })
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			plan, err := m.Plan(ctx, firewall())
			require.NoError(t, err)
			kernel.answer, kernel.taken = c.answer, c.taken
			generation, err := m.Apply(ctx, plan)
			require.NoError(t, ctx.Err(), "it waited")
			if c.want == nil {
				require.NoError(t, err)
				assert.Equal(t, kernel.Generation(), generation)
				return
			}
			require.Error(t, err)
			for _, want := range c.want {
				assert.ErrorIs(t, err, want)
			}
			assert.ErrorContains(t, err, c.says)
			assert.NotErrorIs(t, err, offload.ErrConflict)
			assert.Empty(t, kernel.Ruleset())
			applySpec(t, m, firewall())
		})
	}
}
