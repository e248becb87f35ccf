package nlsock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// withAndWithoutGather runs a test for a socket that is woken by each datagram and for one that is not.
func withAndWithoutGather(t *testing.T, test func(*testing.T, time.Duration)) {
	t.Run("woken", func(t *testing.T) { test(t, 0) })
	t.Run("gather", func(t *testing.T) { test(t, time.Millisecond) })
}

// nextTable reads events until one announces a table, and returns its name and the overruns on the way.
func nextTable(ctx context.Context, s *Socket) (name string, overruns int, err error) {
	for m, err := range s.Events(ctx) {
		switch {
		case errors.Is(err, ErrOverrun):
			overruns++
			continue
		case err != nil:
			return "", overruns, err
		case m.Type != newTable:
			continue
		}
		_, _, attrs, err := nlmsg.Netfilter(m.Data)
		if err != nil {
			return "", overruns, err
		}
		a, _, err := nlmsg.NextAttr(nlmsg.Native(), attrs)
		return a.String(), overruns, err
	}
	return "", overruns, errors.New("the stream ended without an error")
}

func TestEvents(t *testing.T) { withAndWithoutGather(t, testEvents) }

func testEvents(t *testing.T, gather time.Duration) {
	_, ns, s := dialT(t, Config{Gather: gather, Groups: []uint32{nlmsg.GroupNFTables}})
	for _, want := range []string{"one", "two", "three"} {
		b := newBatch(nlmsg.SubsysNFTables, 0)
		b.table(want, 0)
		b.commit(t, ns)
		name, overruns, err := nextTable(testContext(t), s)
		require.NoError(t, err)
		require.Equal(t, want, name)
		require.Zero(t, overruns)
	}
}

// The kernel puts the notifications of one batch into one datagram: breaking out after the first keeps the others.
func TestEventsGoOnInsideDatagram(t *testing.T) {
	withAndWithoutGather(t, testEventsGoOnInsideDatagram)
}

func testEventsGoOnInsideDatagram(t *testing.T, gather time.Duration) {
	_, ns, s := dialT(t, Config{Gather: gather, Groups: []uint32{nlmsg.GroupNFTables}})
	b := newBatch(nlmsg.SubsysNFTables, 0)
	for _, name := range []string{"one", "two", "three"} {
		b.table(name, 0)
	}
	b.commit(t, ns)
	for _, want := range []string{"one", "two", "three"} {
		name, _, err := nextTable(testContext(t), s)
		require.NoError(t, err)
		require.Equal(t, want, name)
	}
}

// What is queued is all there, and nothing is waited for.
func TestQueued(t *testing.T) { withAndWithoutGather(t, testQueued) }

func testQueued(t *testing.T, gather time.Duration) {
	_, ns, s := dialT(t, Config{Gather: gather, Groups: []uint32{nlmsg.GroupNFTables}})
	count := func() (n int) {
		for m, err := range s.Queued(testContext(t)) {
			require.NoError(t, err)
			if m.Type == newTable {
				n++
			}
		}
		return n
	}
	require.Zero(t, count())
	for _, name := range []string{"one", "two"} {
		b := newBatch(nlmsg.SubsysNFTables, 0)
		b.table(name, 0)
		b.commit(t, ns)
	}
	require.Equal(t, 2, count())
	require.Zero(t, count())

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range s.Queued(ctx) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

// The end of a context ends the stream and loses nothing of it.
func TestEventsGoOnAfterDeadline(t *testing.T) { withAndWithoutGather(t, testEventsGoOnAfterDeadline) }

func testEventsGoOnAfterDeadline(t *testing.T, gather time.Duration) {
	_, ns, s := dialT(t, Config{Gather: gather, Groups: []uint32{nlmsg.GroupNFTables}})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, _, err := nextTable(ctx, s)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	b := newBatch(nlmsg.SubsysNFTables, 0)
	b.table("between", 0)
	b.commit(t, ns)
	name, _, err := nextTable(testContext(t), s)
	require.NoError(t, err)
	require.Equal(t, "between", name)
}

// A reader that is too slow is told that it lost messages, and then gets the new ones.
func TestEventsOverrunIsNews(t *testing.T) { withAndWithoutGather(t, testEventsOverrunIsNews) }

func testEventsOverrunIsNews(t *testing.T, gather time.Duration) {
	_, ns, s := dialT(t, Config{Gather: gather, Groups: []uint32{nlmsg.GroupNFTables}, ReadBuffer: 1})
	for i := range 50 {
		b := newBatch(nlmsg.SubsysNFTables, 0)
		b.table(fmt.Sprintf("%s%d", longName, i), 0)
		b.commit(t, ns)
	}
	// Drain until the overrun was told and nothing is left.
	told := 0
	for _, err := range s.Queued(testContext(t)) {
		if errors.Is(err, ErrOverrun) {
			told++
			continue
		}
		require.NoError(t, err)
	}
	require.Positive(t, told, "50 events went through a buffer of 2 KB")

	b := newBatch(nlmsg.SubsysNFTables, 0)
	b.table("after", 0)
	b.commit(t, ns)
	name, overruns, err := nextTable(testContext(t), s)
	require.NoError(t, err)
	require.Equal(t, "after", name)
	require.Zero(t, overruns)
}

// What is thrown away after the kernel told of an overrun, and before the buffer was read empty, is told too: behind all that was queued.
func TestEventsOverrunIsToldLast(t *testing.T) { withAndWithoutGather(t, testEventsOverrunIsToldLast) }

func testEventsOverrunIsToldLast(t *testing.T, gather time.Duration) {
	// The smallest buffer has room for one datagram on some processors (s390x): reading that one empties it, and nothing more is lost.
	_, ns, s := dialT(t, Config{Gather: gather, Groups: []uint32{nlmsg.GroupNFTables}, ReadBuffer: 4096})
	commit := func(name string) {
		b := newBatch(nlmsg.SubsysNFTables, 0)
		b.table(name, 0)
		b.commit(t, ns)
	}
	for i := range 50 {
		commit(fmt.Sprintf("%s%d", longName, i))
	}
	seen, told := 0, 0
	for _, err := range s.Queued(testContext(t)) {
		if err == nil {
			require.Zero(t, told, "an overrun comes after what was queued")
			if seen++; seen == 1 {
				commit(longName + "lost")
			}
			continue
		}
		require.ErrorIs(t, err, ErrOverrun)
		told++
	}
	require.Positive(t, seen)
	require.Equal(t, 1, told)
	commit("after")
	name, overruns, err := nextTable(testContext(t), s)
	require.NoError(t, err)
	require.Equal(t, "after", name)
	require.Zero(t, overruns)
}

// A datagram that comes together with the news of an overrun is still there for who stops reading at the news.
func TestEventsOverrunKeepsWhatComesWithIt(t *testing.T) {
	_, ns, s := dialT(t, Config{Groups: []uint32{nlmsg.GroupNFTables}})
	b := newBatch(nlmsg.SubsysNFTables, 0)
	b.table("beside", 0)
	b.commit(t, ns)
	s.behind = 1 // as if the buffer had been full of one datagram when it overran
	for _, err := range s.Queued(testContext(t)) {
		require.ErrorIs(t, err, ErrOverrun)
		break
	}
	name, overruns, err := nextTable(testContext(t), s)
	require.NoError(t, err)
	require.Equal(t, "beside", name)
	require.Zero(t, overruns)
}

const longName = "a_table_with_a_name_that_is_longer_than_most_so_that_its_event_takes_room_"

func TestEventsEndWithClose(t *testing.T) { withAndWithoutGather(t, testEventsEndWithClose) }

func testEventsEndWithClose(t *testing.T, gather time.Duration) {
	_, _, s := dialT(t, Config{Gather: gather, Groups: []uint32{nlmsg.GroupNFTables}})
	time.AfterFunc(20*time.Millisecond, func() { s.Close() })
	_, _, err := nextTable(testContext(t), s)
	require.ErrorIs(t, err, os.ErrClosed)
}

// Many datagrams are read at once, and each step is as if they had come one by one: breaking out keeps the others, and a canceled context or a
// closed socket ends the stream although there is more.
func TestEventsOfManyDatagrams(t *testing.T) { withAndWithoutGather(t, testEventsOfManyDatagrams) }

func testEventsOfManyDatagrams(t *testing.T, gather time.Duration) {
	_, ns, s := dialT(t, Config{Gather: gather, Groups: []uint32{nlmsg.GroupNFTables}})
	for i := range 20 {
		b := newBatch(nlmsg.SubsysNFTables, 0)
		b.table(fmt.Sprint("t", i), 0)
		b.commit(t, ns)
	}
	for i := range 10 {
		name, _, err := nextTable(testContext(t), s)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("t", i), name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	steps := 0
	for _, err := range s.Events(ctx) {
		cancel()
		last = err
		steps++
	}
	require.Equal(t, 2, steps)
	require.ErrorIs(t, last, context.Canceled)
	name, _, err := nextTable(testContext(t), s)
	require.NoError(t, err)
	require.Contains(t, []string{"t10", "t11"}, name, "the one step was a table or what closes its transaction")
	require.NoError(t, s.Close())
	_, _, err = nextTable(testContext(t), s)
	require.ErrorIs(t, err, os.ErrClosed)
}

// An overrun that shows behind some datagrams is told after them, once.
func TestQueuedHoldsAnErrorBack(t *testing.T) {
	_, ns, s := dialT(t, Config{Groups: []uint32{nlmsg.GroupNFTables}})
	b := newBatch(nlmsg.SubsysNFTables, 0)
	b.table("one", 0)
	b.commit(t, ns)
	s.held = unix.ENOBUFS // as if the queue had overrun while the datagrams before were read
	seen, told := 0, 0
	for m, err := range s.Queued(testContext(t)) {
		switch {
		case errors.Is(err, ErrOverrun):
			told++
		case m.Type == newTable:
			require.NoError(t, err)
			require.Zero(t, told)
			seen++
		}
	}
	require.Equal(t, 1, seen)
	require.Equal(t, 1, told)
	require.Zero(t, s.behind)
}
