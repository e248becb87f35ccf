package conntrack

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// byID keeps an account for each connection.
func byID(e Entry) (uint32, bool) { return e.ID, true }

// A watcher's own streams over a kernel that does anything at any time, broken off anywhere. What is live at the end is booked to the
// last packet, and never is more booked than was counted.
func TestLedgerOfStreamsThatBreakOff(t *testing.T) {
	for seed := range seeds() {
		c, r := newChaos(seed, false, false), rand.New(rand.NewPCG(seed, 3))
		l := NewLedger(byID)
		for !bookSome(t, c, l, r.IntN(120)) {
			c.some(5)
			c.queue = nil // nobody was told
			if r.IntN(2) == 0 {
				l = again(t, l)
			} else {
				l.Begin()
			}
		}
		var sum, live Account
		for _, a := range l.All() {
			sum.book(Delta{a.Sent, a.Received})
			live.Live += a.Live
		}
		require.Equal(t, uint64(len(c.table)), live.Live, "seed %d", seed)
		require.False(t, Account{Sent: c.truth.Sent, Received: c.truth.Received}.below(sum), "seed %d: more was booked than counted", seed)
		for _, e := range c.table {
			a, ok := l.Get(e.ID)
			require.True(t, ok, "seed %d", seed)
			require.Equal(t, Delta{e.Sent, e.Received}, Delta{a.Sent, a.Received}, "seed %d: %v", seed, e)
			require.Equal(t, uint64(1), a.Live)
		}
	}
}

// bookSome books so many changes of a stream, and tells whether it came to the end of the script.
func bookSome(t *testing.T, c *chaos, l *Ledger[uint32], most int) (ended bool) {
	w, err := Open(context.Background(), &Config{Source: &c.script})
	require.NoError(t, err)
	for change, err := range w.Changes(context.Background(), Match{}) {
		if errors.Is(err, errScriptEnd) {
			return true
		}
		require.NoError(t, err)
		l.Add(change)
		if most--; most < 0 && !c.calm {
			return false
		}
	}
	return false
}

func TestLedgerIsSafeForConcurrentUse(t *testing.T) {
	l := NewLedger(ByMark)
	var wg sync.WaitGroup
	for n := range 3 {
		wg.Go(func() {
			for i := range uint64(300) {
				addAll(l, step(Counted, marked(n, 7, 2*i+2), 2*i), isNew(marked(100+n, uint32(n+1), i)))
			}
		})
	}
	wg.Go(func() {
		for range 50 {
			l.Begin()
			l.Add(isSynced)
			for k := range l.All() {
				l.Get(k)
				l.Forget(k + 100)
			}
			assert.NoError(t, l.Save(io.Discard))
		}
	})
	wg.Wait()
	got, _ := l.Get(7)
	assert.Equal(t, uint64(3*600), got.Sent.Packets)
}
