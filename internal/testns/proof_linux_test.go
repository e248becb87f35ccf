package testns

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestProbeCounts compares the probe with what was sent: UDP flows have exactly one packet each way per round trip.
func TestProbeCounts(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	for _, fam := range Families() {
		watched, other, late := r.DialT(t, "udp", fam), r.DialT(t, "udp", fam), r.DialT(t, "udp", fam)
		require.NoError(t, r.Watch(t.Context(), watched.Tuple(), watched.Tuple()))
		sent := uint64(0) // a machine that stalls for a second makes a flow send again
		for range 2 {
			talk, err := watched.RoundTrip(t.Context(), 7, 200)
			require.NoError(t, err)
			sent += uint64(talk.Messages + talk.Resent)
			_, err = other.RoundTrip(t.Context(), 3, 200)
			require.NoError(t, err)
		}
		require.NoError(t, r.Watch(t.Context(), late.Tuple(), watched.Tuple()))

		want := Counter{Packets: sent, Bytes: sent * (200 + 8 + 20)}
		if fam == IPv6 {
			want.Bytes = sent * (200 + 8 + 40)
		}
		waitForEntry(t, r, watched.Tuple(), want)
		got, err := r.Forwarded(t.Context(), watched.Tuple())
		require.NoError(t, err)
		assert.Equal(t, Forwarded{want, want}, got)
		got, err = r.Forwarded(t.Context(), late.Tuple())
		require.NoError(t, err)
		assert.Zero(t, got)
		_, err = r.Forwarded(t.Context(), other.Tuple())
		require.ErrorContains(t, err, "not watched")

		entry, err := Conntrack(t.Context(), r.NS, watched.Tuple())
		require.NoError(t, err)
		assert.Equal(t, want, entry.Original.Counter)
		assert.Equal(t, want, entry.Reply.Counter)
		assert.True(t, entry.Original.Counted)
		assert.Equal(t, "udp", entry.Protocol)
		assert.NotZero(t, entry.ID)
		assert.False(t, entry.Unreplied)
		assert.False(t, entry.Offloaded())
	}
	all, err := ConntrackAll(t.Context(), r.NS)
	require.NoError(t, err)
	assert.Len(t, all, 4, "two flows of each family had packets after tracking began")
}

// waitForEntry waits until the answers to what was sent have all been counted.
func waitForEntry(t *testing.T, r *Router, tuple Tuple, reply Counter) {
	t.Helper()
	require.NoError(t, Poll(t.Context(), tick, func() (bool, error) {
		e, err := Conntrack(t.Context(), r.NS, tuple)
		return e.Reply.Packets >= reply.Packets, err
	}))
}

// TestProbeSeesOneDirection drops the answers, so that only requests come through.
func TestProbeSeesOneDirection(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	f := r.DialT(t, "udp", IPv4)
	require.NoError(t, r.Watch(t.Context(), f.Tuple()))
	require.NoError(t, r.NS.NFT(t.Context(), `
table inet t {
	chain forward {
		type filter hook forward priority 0; policy accept;
		ct direction reply drop
	}
}`))
	ctx, cancel := context.WithTimeout(t.Context(), resendAfter/2)
	defer cancel()
	_, err := f.RoundTrip(ctx, 1, 200)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	got, err := r.Forwarded(t.Context(), f.Tuple())
	require.NoError(t, err)
	assert.Equal(t, Forwarded{Original: Counter{1, 228}}, got)
}

func TestProbeAfterAFlush(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	f := r.DialT(t, "udp", IPv4)
	require.NoError(t, r.Watch(t.Context(), f.Tuple()))
	require.NoError(t, r.NS.NFT(t.Context(), "flush table inet "+ProbeTable+"\n"))
	_, err := r.Forwarded(t.Context(), f.Tuple())
	require.ErrorContains(t, err, "gone")
	require.NoError(t, r.NS.NFT(t.Context(), "delete table inet "+ProbeTable+"\n"))
	_, err = r.Forwarded(t.Context(), f.Tuple())
	require.ErrorContains(t, err, "flushed")
}

func TestSlowPathIsProven(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		e := AssertSlowPath(t, r, r.DialT(t, network, fam), 10*time.Second)
		assert.False(t, e.Bypassed())
		assert.Equal(t, proofRoundTrips, e.RoundTrips)
		original, reply, ok := e.Counted()
		require.True(t, ok)
		assert.GreaterOrEqual(t, original.Packets, uint64(proofRoundTrips))
		assert.GreaterOrEqual(t, reply.Packets, uint64(proofRoundTrips))
	})
}

// TestAssertFastPathFailsOnSlowTraffic wants a failure, and the whole evidence in it.
func TestAssertFastPathFailsOnSlowTraffic(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	for name, fast := range map[string]func(TB, *Router, *Flow, time.Duration) Evidence{
		"any": AssertFastPath, "software": AssertSoftwarePath, "hardware": AssertHardwarePath,
	} {
		t.Run(name, func(t *testing.T) {
			f := r.DialT(t, "tcp", IPv4)
			tb := runFake(func(tb *fakeTB) { fast(tb, r, f, 100*time.Millisecond) })
			require.True(t, tb.failed)
			for _, want := range []string{
				f.Tuple().String(), "path:       slow", "before:", "after:", "ESTABLISHED src=", "table inet " + ProbeTable, "kernel:",
			} {
				assert.Contains(t, tb.text(), want)
			}
			_, err := f.RoundTrip(t.Context(), 1, 100)
			require.NoError(t, err, "the flow survives")
		})
	}
}

func TestAssertSlowPathFailsWithoutTraffic(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	f := r.DialT(t, "udp", IPv4)
	require.NoError(t, r.Echo.Close())
	tb := runFake(func(tb *fakeTB) { AssertSlowPath(tb, r, f, 100*time.Millisecond) })
	require.True(t, tb.failed)
	assert.Contains(t, tb.text(), "refused")
}

// TestUntrackedTrafficProvesNothing: without a conntrack entry the forward counter stands still on the slow path too.
func TestUntrackedTrafficProvesNothing(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	require.NoError(t, r.NS.NFT(t.Context(), `
table inet t {
	chain pre {
		type filter hook prerouting priority raw; policy accept;
		notrack
	}
}`))
	f := r.DialT(t, "udp", IPv4)
	e, err := r.Measure(t.Context(), f, 5)
	require.NoError(t, err)
	path, why := e.Path()
	assert.Equal(t, Unproven, path)
	assert.Contains(t, why, "no entry")
	tb := runFake(func(tb *fakeTB) { AssertFastPath(tb, r, f, 50*time.Millisecond) })
	assert.True(t, tb.failed)
}

// TestEntriesWithoutCounters: entries without counters, as with nf_conntrack_acct=0.
func TestEntriesWithoutCounters(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, &RouterConfig{NoAccounting: true})
	e := AssertSlowPath(t, r, r.DialT(t, "tcp", IPv6), 10*time.Second)
	assert.False(t, e.After.Entry.Original.Counted)
	_, _, ok := e.Counted()
	assert.False(t, ok)
}
