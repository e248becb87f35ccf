package offload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsCounter: with `counter`, conntrack counts each offloaded packet, with the length of its IP packet.
func TestDocsCounter(t *testing.T) {
	const size = 160
	l := newLab(t, nil)
	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	eachFamily(t, func(t *testing.T, fam testns.Family) {
		f := l.dialFast(t, "udp", fam)
		want := conntrack.Counters{Packets: trips, Bytes: trips * (size + udpOverhead(fam)), OK: true}
		var before, after conntrack.Entry
		for range 5 { // a machine so slow that requests are sent again has to try again, too
			before = l.entry(t, f)
			talk(t, f, trips, size)
			after = l.entry(t, f)
			if since(before.Sent, after.Sent) == want && since(before.Received, after.Received) == want {
				break
			}
		}
		assert.Equal(t, want, since(before.Sent, after.Sent))
		assert.Equal(t, want, since(before.Received, after.Received))
		tool := l.tool(t, f)
		assert.Equal(t, after.Sent.Packets, tool.Original.Packets)
		assert.Equal(t, after.Sent.Bytes, tool.Original.Bytes)
		assert.Equal(t, after.Received.Packets, tool.Reply.Packets)
	})
}

// since is what was counted after before.
func since(before, after conntrack.Counters) conntrack.Counters {
	return conntrack.Counters{Packets: after.Packets - before.Packets, Bytes: after.Bytes - before.Bytes, OK: before.OK && after.OK}
}

// TestDocsNoCounter: without `counter`, conntrack's counters stand still from the moment on in which a flow is offloaded.
func TestDocsNoCounter(t *testing.T) {
	l := newLab(t, nil)
	f := l.fast()
	f.NoCounter = true
	l.apply(t, accelerate(ruleset.Inet, f))
	eachPair(t, func(t *testing.T, network string, fam testns.Family) {
		f := l.DialT(t, network, fam)
		talk(t, f, trips, 100)
		l.awaitEntry(t, f, "the offload", func(e conntrack.Entry) bool { return e.Path() == conntrack.Software })
		require.NoError(t, l.Watch(t.Context(), f.Tuple()))
		before := l.entry(t, f)
		seen := l.forwarded(t, f, func() { talk(t, f, trips, 100) })
		after := l.entry(t, f)
		assert.Zero(t, seen, "in the fast path all the same")
		assert.True(t, after.Sent.OK, "counters are there")
		assert.Equal(t, before.Sent, after.Sent, "and frozen")
		assert.Equal(t, before.Received, after.Received)
		assert.Less(t, after.Sent.Packets, uint64(trips), "they hold what the classic path counted")
	})
}

// TestDocsNoAccounting: with net.netfilter.nf_conntrack_acct=0 an entry has no counters, whatever the flowtable says. Unavailable is
// told from zero. Entries made after accounting was switched on have them.
func TestDocsNoAccounting(t *testing.T) {
	l := newLab(t, &testns.RouterConfig{NoAccounting: true})
	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	settings, err := l.watcher.Settings(t.Context())
	require.NoError(t, err)
	assert.False(t, settings.Accounting)
	f := l.DialT(t, "udp", testns.IPv4)
	talk(t, f, trips, 100)
	e := l.awaitEntry(t, f, "the offload", func(e conntrack.Entry) bool { return e.Path() == conntrack.Software })
	require.NoError(t, l.Watch(t.Context(), f.Tuple()))
	assert.Zero(t, l.forwarded(t, f, func() { talk(t, f, trips, 100) }))
	assert.Equal(t, conntrack.Counters{}, e.Sent)
	assert.Equal(t, conntrack.Counters{}, e.Received)
	assert.False(t, l.tool(t, f).Original.Counted)

	require.NoError(t, l.NS.SetSysctl("net.netfilter.nf_conntrack_acct", "1"))
	talk(t, f, trips, 100)
	assert.False(t, l.entry(t, f).Sent.OK, "an entry that was made without counters stays so")
	assert.True(t, l.entry(t, l.dialFast(t, "udp", testns.IPv4)).Sent.OK)
}
