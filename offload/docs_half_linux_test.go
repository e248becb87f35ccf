package offload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsHalfOffloaded lists the device of one side only. Up to 7.1 the flow is tagged [OFFLOAD] all the same, and one direction takes
// the fast path, the other the classic one: the tag is a claim. 7.2 does not offload such a flow.
func TestDocsHalfOffloaded(t *testing.T) {
	l := newLab(t, nil)
	half := l.fast()
	half.Devices = names(l.LANDevice)
	l.apply(t, accelerate(ruleset.Inet, half))
	eachPair(t, func(t *testing.T, network string, fam testns.Family) {
		f := l.DialT(t, network, fam)
		talk(t, f, trips, 100)
		if l.kernel.AtLeast(7, 2) {
			testns.AssertSlowPath(t, l.Router, f, within)
			assert.Equal(t, conntrack.Slow, l.path(t, f))
			return
		}
		require.NoError(t, l.Watch(t.Context(), f.Tuple()))
		assert.Equal(t, conntrack.Software, l.path(t, f))
		seen := l.forwarded(t, f, func() { talk(t, f, trips, 100) })
		assert.Zero(t, seen.Original.Packets, "requests come in by the listed device")
		assert.GreaterOrEqual(t, seen.Reply.Packets, uint64(trips), "answers do not")
		assert.Equal(t, testns.TagOffload, l.tool(t, f).Tag)
		report, err := l.manager.Report(t.Context(), l.watcher)
		require.NoError(t, err)
		require.Len(t, report.Half, 1)
		assert.Equal(t, l.WANDevice, report.Half[0].Device, "the report says so")
	})
}
