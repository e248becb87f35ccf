package offload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestWatchOnTheKernel: the flowtable of a flow is known by what the rules in force announce, whoever loaded them.
func TestWatchOnTheKernel(t *testing.T) {
	l := newLab(t, nil)
	l.apply(t, l.policed([]ruleset.Policy{{Flowtable: "fast", Announce: "0x100"}}))
	eachPair(t, func(t *testing.T, network string, fam testns.Family) {
		f := l.dialFast(t, network, fam)
		w, err := openManager(t, l.NS).Watch(t.Context(), nil)
		require.NoError(t, err)
		defer w.Close()
		told := 0
		for e, err := range w.Entries(t.Context(), matchOf(f)) {
			require.NoError(t, err)
			assert.Equal(t, conntrack.Software, e.Path())
			assert.Equal(t, "fast", e.Flowtable)
			told++
		}
		assert.Equal(t, 1, told)
		report, err := l.manager.Report(t.Context(), w)
		require.NoError(t, err)
		assert.Contains(t, report.String(), "fast")
		unknown, err := l.manager.Report(t.Context(), l.watcher)
		require.NoError(t, err)
		assert.NotContains(t, unknown.String(), "fast")
		assert.Equal(t, report.Total.Flows, unknown.Total.Flows)
	})
}
