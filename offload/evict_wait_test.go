package offload_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
)

// slowTarget is a Kernel whose reading of devices takes until its caller gives up.
type slowTarget struct {
	*offloadtest.Kernel
	asked chan struct{}
}

func (k slowTarget) TargetOf(ctx context.Context, _, _ bool) (*flowtable.Target, error) {
	k.asked <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestEvictWaitsForNoOther: while one Evict reads a machine that does not answer, another ends by its own context.
func TestEvictWaitsForNoOther(t *testing.T) {
	kernel := slowTarget{offloadtest.New(nil, offloadtest.Linux72("eth0", "eth1")), make(chan struct{}, 2)}
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel})
	require.NoError(t, err)
	slow, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	ends := func(ctx context.Context) chan error {
		end := make(chan error, 1)
		go func() {
			_, err := m.Evict(ctx, offload.Eviction{})
			end <- err
		}()
		return end
	}
	first := ends(slow)
	<-kernel.asked
	over, cancel := context.WithCancel(t.Context())
	cancel()
	select {
	case err := <-ends(over):
		assert.ErrorIs(t, err, context.Canceled)
	case <-time.After(10 * time.Second):
		t.Error("the second Evict waits for the first, behind its own context")
	}
	giveUp()
	assert.ErrorIs(t, <-first, context.Canceled)
	assert.NoError(t, m.Close())
}
