package offload_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// bulk is how many bytes the bulk tests move in each direction.
const bulk = 512 << 10

// TestDocsBypass moves half a megabyte each way: every byte comes back as it was sent, conntrack counts them all, and the forward hook sees
// not one packet.
func TestDocsBypass(t *testing.T) {
	l := newLab(t, nil)
	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	eachFlow(t, func(t *testing.T, network string, fam testns.Family) {
		f := l.dialFast(t, network, fam)
		before := l.entry(t, f)
		seen := l.forwarded(t, f, func() { exchange(t, f) })
		after := l.entry(t, f)
		assert.Zero(t, seen, "the forward hook saw none of it")
		assert.Equal(t, before.Key(), after.Key())
		assert.Equal(t, conntrack.Software, after.Path())
		assert.GreaterOrEqual(t, after.Sent.Bytes-before.Sent.Bytes, uint64(bulk))
		assert.GreaterOrEqual(t, after.Received.Bytes-before.Received.Bytes, uint64(bulk))
	})
}

// exchange moves the bulk both ways and checks its content. UDP is repeated if datagrams were lost.
func exchange(t *testing.T, f *testns.Flow) {
	t.Helper()
	require.NoError(t, await(t, func(ctx context.Context) (bool, error) {
		counts, err := f.Exchange(ctx, bulk)
		return counts.Sent == counts.Received && counts.Sent >= bulk, err
	}))
}
