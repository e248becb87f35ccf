package conntrack

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// A countingSource is a Source that counts the notifications that it hands on.
type countingSource struct {
	Source
	received int
}

type countingQueue struct {
	Subscription
	source *countingSource
}

func (c *countingSource) Subscribe(ctx context.Context, m Match) (Subscription, error) {
	q, err := c.Source.Subscribe(ctx, m)
	return countingQueue{q, c}, err
}

func (q countingQueue) Notifications(ctx context.Context, wait time.Duration) iter.Seq2[Notification, error] {
	return func(yield func(Notification, error) bool) {
		for n, err := range q.Subscription.Notifications(ctx, wait) {
			if err == nil {
				q.source.received++
			}
			if !yield(n, err) {
				return
			}
		}
	}
}

// A churn changes the table at random, and knows what it should hold.
type churn struct {
	b    *batch
	rand *rand.Rand
	live map[int]bool // by number
	made int          // notifications that the kernel makes of it
}

// some makes so many changes: connections begin, end, and some end and begin again under the same tuple.
func (c *churn) some(ctx context.Context, n int) error {
	const tuples = 1500
	for c.made = 0; c.made < n; {
		i := c.rand.IntN(tuples)
		if c.live[i] {
			c.b.remove(numbered(i))
			c.made++
		}
		if !c.live[i] || c.rand.IntN(4) == 0 {
			c.b.create(numbered(i), 0)
			c.made++
			c.live[i] = true
		} else {
			delete(c.live, i)
		}
	}
	return c.b.send(ctx)
}

// A reader that falls behind loses at least a tenth of the notifications, time and again, is told so each time, and when it is told that the
// table has been told, it has what a fresh dump has. With FASTPATH_SOAK (make soak) that is done 100 times, else a few.
func TestSoakOverruns(t *testing.T) {
	testns.CheckLeaks(t)
	rounds, each := 20, 1000
	if os.Getenv("FASTPATH_SOAK") != "" {
		rounds = 100
	} else if os.Getenv("FASTPATH_VM") != "" {
		rounds, each = 3, 500
	}
	ns := testns.NewT(t, "overrun")
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_events", "1"))
	ctx := within(t, 20*time.Minute)
	source := &countingSource{Source: open(t, ns, Config{ReadBuffer: 8192}).source}
	w, err := Open(ctx, &Config{Source: source, Poll: often})
	require.NoError(t, err)
	defer w.Close()
	c := &churn{b: newBatch(t, ns), rand: rand.New(rand.NewPCG(1, 2)), live: map[int]bool{}}
	m := newMirror()
	round, overruns, least, table := 0, 0, 1.0, buckets(t)
	for change, err := range w.Changes(ctx, Match{}) {
		require.NoError(t, err)
		require.NoError(t, m.apply(change))
		switch change.Kind {
		case Overrun:
			overruns++
			assert.True(t, change.Lost)
			continue
		case Synced:
		default:
			continue
		}
		if round > 0 {
			lost := 1 - float64(source.received)/float64(c.made)
			differs := m.differs(t, ctx, w, len(c.live))
			if size := buckets(t); size != table {
				table, round = size, round-1 // no dump is whole when the table is resized meanwhile: once more
			} else {
				require.NotZero(t, overruns, "round %d", round)
				require.GreaterOrEqual(t, lost, 0.1, "round %d: %d of %d notifications came", round, source.received, c.made)
				require.Empty(t, differs, "round %d", round)
				least = min(least, lost)
			}
		}
		if round == rounds {
			break
		}
		round++
		overruns, source.received = 0, 0
		require.NoError(t, c.some(ctx, each)) // while this reader is busy
	}
	t.Logf("%d times, at least %.0f %% lost", round, 100*least)
}

// buckets is the size of the table, which all namespaces share.
func buckets(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_buckets")
	require.NoError(t, err)
	return string(text)
}

// differs compares with a fresh reading of the table, which should have so many connections. Empty is the same.
func (m *mirror) differs(t *testing.T, ctx context.Context, w *Watcher, want int) string {
	t.Helper()
	all, err := entries(ctx, w, Match{})
	require.NoError(t, err)
	if len(all) != want || len(m.live) != want {
		return fmt.Sprintf("there are %d, the table has %d, the stream told %d", want, len(all), len(m.live))
	}
	for _, e := range all {
		if got, ok := m.live[e.Key()]; !ok || got.Path() != e.Path() {
			return fmt.Sprintf("the table has %v, the stream told %v", e, got)
		}
	}
	return ""
}
