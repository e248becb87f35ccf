package conntrack

import (
	"context"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// bookUntil books a stream of the kernel until done says so, which is asked after each change.
func bookUntil(t *testing.T, ctx context.Context, ns *testns.Namespace, l *Ledger[netip.Addr], done func(Change) bool) {
	t.Helper()
	w := open(t, ns, Config{Poll: often})
	for c, err := range w.Changes(ctx, Match{Proto: UDP}) {
		require.NoError(t, err)
		if l.Add(c); done(c) {
			return
		}
	}
	require.Fail(t, "the stream ended")
}

// inTheKernel sums up what the connections of the table have counted. A dump overlooks some while other namespaces change the table.
func inTheKernel(t *testing.T, ctx context.Context, ns *testns.Namespace, connections int) map[netip.Addr]Delta {
	t.Helper()
	w := open(t, ns, Config{})
	var all []Entry
	require.NoError(t, testns.Poll(ctx, often, func() (_ bool, err error) {
		all, err = entries(ctx, w, Match{Proto: UDP})
		return len(all) == connections, err
	}))
	sums := map[netip.Addr]Delta{}
	for _, e := range all {
		sum := sums[e.Orig.Src.Addr()]
		sum.add(Delta{e.Sent, e.Received})
		sums[e.Orig.Src.Addr()] = sum
	}
	return sums
}

func booked(l *Ledger[netip.Addr]) map[netip.Addr]Delta {
	sums := map[netip.Addr]Delta{}
	for k, a := range l.All() {
		var sum Delta
		sum.add(Delta{a.Sent, a.Received})
		sums[k] = sum
	}
	return sums
}

// noMore tells whether nothing in less is above what more has.
func noMore(less, more map[netip.Addr]Delta) bool {
	for k, a := range less {
		b := more[k]
		if (Account{Sent: b.Sent, Received: b.Received}).below(Account{Sent: a.Sent, Received: a.Received}) {
			return false
		}
	}
	return true
}

// Watchers come and go in the middle of traffic, and the ledger goes through a file or another stream: it holds what conntrack counted.
func TestLedgerHoldsWhatTheKernelCountedOverRestarts(t *testing.T) {
	r := testns.NewRouterT(t, nil)
	ctx := within(t, 60*time.Second)
	require.NoError(t, r.NS.NFT(ctx, `table inet t {
		chain c { type filter hook forward priority filter; ct state invalid drop; }
	}`))
	var traffic []*testns.Background
	for _, family := range testns.Families() {
		for range 3 {
			traffic = append(traffic, r.DialT(t, "udp", family).Start(300, 200))
		}
	}
	l := bookInPieces(t, ctx, r.NS, len(traffic))
	for _, b := range traffic {
		require.NoError(t, b.Close().Err)
	}
	want := inTheKernel(t, ctx, r.NS, len(traffic))
	l.Begin()
	untilBooked(t, ctx, r.NS, l, want, len(traffic))

	// One ends while nobody looks. It is told as lost, and nothing that was booked goes away.
	l = throughAFile(t, l)
	w := open(t, r.NS, Config{})
	all, err := entries(ctx, w, Match{Proto: UDP})
	require.NoError(t, err)
	gone, err := w.EvictEntries(ctx, all[:1])
	require.NoError(t, err)
	require.Len(t, gone, 1)
	untilBooked(t, ctx, r.NS, l, want, len(traffic)-1)
	account, _ := l.Get(gone[0].Orig.Src.Addr())
	assert.Equal(t, uint64(2), account.Live)
	assert.Equal(t, account.Flows-account.Live, account.Lost)
	assert.Positive(t, account.Lost)
}

// untilBooked books a stream until it is synced, the sums are what they should be, and as many connections are live.
func untilBooked(t *testing.T, ctx context.Context, ns *testns.Namespace, l *Ledger[netip.Addr], want map[netip.Addr]Delta, live int) {
	t.Helper()
	synced := false
	bookUntil(t, ctx, ns, l, func(c Change) bool {
		synced = synced || c.Kind == Synced
		found := uint64(0)
		for _, a := range l.All() {
			found += a.Live
		}
		return synced && found == uint64(live) && maps.Equal(want, booked(l))
	})
}

// bookInPieces books several streams of traffic that goes on meanwhile.
func bookInPieces(t *testing.T, ctx context.Context, ns *testns.Namespace, connections int) *Ledger[netip.Addr] {
	t.Helper()
	l := NewLedger(BySource)
	for i := range 6 {
		before := inTheKernel(t, ctx, ns, connections)
		seen := 0
		bookUntil(t, ctx, ns, l, func(c Change) bool {
			if c.Kind == Counted {
				seen++
			}
			return seen >= 20 && noMore(before, booked(l))
		})
		now := inTheKernel(t, ctx, ns, connections)
		require.True(t, noMore(booked(l), now), "what is booked was counted: %v, %v", booked(l), now)
		if i%2 == 0 {
			l = throughAFile(t, l)
		} else {
			l.Begin()
		}
	}
	return l
}

// throughAFile is what the docs of Save recommend.
func throughAFile(t *testing.T, l *Ledger[netip.Addr]) *Ledger[netip.Addr] {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ledger")
	file, err := os.CreateTemp(filepath.Dir(name), "ledger-*")
	require.NoError(t, err)
	require.NoError(t, l.Save(file))
	require.NoError(t, file.Sync())
	require.NoError(t, file.Close())
	require.NoError(t, os.Rename(file.Name(), name))
	file, err = os.Open(name)
	require.NoError(t, err)
	defer file.Close()
	restored, err := RestoreLedger(file, BySource)
	require.NoError(t, err)
	return restored
}
