package offload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestDocsActCT: tc's action ct puts connections into a table of its own and marks them [OFFLOAD], where no flowtable is. Their packets take the
// classic path, and `flow add` does nothing for them. The bits cannot say whose they are; Report.Half tells that no flowtable sees the packets.
func TestDocsActCT(t *testing.T) {
	l := newLab(t, nil)
	tc := func(args ...string) {
		_, err := l.NS.Run(t.Context(), "", "tc", args...)
		require.NoError(t, err)
	}
	for _, device := range []string{l.LANDevice, l.WANDevice} {
		tc("qdisc", "add", "dev", device, "clsact")
		tc("filter", "add", "dev", device, "ingress", "protocol", "ip", "prio", "1", "flower", "ip_proto", "tcp", "action", "ct")
	}
	f := l.DialT(t, "tcp", testns.IPv4)
	talk(t, f, trips, 100)
	require.NoError(t, l.Watch(t.Context(), f.Tuple()))
	seen := l.forwarded(t, f, func() { talk(t, f, trips, 100) })
	assert.GreaterOrEqual(t, seen.Original.Packets, uint64(trips))
	assert.GreaterOrEqual(t, seen.Reply.Packets, uint64(trips))
	assert.Equal(t, testns.TagOffload, l.tool(t, f).Tag)
	assert.Equal(t, conntrack.Software, l.path(t, f), "a claim")
	report, err := l.manager.Report(t.Context(), l.watcher)
	require.NoError(t, err)
	require.Len(t, report.Half, 2, "both directions")
	assert.Equal(t, l.LANDevice, report.Half[0].Device)
	assert.Equal(t, l.WANDevice, report.Half[1].Device)
}
