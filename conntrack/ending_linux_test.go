package conntrack

import (
	"context"
	"io/fs"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// A stage source tells when the follower comes to a place where no caller's step is.
type stageSource struct {
	Source
	inDump   func() // before each entry of a dump
	inLookup func()
	inWait   func() // when it begins to wait for notifications
}

func (s *stageSource) Dump(ctx context.Context, m Match) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range s.Source.Dump(ctx, m) {
			call(s.inDump)
			if !yield(e, err) {
				return
			}
		}
	}
}

func (s *stageSource) Lookup(ctx context.Context, k Key) (Entry, error) {
	call(s.inLookup)
	return s.Source.Lookup(ctx, k)
}

func (s *stageSource) Subscribe(ctx context.Context, m Match) (Subscription, error) {
	q, err := s.Source.Subscribe(ctx, m)
	return stageQueue{q, s}, err
}

type stageQueue struct {
	Subscription
	source *stageSource
}

func (q stageQueue) Notifications(ctx context.Context, wait time.Duration) iter.Seq2[Notification, error] {
	if wait > 0 {
		call(q.source.inWait)
	}
	return q.Subscription.Notifications(ctx, wait)
}

func call(f func()) {
	if f != nil {
		f()
	}
}

// atCall is f at the n-th call, once.
func atCall(n int, f func()) func() {
	return func() {
		if n--; n == 0 {
			f()
		}
	}
}

// An ending is one stream that is to end in a certain state.
type ending struct {
	ns     *testns.Namespace
	b      *batch
	w      *Watcher
	source *stageSource
	ctx    context.Context
	match  Match
	poll   time.Duration
	seen   int // changes
	end    func()
	ended  atomic.Int64 // when, in nanoseconds; 0 is not yet
	brk    bool         // the caller breaks out instead, where it has a step
	clear  func()
}

// Canceling, Close and breaking out end a stream wherever it is: no event of the kernel is waited for, no further change is told, no goroutine,
// socket or namespace is left, and after all but Close the watcher works on. How long it takes is asserted of the best of some tries: that
// does not depend on what else the machine does.
func TestChangesEndAnywhere(t *testing.T) {
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "ending")
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_events", "1"))
	ctx := within(t, 10*time.Minute)
	b := newBatch(t, ns)
	require.NoError(t, b.fill(ctx, 0, bigTable(), 0))
	for _, state := range endingStates() {
		for _, how := range []string{"cancel", "close", "break"} {
			if how == "break" && !state.breaks {
				continue
			}
			t.Run(state.name+", "+how, func(t *testing.T) {
				var took []time.Duration
				for range 3 {
					e := &ending{ns: ns, b: b, ctx: ctx, brk: how == "break"}
					took = append(took, e.run(t, how, &state))
				}
				slices.Sort(took)
				t.Logf("took %v", took)
				assert.Less(t, took[0], 100*time.Millisecond)
				goleak.VerifyNone(t)
			})
		}
	}
}

// run is one stream from its beginning to its end. It tells how long the end took.
func (e *ending) run(t *testing.T, how string, state *endingState) time.Duration {
	t.Helper()
	inner := open(t, e.ns, Config{ReadBuffer: 8192})
	e.source = &stageSource{Source: inner.source}
	e.poll = often
	if state.arrange != nil {
		state.arrange(t, e)
	}
	var err error
	e.w, err = Open(e.ctx, &Config{Source: e.source, Poll: e.poll, PollMost: e.poll})
	require.NoError(t, err)
	defer e.w.Close()
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	e.end = func() {
		e.ended.Store(time.Now().UnixNano())
		if how == "close" {
			assert.NoError(t, e.w.Close())
		} else {
			cancel()
		}
	}
	last := e.consume(t, ctx, state)
	took := time.Since(time.Unix(0, e.ended.Load()))
	switch how {
	case "cancel":
		assert.ErrorIs(t, last, context.Canceled)
	case "close":
		assert.ErrorIs(t, last, fs.ErrClosed)
	default:
		assert.NoError(t, last)
	}
	if how != "close" {
		k := inner.source.(*kernel)
		assert.Empty(t, k.busy, "a socket is in use")
		for _, err := range e.w.Entries(e.ctx, Match{}) {
			assert.NoError(t, err)
			break
		}
	}
	call(e.clear)
	return took
}

// consume follows the stream to its end and returns the error that it ended with.
func (e *ending) consume(t *testing.T, ctx context.Context, state *endingState) (last error) {
	t.Helper()
	for c, err := range e.w.Changes(ctx, e.match) {
		require.NoError(t, last, "something followed the error: %v", c)
		if last = err; err != nil {
			continue
		}
		e.seen++
		if state.step == nil || e.ended.Load() != 0 || !state.step(e, t, c) {
			continue
		}
		if e.brk {
			e.ended.Store(time.Now().UnixNano())
			break
		}
		if e.ended.Load() == 0 {
			e.end()
		}
	}
	return last
}
