package conntrack

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// often is a poll interval for tests.
const often = 20 * time.Millisecond

// follow applies changes to a mirror until done says so, which is asked after each change but Synced.
func follow(t *testing.T, ctx context.Context, w *Watcher, m Match, done func(*mirror, Change) bool) *mirror {
	t.Helper()
	mirror := newMirror()
	for c, err := range w.Changes(ctx, m) {
		require.NoError(t, err, "because of: %v", context.Cause(ctx))
		require.NoError(t, mirror.apply(c))
		if c.Kind != Synced && done(mirror, c) {
			return mirror
		}
	}
	require.Fail(t, "the stream ended")
	return nil
}

func TestChangesOfTheKernel(t *testing.T) {
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "changes")
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_acct", "1"))
	c := oracle(t, ns)
	w := open(t, ns, Config{Poll: often})
	old := made(UDP, 0, "10.0.0.1:1", "10.0.0.2:2", 60)
	young := made(TCP, 0, "[2001:db8::1]:1", "[2001:db8::2]:2", 60)
	require.NoError(t, c.Create(old))
	var kinds []string
	follow(t, within(t, 20*time.Second), w, Match{}, func(m *mirror, change Change) bool {
		kinds = append(kinds, change.Kind.String()+" "+ProtocolName(change.Entry.Orig.Proto))
		switch len(kinds) {
		case 1:
			require.NoError(t, c.Create(young))
		case 2:
			assert.False(t, change.Entry.Sent.OK, "a notification has no counters")
			require.NoError(t, c.Delete(young))
		case 3:
			assert.True(t, change.Entry.Sent.OK, "the last one has")
			assert.False(t, change.Lost)
			require.NoError(t, c.Delete(old))
		}
		return len(kinds) == 4
	})
	assert.Equal(t, []string{"new udp", "new tcp", "destroyed tcp", "destroyed udp"}, kinds)
}

// With nf_conntrack_events=2, the default, what began before anybody listened ends without a message. Kernels ask whether anybody listens in
// any namespace (nf_ctnetlink_has_listener), so 0 stands in for that nobody does.
func TestChangesOfAConnectionOlderThanAnyListener(t *testing.T) {
	ns := testns.NewT(t, "older")
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_events", "0"))
	c := oracle(t, ns)
	old := made(UDP, 0, "10.0.0.1:1", "10.0.0.2:2", 60)
	require.NoError(t, c.Create(old))
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_events", "2"))
	w := open(t, ns, Config{Poll: often})
	follow(t, within(t, 20*time.Second), w, Match{}, func(_ *mirror, change Change) bool {
		if change.Kind == New {
			require.NoError(t, c.Delete(old))
			return false
		}
		assert.Equal(t, Destroyed, change.Kind)
		assert.True(t, change.Lost)
		return true
	})
}

// The match selects connections, not moments; ASSURED stands in for the offload bits, which only a flowtable sets.
func TestChangesFollowsWhatMatchedOnce(t *testing.T) {
	ns := testns.NewT(t, "once")
	c := oracle(t, ns)
	w := open(t, ns, Config{Poll: often})
	marked := made(UDP, 0, "10.0.0.1:1", "10.0.0.2:2", 60)
	marked.Mark = 1
	other := made(UDP, 0, "10.0.0.3:1", "10.0.0.2:2", 60)
	require.NoError(t, c.Create(marked))
	require.NoError(t, c.Create(other))
	follow(t, within(t, 20*time.Second), w, Match{Mark: 1}, func(_ *mirror, change Change) bool {
		require.Equal(t, netip.MustParseAddrPort("10.0.0.1:1"), change.Entry.Orig.Src)
		if change.Kind == New {
			marked.Mark = 2
			require.NoError(t, c.Update(marked))
			require.NoError(t, c.Delete(other))
			require.NoError(t, c.Delete(marked))
			return false
		}
		return assert.Equal(t, Destroyed, change.Kind)
	})
}

// One watcher serves several streams and dumps at a time.
func TestWatcherIsSafeForConcurrentUse(t *testing.T) {
	ns := testns.NewT(t, "several")
	c := oracle(t, ns)
	many(t, c, 100)
	w := open(t, ns, Config{Poll: often})
	ctx := within(t, 30*time.Second)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			seen := 0
			for _, err := range w.Changes(ctx, Match{}) {
				if !assert.NoError(t, err) {
					return
				}
				if seen++; seen == 100 {
					return
				}
			}
		})
		wg.Go(func() {
			for range 5 {
				all, err := entries(ctx, w, Match{})
				assert.NoError(t, err)
				assert.Len(t, all, 100)
			}
		})
	}
	wg.Wait()
}
