package conntrack

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// A life is what one flow goes through, beside others in the same stream. The pairs of digits in these tests are the state that the kernel
// keeps: the OFFLOAD bit, the HW_OFFLOAD bit.
type life struct {
	row     string // what it shows
	network string // "tcp" or "udp"
	family  testns.Family
	port    uint16 // softPort or hardPort
	steps   []turn

	tuple testns.Tuple
	flow  *testns.Flow
	sent  int // round trips that were made, and datagrams sent again
	next  int
	trail []string
}

// A turn is what the stream tells next of a flow. Counted is passed over; anything else that is no turn of it fails the test.
type turn struct {
	kind  Kind
	path  Path // of the entry
	maybe bool // the kernel may be past it before it is read
	then  func(l *life, c Change)
}

// watch has the forward hook count the packets of the lives' flows, whose source ports it chooses.
func (p *paths) watch(t *testing.T, ctx context.Context, lives []*life) {
	t.Helper()
	var tuples []testns.Tuple
	for i, l := range lives {
		l.tuple = testns.Tuple{Network: l.network, Source: netip.AddrPortFrom(p.ClientAddr(l.family), uint16(20000+i)),
			Destination: netip.AddrPortFrom(p.ServerAddr(l.family), l.port)}
		tuples = append(tuples, l.tuple)
	}
	require.NoError(t, p.Watch(ctx, tuples...))
}

// dial opens the flow of a life and lets it talk.
func (p *paths) dial(t *testing.T, ctx context.Context, l *life) {
	t.Helper()
	var err error
	l.flow, err = testns.Dial(ctx, p.Client, testns.DialConfig{Network: l.network, To: l.tuple.Destination, SourcePort: l.tuple.Source.Port()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.flow.Close() })
	l.talk(t, ctx, 5)
}

func (l *life) talk(t *testing.T, ctx context.Context, n int) {
	t.Helper()
	l.sent += n + talk(t, ctx, l.flow, n)
}

// live opens the flow of each life and follows the stream until all have gone their way. That a step begins where the one before
// ended, and that no path changes without a word, is checked for every change.
func (p *paths) live(t *testing.T, ctx context.Context, lives ...*life) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			for _, l := range lives {
				t.Log(l)
			}
		}
	})
	p.watch(t, ctx, lives)
	many(t, oracle(t, p.NS), 1) // the first change
	var flows map[netip.AddrPort]*life
	follow(t, ctx, p.w, Match{}, func(_ *mirror, c Change) bool {
		require.NotEqual(t, Overrun, c.Kind)
		if flows == nil {
			flows = map[netip.AddrPort]*life{}
			for _, l := range lives {
				p.dial(t, ctx, l)
				flows[l.tuple.Source] = l
			}
		}
		if l := flows[c.Entry.Orig.Src]; l != nil {
			l.told(t, c)
		}
		return !slices.ContainsFunc(lives, func(l *life) bool { return l.next < len(l.steps) })
	})
}

// told takes the next steps of a life. A reading may be the first to see a connection, and then it can be offloaded already.
func (l *life) told(t *testing.T, c Change) {
	t.Helper()
	l.trail = append(l.trail, time.Now().Format("05.000 ")+c.String())
	switch {
	case c.Kind == Counted:
	case c.Kind == New && c.Entry.Path() != Slow:
		l.take(t, New, Slow, c)
		l.take(t, PathChanged, c.Entry.Path(), c)
	default:
		l.take(t, c.Kind, c.Entry.Path(), c)
	}
}

func (l *life) take(t *testing.T, k Kind, p Path, c Change) {
	t.Helper()
	is := func(s turn) bool { return s.kind == k && s.path == p }
	for l.next < len(l.steps) && l.steps[l.next].maybe && !is(l.steps[l.next]) {
		l.next++
	}
	require.Less(t, l.next, len(l.steps), "%s: nothing was to come: %v", l.row, c)
	s := l.steps[l.next]
	require.True(t, is(s), "%s: step %d was to be %v %v: %v", l.row, l.next+1, s.kind, s.path, c)
	l.next++
	if s.then != nil {
		s.then(l, c)
	}
}

// String is the trail, for a test that failed.
func (l *life) String() string {
	return fmt.Sprintf("%s: %d of %d steps:\n\t%s", l.row, l.next, len(l.steps), strings.Join(l.trail, "\n\t"))
}

// reach are the turns from the beginning to the path of the port, and what is done there.
func reach(port uint16, then func(*life, Change)) []turn {
	return append([]turn{{kind: New, path: Slow}}, taken(port, then)...)
}

// taken are the turns from slow to the path of the port. The driver is asked by a worker within milliseconds.
func taken(port uint16, then func(*life, Change)) []turn {
	if port == softPort {
		return []turn{{kind: PathChanged, path: Software, then: then}}
	}
	return []turn{{kind: PathChanged, path: Software, maybe: true}, {kind: PathChanged, path: Hardware, then: then}}
}

// offloaded is the path of the port.
func offloaded(port uint16) Path {
	if port == softPort {
		return Software
	}
	return Hardware
}

// once is what to do when all of the lives have come to a step.
func once(lives []*life, do func()) func(*life, Change) {
	n := 0
	return func(*life, Change) {
		if n++; n == len(lives) {
			do()
		}
	}
}
