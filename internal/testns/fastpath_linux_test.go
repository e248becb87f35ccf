package testns

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tests of this file need flowtables. The ruleset comes from nft, so that they prove the proof and nothing else.

// within is how long a flow may take to its path, in software emulation too.
const within = 30 * time.Second

// offload loads a flowtable over the given devices and offloads TCP and UDP to it. The options are further lines of it.
func offload(t *testing.T, r *Router, devices, options string) {
	t.Helper()
	require.NoError(t, r.NS.NFT(t.Context(), fmt.Sprintf(`
table inet accel {
	flowtable fast {
		hook ingress priority 0; devices = { %s };
		%s
	}
	chain accelerate {
		type filter hook forward priority filter; policy accept;
		meta l4proto { tcp, udp } flow add @fast
	}
}`, devices, options)))
}

func TestFastPathProof(t *testing.T) {
	RequireFlowtables(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	offload(t, r, "lan0, wan0", "counter")
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		f := r.DialT(t, network, fam)
		e := AssertFastPath(t, r, f, within)
		assert.True(t, e.Bypassed())
		assert.Equal(t, TagOffload, e.After.Entry.Tag)
		if network == "udp" {
			assert.Equal(t, 63, e.Talk.TTL, "the fast path counts the TTL down too")
			assert.Equal(t, uint64(proofRoundTrips+e.Talk.Resent), e.After.Entry.Original.Packets-e.Before.Entry.Original.Packets)
		}
	})
	f := r.DialT(t, "tcp", IPv4)
	for _, other := range []func(TB, *Router, *Flow, time.Duration) Evidence{AssertSlowPath, AssertHardwarePath} {
		tb := runFake(func(tb *fakeTB) { other(tb, r, f, 100*time.Millisecond) })
		assert.True(t, tb.failed)
		assert.Contains(t, tb.text(), "path:       software")
	}
}

// TestFastPathProofOfBulk moves a megabyte each way past the forward hook.
func TestFastPathProofOfBulk(t *testing.T) {
	RequireFlowtables(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	offload(t, r, "lan0, wan0", "counter")
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		f := r.DialT(t, network, fam)
		before := AssertFastPath(t, r, f, within).After
		const size = 1 << 20
		counts, err := f.Exchange(t.Context(), size)
		require.NoError(t, err)
		assert.Equal(t, counts.Sent, counts.Received)

		after, err := r.sample(t.Context(), f.Tuple())
		require.NoError(t, err)
		assert.Equal(t, before.Forwarded, after.Forwarded, "none of it met the forward hook")
		assert.GreaterOrEqual(t, after.Entry.Original.Bytes-before.Entry.Original.Bytes, uint64(size))
		assert.GreaterOrEqual(t, after.Entry.Reply.Bytes-before.Entry.Reply.Bytes, uint64(size))
	})
}

// TestFastPathProofNeedsCounters: without `counter` the bypass shows, but conntrack's counts stand still, so nothing is proven.
func TestFastPathProofNeedsCounters(t *testing.T) {
	RequireFlowtables(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	offload(t, r, "lan0, wan0", "")
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		f := r.DialT(t, network, fam)
		require.NoError(t, Poll(t.Context(), tick, func() (bool, error) {
			e, err := r.Measure(t.Context(), f, 5)
			return e.Bypassed(), err
		}))
		tb := runFake(func(tb *fakeTB) { AssertFastPath(tb, r, f, 100*time.Millisecond) })
		assert.True(t, tb.failed)
		assert.Contains(t, tb.text(), "does the flowtable have `counter`?")
		assert.Contains(t, tb.text(), `tag "OFFLOAD"`)
	})
}

// TestFastPathProofSeesHalfAFlow lists one device of two. Kernels before 7 tag the flow OFFLOAD although its answers take the slow
// path; newer ones do not offload it. The proof must fail on both.
func TestFastPathProofSeesHalfAFlow(t *testing.T) {
	RequireFlowtables(t)
	CheckLeaks(t)
	kernel, err := Kernel()
	require.NoError(t, err)
	r := NewRouterT(t, nil)
	offload(t, r, "lan0", "counter")
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		f := r.DialT(t, network, fam)
		for range 2 { // the first makes the entry
			_, err := r.Measure(t.Context(), f, proofRoundTrips)
			require.NoError(t, err)
		}
		e, err := r.Measure(t.Context(), f, proofRoundTrips)
		require.NoError(t, err)
		fwd := e.Forwarded()
		assert.GreaterOrEqual(t, fwd.Reply.Packets, uint64(proofRoundTrips), "the answers take the slow path: %v", e)
		if !kernel.AtLeast(7, 2) {
			assert.Equal(t, TagOffload, e.After.Entry.Tag)
			assert.Zero(t, fwd.Original.Packets)
		} else {
			assert.False(t, e.After.Entry.Offloaded())
		}
		tb := runFake(func(tb *fakeTB) { AssertFastPath(tb, r, f, 100*time.Millisecond) })
		assert.True(t, tb.failed)
	})
}

// TestFastPathProofComesAndGoes takes flows off the fast path, by IP options and by removing the table, and back.
func TestFastPathProofComesAndGoes(t *testing.T) {
	RequireFlowtables(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		f := r.DialT(t, network, fam)
		AssertSlowPath(t, r, f, within)
		offload(t, r, "lan0, wan0", "counter")
		AssertFastPath(t, r, f, within)

		require.NoError(t, f.SetIPOptions(true))
		e, err := r.Measure(t.Context(), f, proofRoundTrips)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, e.Forwarded().Original.Packets, uint64(proofRoundTrips), "options go the slow path: %v", e)
		require.NoError(t, f.SetIPOptions(false))
		AssertFastPath(t, r, f, within)

		require.NoError(t, r.NS.NFT(t.Context(), "delete table inet accel\n"))
		AssertSlowPath(t, r, f, within)
		require.NoError(t, f.Finish(t.Context()))
	})
}

// TestFastPathProofWithTranslation masquerades: the probe follows the flow by its original tuple.
func TestFastPathProofWithTranslation(t *testing.T) {
	RequireFlowtables(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	require.NoError(t, r.NS.NFT(t.Context(), `
table inet nat {
	chain post {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "wan0" masquerade
	}
}`))
	offload(t, r, "lan0, wan0", "counter")
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		f := r.DialT(t, network, fam)
		e := AssertSoftwarePath(t, r, f, within)
		assert.Equal(t, r.WANAddr(fam), e.Talk.Peer.Addr())
		assert.Equal(t, r.WANAddr(fam), e.After.Entry.Reply.Destination.Addr())
		require.NoError(t, f.Reset())
	})
}
