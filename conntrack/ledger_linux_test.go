package conntrack

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

func bySource(e Entry) (netip.Addr, bool) { return e.Orig.Src.Addr(), true }

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

// inTheKernel sums up what the connections of the table have counted.
func inTheKernel(t *testing.T, ctx context.Context, ns *testns.Namespace) map[netip.Addr]Delta {
	t.Helper()
	all, err := entries(ctx, open(t, ns, Config{}), Match{Proto: UDP})
	require.NoError(t, err)
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

func requireNoMore(t *testing.T, less, more map[netip.Addr]Delta, why string) {
	t.Helper()
	for k, a := range less {
		require.False(t, Account{Sent: more[k].Sent, Received: more[k].Received}.below(Account{Sent: a.Sent, Received: a.Received}), "%s: %v: %+v, %+v", why, k, a, more[k])
	}
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
	l := NewLedger(bySource)
	for i := range 6 {
		before := inTheKernel(t, ctx, r.NS)
		seen := 0
		bookUntil(t, ctx, r.NS, l, func(c Change) bool {
			if c.Kind == Synced {
				requireNoMore(t, before, booked(l), "once it is synced, all is booked")
			}
			if c.Kind == Counted {
				seen++
			}
			return seen == 20
		})
		requireNoMore(t, booked(l), inTheKernel(t, ctx, r.NS), "nothing is booked that was not counted")
		if i%2 == 0 {
			l = throughAFile(t, l)
		} else {
			l.Begin()
		}
	}
	for _, b := range traffic {
		require.NoError(t, b.Close().Err)
	}
	want := inTheKernel(t, ctx, r.NS)
	require.Len(t, want, 2)
	l.Begin()
	bookUntil(t, ctx, r.NS, l, func(c Change) bool { return c.Kind == Synced })
	assert.Equal(t, want, booked(l))

	// One ends while nobody looks. It is told as lost, and nothing that was booked goes away.
	l = throughAFile(t, l)
	w := open(t, r.NS, Config{})
	all, err := entries(ctx, w, Match{Proto: UDP})
	require.NoError(t, err)
	gone, err := w.EvictEntries(ctx, all[:1])
	require.NoError(t, err)
	require.Len(t, gone, 1)
	bookUntil(t, ctx, r.NS, l, func(c Change) bool { return c.Kind == Synced })
	assert.Equal(t, want, booked(l))
	account, _ := l.Get(gone[0].Orig.Src.Addr())
	assert.Equal(t, [3]uint64{3, 2, 1}, [3]uint64{account.Flows, account.Live, account.Lost})
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
	restored, err := RestoreLedger(file, bySource)
	require.NoError(t, err)
	return restored
}
