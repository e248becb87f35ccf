package offloadtest

import (
	"io/fs"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
)

func someFlow(port uint16) conntrack.Entry {
	return conntrack.Entry{
		Orig: conntrack.Tuple{
			Proto: conntrack.UDP,
			Src:   netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port),
			Dst:   netip.MustParseAddrPort("198.51.100.1:53"),
		},
		Status: conntrack.SeenReply | conntrack.Confirmed,
		Sent:   conntrack.Counters{Packets: 1, Bytes: 60, OK: true},
	}
}

// A Watcher follows an imitated flow: it begins, is offloaded without a word, and ends.
func TestWatcherFollowsAFlow(t *testing.T) {
	k := New(t, nil)
	w, err := conntrack.Open(t.Context(), &conntrack.Config{Source: k.Conntrack(), Poll: time.Millisecond})
	require.NoError(t, err)
	defer w.Close()
	e := k.AddFlow(someFlow(1000))
	assert.NotZero(t, e.ID)
	assert.Equal(t, e.Orig.Reversed(), e.Reply)
	var seen []string
	for c, err := range w.Changes(t.Context(), conntrack.Match{}) {
		require.NoError(t, err)
		if c.Kind == conntrack.Synced {
			continue
		}
		seen = append(seen, c.Kind.String()+" "+c.Entry.Path().String())
		switch len(seen) {
		case 1:
			e.Status |= conntrack.Offload
			require.True(t, k.SetFlow(e))
		case 2:
			require.True(t, k.DelFlow(e.Key()))
		}
		if len(seen) == 3 {
			break
		}
	}
	require.Len(t, seen, 3)
	assert.Contains(t, seen[0], "slow")
	assert.Contains(t, seen[1], "software")
	assert.False(t, k.DelFlow(e.Key()))
	assert.False(t, k.SetFlow(e))
}

func TestOverrunIsTold(t *testing.T) {
	k := New(t, nil)
	w, err := conntrack.Open(t.Context(), &conntrack.Config{Source: k.Conntrack(), Poll: time.Millisecond})
	require.NoError(t, err)
	defer w.Close()
	k.AddFlow(someFlow(1000))
	for c, err := range w.Changes(t.Context(), conntrack.Match{}) {
		require.NoError(t, err)
		if c.Kind == conntrack.Overrun {
			return
		}
		k.Overrun()
	}
	t.Fatal("the stream ended")
}

func TestEvictAndLookup(t *testing.T) {
	k := New(t, nil)
	one, two := k.AddFlow(someFlow(1)), k.AddFlow(someFlow(2))
	w, err := conntrack.Open(t.Context(), &conntrack.Config{Source: k.Conntrack()})
	require.NoError(t, err)
	gone, err := w.Evict(t.Context(), conntrack.Match{Tuple: conntrack.Tuple{Src: one.Orig.Src}}, false)
	require.NoError(t, err)
	require.Len(t, gone, 1)
	_, err = k.Conntrack().Lookup(t.Context(), one.Key())
	require.ErrorIs(t, err, fs.ErrNotExist)
	got, err := k.Conntrack().Lookup(t.Context(), two.Key())
	require.NoError(t, err)
	assert.Equal(t, two, got)
	other := two.Key()
	other.ID++
	require.ErrorIs(t, k.Conntrack().Delete(t.Context(), other), fs.ErrNotExist)
	two.Mark = 7
	assert.True(t, k.UpdateFlow(two))
}

// With nf_conntrack_events 2, connections that began while nobody listened are silent to their end; with nf_conntrack_timestamp they know when.
func TestFlowsTellAsTheSettingsSay(t *testing.T) {
	k := New(t, nil)
	k.SetSysctl(events, "2")
	k.SetSysctl(timestamps, "1")
	silent := k.AddFlow(someFlow(1))
	assert.False(t, silent.Start.IsZero())
	q, err := k.Conntrack().Subscribe(t.Context(), conntrack.Match{})
	require.NoError(t, err)
	defer q.Close()
	heard := k.AddFlow(someFlow(2))
	k.UpdateFlow(silent)
	k.DelFlow(silent.Key())
	k.DelFlow(heard.Key())
	var kinds []conntrack.NotificationKind
	for n, err := range q.Notifications(t.Context(), 0) {
		require.NoError(t, err)
		assert.Equal(t, heard.Orig, n.Entry.Orig)
		kinds = append(kinds, n.Kind)
		assert.Equal(t, n.Kind != conntrack.NotifyDestroy, n.Entry.Stop.IsZero())
		assert.False(t, n.Entry.Event.Before(n.Entry.Start))
	}
	assert.Equal(t, []conntrack.NotificationKind{conntrack.NotifyNew, conntrack.NotifyDestroy}, kinds)
}
