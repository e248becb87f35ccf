package conntrack

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// An audience are watchers of one namespace in which n connections began.
type audience struct {
	ns      *testns.Namespace
	flows   int
	watcher *Watcher // with room for everything
}

// assemble begins n connections of one packet each, of 29 bytes.
func assemble(t *testing.T, n int) *audience {
	t.Helper()
	ns := testns.NewT(t, "reliable")
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_events", "1"))
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_acct", "1"))
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_udp_timeout", "600"))
	require.NoError(t, ns.NFT(within(t, 10*time.Second), `table inet t { chain c { type filter hook output priority filter; ct state new counter; }; }`))
	storm(t, ns, n)
	return &audience{ns, n, open(t, ns, Config{})}
}

// hear is an ear for all notifications with a queue of the least size.
func (a *audience) hear(t *testing.T, reliable bool) Subscription {
	t.Helper()
	return subscribe(t, open(t, a.ns, Config{ReadBuffer: 1, Reliable: reliable}), Match{})
}

// endAll deletes the connections and returns how many the kernel still counts and how many its table still shows.
func (a *audience) endAll(t *testing.T, ctx context.Context) (counted, shown int) {
	t.Helper()
	_, err := a.watcher.Evict(ctx, Match{}, false)
	require.NoError(t, err)
	s, err := a.watcher.Settings(ctx)
	require.NoError(t, err)
	left, err := entries(ctx, a.watcher, Match{})
	require.NoError(t, err)
	return s.Count, len(left)
}

// ends counts how often each connection's end is heard, until there are n of them.
func ends(t *testing.T, ctx context.Context, s Subscription, n int) (heard map[Key]int, overruns int) {
	t.Helper()
	heard = map[Key]int{}
	for len(heard) < n {
		for e, err := range s.Notifications(ctx, time.Second) {
			if errors.Is(err, ErrOverrun) {
				overruns++
				continue
			}
			require.NoError(t, err, "%d of %d ends", len(heard), n)
			require.Equal(t, NotifyDestroy, e.Kind)
			require.Equal(t, Counters{Packets: 1, Bytes: 29, OK: true}, e.Entry.Sent)
			if heard[e.Entry.Key()]++; len(heard) == n {
				break
			}
		}
	}
	return heard, overruns
}

// Ends for which there is no room come when there is; without Config.Reliable they are lost.
func TestReliableTellsEveryEnd(t *testing.T) {
	testns.CheckLeaks(t)
	a := assemble(t, 100)
	ctx := within(t, time.Minute)
	lossy := a.hear(t, false)
	counted, shown := a.endAll(t, ctx)
	assert.Zero(t, counted)
	assert.Zero(t, shown)
	heard, lost := 0, 0
	for _, err := range lossy.Notifications(ctx, 0) {
		if errors.Is(err, ErrOverrun) {
			lost++
			continue
		}
		require.NoError(t, err)
		heard++
	}
	assert.Equal(t, 1, lost)
	assert.Less(t, heard, a.flows/2)
	require.NoError(t, lossy.Close())

	storm(t, a.ns, a.flows)
	reliable := a.hear(t, true)
	counted, shown = a.endAll(t, ctx)
	assert.Greater(t, counted, a.flows/2, "connections that wait to be told of count against nf_conntrack_max")
	assert.Zero(t, shown)
	_, overruns := ends(t, ctx, reliable, a.flows)
	assert.Positive(t, overruns, "the reader was too slow, and is told so")
	require.NoError(t, testns.Poll(ctx, often, func() (bool, error) {
		s, err := a.watcher.Settings(ctx)
		return s.Count == 0, err
	}), "told of, they are gone")
}

// What the kernel tells again it tells everybody: an end may be heard more than once.
func TestReliableRepeatsEndsToOthers(t *testing.T) {
	a := assemble(t, 50)
	ctx := within(t, time.Minute)
	other := subscribe(t, a.watcher, Match{})
	a.hear(t, true)
	a.endAll(t, ctx)
	heard, _ := ends(t, ctx, other, a.flows)
	for _, times := range heard {
		if times > 1 {
			return
		}
	}
	for e, err := range other.Notifications(ctx, 30*time.Second) {
		require.NoError(t, err)
		assert.Equal(t, NotifyDestroy, e.Kind)
		assert.Contains(t, heard, e.Entry.Key())
		return
	}
	require.Fail(t, "no end was repeated")
}

// A beginning for which there was no room comes with the connection's next news, as a beginning.
func TestReliableBeginningComesLate(t *testing.T) {
	a := assemble(t, 50)
	ctx := within(t, time.Minute)
	ear := a.hear(t, true)
	c := oracle(t, a.ns)
	late := made(UDP, 0, "10.0.0.1:1", "10.0.0.2:2", 60)
	a.endAll(t, ctx)
	require.NoError(t, c.Create(late))
	_, overruns := ends(t, ctx, ear, a.flows)
	require.Positive(t, overruns)
	late.Mark = 1
	require.NoError(t, c.Update(late))
	for e, err := range ear.Notifications(ctx, 30*time.Second) {
		if errors.Is(err, ErrOverrun) || err == nil && e.Kind == NotifyDestroy {
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, NotifyNew, e.Kind)
		assert.Equal(t, uint32(1), e.Entry.Mark)
		return
	}
	require.Fail(t, "nothing was told")
}
