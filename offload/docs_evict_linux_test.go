package offload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsEvict deletes the entry of an offloaded flow: DESTROY tells its final counters, still as offloaded, and the flow goes on as a
// new connection that is offloaded again.
func TestDocsEvict(t *testing.T) {
	// By default, conntrack prepares notifications only for connections that begin while somebody listens.
	l := newLab(t, &testns.RouterConfig{Sysctls: map[string]string{"net.netfilter.nf_conntrack_events": "1"}})
	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	eachPair(t, func(t *testing.T, network string, fam testns.Family) {
		f := l.dialFast(t, network, fam)
		talk(t, f, trips, 100)
		d := l.follow(t, f)
		before := l.entry(t, f)
		gone, err := l.watcher.Evict(t.Context(), matchOf(f), false)
		require.NoError(t, err)
		require.Len(t, gone, 1)
		assert.Equal(t, before.Key(), gone[0].Entry.Key())

		end := d.await(t, "DESTROY", func(c conntrack.Change) bool { return c.Kind == conntrack.Destroyed })
		assert.False(t, end.Lost)
		assert.Equal(t, before.Key(), end.Entry.Key())
		assert.Equal(t, conntrack.Software, end.Entry.Path(), "%v", end.Entry)
		assert.True(t, end.Entry.Sent.OK)
		if network == "udp" {
			assert.Equal(t, before.Sent, end.Entry.Sent, "the flow was quiet")
			assert.Equal(t, before.Received, end.Entry.Received)
		}
		assert.GreaterOrEqual(t, end.Entry.Sent.Packets, before.Sent.Packets)
		assert.GreaterOrEqual(t, end.Entry.Received.Bytes, before.Received.Bytes)

		talk(t, f, 3, 100)
		d.await(t, "the new connection", func(c conntrack.Change) bool { return c.Kind == conntrack.New })
		testns.AssertSoftwarePath(t, l.Router, f, within)
		assert.Equal(t, conntrack.Software, l.path(t, f))
	})
}
