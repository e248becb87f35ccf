package conntrack

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestUseOfAnIdleConnection: the table of connections holds one reference, in a dump and in a lookup, whose answer holds one of its
// own. On kernels that lose tags this is what tells that no flow is there.
func TestUseOfAnIdleConnection(t *testing.T) {
	testns.RequireNamespaces(t)
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "use")
	many(t, oracle(t, ns), 3)
	w := open(t, ns, Config{})
	seen := 0
	for e, err := range w.Entries(t.Context(), Match{}) {
		require.NoError(t, err)
		seen++
		assert.EqualValues(t, 1, e.Use, "%v", e)
		again, err := w.source.Lookup(t.Context(), e.Key())
		require.NoError(t, err)
		assert.EqualValues(t, 1, again.Use, "%v", again)
	}
	assert.Equal(t, 3, seen)
}
