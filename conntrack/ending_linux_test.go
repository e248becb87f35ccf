package conntrack

import (
	"context"
	"io/fs"
	"iter"
	"os"
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

// endingStates are where a stream can be when it is ended. Each arranges that end is called there; step is the caller's step, which tells
// whether the caller is there.
var endingStates = []struct {
	name    string
	arrange func(t *testing.T, e *ending)
	step    func(t *testing.T, e *ending, c Change) (there bool) // nil: the caller has no step there
}{
	{name: "waiting", arrange: func(_ *testing.T, e *ending) {
		e.poll = never
		e.source.inWait = atCall(1, func() { go e.end() })
	}},
	{name: "in a dump of what does not match", arrange: func(_ *testing.T, e *ending) {
		e.match = Match{Proto: TCP}
		e.source.inDump = atCall(bigTable()/2, func() { e.end() })
	}},
	{name: "snapshot", step: func(_ *testing.T, e *ending, _ Change) bool { return e.seen == bigTable()/2 }},
	{name: "the caller is busy", step: func(_ *testing.T, e *ending, c Change) bool {
		if c.Kind != Synced {
			return false
		}
		called := make(chan struct{})
		go func() {
			defer close(called)
			if !e.brk {
				e.end()
			}
		}()
		<-called
		return true
	}},
	{name: "resynchronization", step: func(t *testing.T, e *ending, c Change) bool {
		if c.Kind == Synced {
			require.NoError(t, e.b.fill(e.ctx, 1<<20, 1000, 0))
			require.NoError(t, e.remove(1<<20, 1000))
		}
		if c.Kind == Overrun {
			e.source.inDump = atCall(10, func() { e.end() })
		}
		return c.Kind == Overrun && e.brk
	}},
	{name: "lookups", arrange: func(t *testing.T, e *ending) {
		e.match = Match{Mark: 7} // of these a reading does not find those that bear another by then, and each is looked up
		require.NoError(t, e.b.fill(e.ctx, 1<<21, manyLookups, 7))
		e.clear = func() { require.NoError(t, e.remove(1<<21, manyLookups)) }
		e.source.inLookup = atCall(manyLookups/2, func() { e.end() })
	}, step: func(t *testing.T, e *ending, c Change) bool {
		if c.Kind == Synced {
			for i := range manyLookups {
				e.b.mark(numbered(1<<21+i), 8)
			}
			require.NoError(t, e.b.send(e.ctx))
		}
		return false
	}},
}

func (e *ending) remove(first, n int) error {
	for i := range n {
		e.b.remove(numbered(first + i))
	}
	return e.b.send(e.ctx)
}

// bigTable is how many connections the table of these tests has; under emulation a tenth will do.
func bigTable() int {
	if os.Getenv("FASTPATH_VM") != "" {
		return 2000
	}
	return 20000
}

// Canceling, Close and breaking out end a stream wherever it is: no event of the kernel is waited for, no further change is told, no goroutine, socket or
// namespace is left, and after all but Close the watcher works on. How long it takes is asserted of the best of some tries: that does not
// depend on what else the machine does.
func TestChangesEndAnywhere(t *testing.T) {
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "ending")
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_events", "1"))
	ctx := within(t, 3*time.Minute)
	b := newBatch(t, ns)
	require.NoError(t, b.fill(ctx, 0, bigTable(), 0))
	for i := range endingStates {
		for _, how := range []string{"cancel", "close", "break"} {
			state := &endingStates[i]
			if how == "break" && (state.step == nil || state.name == "lookups") {
				continue
			}
			t.Run(state.name+", "+how, func(t *testing.T) {
				var took []time.Duration
				for range 3 {
					e := &ending{ns: ns, b: b, ctx: ctx, brk: how == "break"}
					took = append(took, e.run(t, how, state.arrange, state.step))
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
func (e *ending) run(t *testing.T, how string, arrange func(*testing.T, *ending), step func(*testing.T, *ending, Change) bool) time.Duration {
	t.Helper()
	inner := open(t, e.ns, Config{ReadBuffer: 8192})
	e.source = &stageSource{Source: inner.source}
	e.poll = often
	if arrange != nil {
		arrange(t, e)
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
	last := e.consume(t, ctx, step)
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
func (e *ending) consume(t *testing.T, ctx context.Context, step func(*testing.T, *ending, Change) bool) (last error) {
	t.Helper()
	for c, err := range e.w.Changes(ctx, e.match) {
		require.NoError(t, last, "something followed the error: %v", c)
		if last = err; err != nil {
			continue
		}
		e.seen++
		if step == nil || e.ended.Load() != 0 || !step(t, e, c) {
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
