package conntrack

import (
	"context"
	"errors"
	"io/fs"
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

// A reader that falls behind loses notifications, is told so, and ends with the same table as everybody else.
func TestChangesOverrunAndRecovery(t *testing.T) {
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "overrun")
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_acct", "1"))
	c := oracle(t, ns)
	w := open(t, ns, Config{Poll: often, ReadBuffer: 4096})
	ctx := within(t, 60*time.Second)
	many(t, c, 300)
	table := keys(t, ctx, w)
	const rounds = 5
	overruns, churned := 0, 0
	follow(t, ctx, w, Match{}, func(m *mirror, change Change) bool {
		if change.Kind == Overrun {
			overruns++
			assert.True(t, change.Lost)
		}
		if !m.has(table) {
			return false
		}
		if churned == rounds {
			return true
		}
		// While this reader is busy, far more happens than its queue holds.
		churned++
		_, err := w.Evict(ctx, Match{}, false)
		require.NoError(t, err)
		many(t, c, 300)
		table = keys(t, ctx, w)
		return false
	})
	assert.GreaterOrEqual(t, overruns, rounds)
}

func keys(t *testing.T, ctx context.Context, w *Watcher) map[Key]bool {
	t.Helper()
	all, err := entries(ctx, w, Match{})
	require.NoError(t, err)
	found := map[Key]bool{}
	for _, e := range all {
		found[e.Key()] = true
	}
	return found
}

// has tells whether m holds these connections and no others.
func (m *mirror) has(table map[Key]bool) bool {
	if len(table) != len(m.live) {
		return false
	}
	for k := range m.live {
		if !table[k] {
			return false
		}
	}
	return true
}

// Every byte of many short flows is in the sum of the deltas, whether a flow lived through readings or between two.
func TestChangesSumUpWhatWasSent(t *testing.T) {
	r := testns.NewRouterT(t, nil)
	ctx := within(t, 60*time.Second)
	require.NoError(t, r.NS.NFT(ctx, `table inet t {
		chain c { type filter hook forward priority filter; ct state invalid drop; }
	}`))
	w := open(t, r.NS, Config{Poll: often})
	const flows, messages, size = 60, 5, 200
	finished := make(chan error, 1)
	ctx, stop := context.WithCancelCause(ctx)
	go func() {
		err := traffic(ctx, r, flows, messages, size)
		if err != nil {
			stop(err)
		}
		finished <- err
	}()
	t.Cleanup(func() { stop(nil) })
	m := follow(t, ctx, w, Match{Proto: UDP}, func(m *mirror, _ Change) bool {
		return m.total.Sent.Packets >= flows*messages && m.total.Received.Packets >= flows*messages
	})
	require.NoError(t, <-finished)
	// A datagram that was late is sent again, and counted again.
	assert.LessOrEqual(t, m.total.Sent.Packets, uint64(flows*messages+flows))
	assert.Equal(t, m.total.Sent.Packets*(size+28), m.total.Sent.Bytes, "payload, UDP and IPv4 headers")
	assert.Equal(t, m.total.Received.Packets*(size+28), m.total.Received.Bytes)
}

func traffic(ctx context.Context, r *testns.Router, flows, messages, size int) error {
	for i := range flows {
		f, err := r.Dial(ctx, "udp", testns.IPv4)
		if err != nil {
			return err
		}
		_, err = f.RoundTrip(ctx, messages, size)
		f.Close()
		if err != nil {
			return err
		}
		if i%3 != 0 {
			continue
		}
		// Every third ends at once, so that some live between two readings only.
		t := f.Tuple()
		var deleted error // the tool looks for the entry in a dump, which misses some while other namespaces change the table
		err = testns.Poll(ctx, often, func() (bool, error) {
			_, deleted = r.NS.Run(ctx, "", "conntrack", "-D", "-p", "udp", "--orig-src", t.Source.Addr().String(), "--orig-port-src", portText(t.Source))
			return deleted == nil, nil
		})
		if err != nil {
			return errors.Join(err, deleted)
		}
	}
	return nil
}

func portText(a netip.AddrPort) string { return a.String()[len(a.Addr().String())+1:] }

// However long the poll interval, canceling and closing end the stream.
func TestChangesEndsPromptly(t *testing.T) {
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "prompt")
	require.NoError(t, oracle(t, ns).Create(made(UDP, 0, "10.0.0.1:1", "10.0.0.2:2", 60)))
	for name, end := range map[string]func(context.CancelFunc, *Watcher){
		"cancel": func(cancel context.CancelFunc, _ *Watcher) { cancel() },
		"close":  func(_ context.CancelFunc, w *Watcher) { w.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, ns, Config{Poll: time.Hour})
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var last error
			for _, err := range w.Changes(ctx, Match{}) {
				if last = err; err == nil {
					time.AfterFunc(10*time.Millisecond, func() { end(cancel, w) })
				}
			}
			if name == "cancel" {
				assert.ErrorIs(t, last, context.Canceled)
			} else {
				assert.ErrorIs(t, last, fs.ErrClosed)
			}
		})
	}
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
