package conntrack

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/mdlayher/netlink"
	"github.com/stretchr/testify/require"
	timo "github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// BenchmarkDump reads a table of so many flows: raw is the receive without decoding, the floor; the filtered dump matches
// none of them.
func BenchmarkDump(b *testing.B) {
	const flows = 20000
	ns := testns.NewT(b, "bench")
	c, err := timo.Dial(&netlink.Config{NetNS: ns.FD()})
	require.NoError(b, err)
	defer c.Close()
	for i := range flows {
		require.NoError(b, c.Create(made(UDP, 0, fmt.Sprintf("10.1.%d.%d:1024", i>>8, i&255), "192.0.2.1:53", 3600)))
	}
	ctx := context.Background()
	w, err := Open(ctx, &Config{NetNS: ns.Path()})
	require.NoError(b, err)
	defer w.Close()
	pinned, err := nlsock.OpenNamespace(ns.Path())
	require.NoError(b, err)
	defer pinned.Close()

	b.Run("raw", func(b *testing.B) {
		sock, err := pinned.Dial(unix.NETLINK_NETFILTER, nlsock.Config{})
		require.NoError(b, err)
		defer sock.Close()
		request := nlmsg.NewBuilder(nlmsg.Native(), nil)
		dumpRequest(request, &Match{})
		perFlow(b, flows, func() (n int) {
			for _, err := range sock.Dump(ctx, request.Bytes()) {
				require.NoError(b, err)
				n++
			}
			return n
		})
	})
	for _, run := range []struct {
		name  string
		match Match
		want  int
	}{{"entries", Match{}, flows}, {"filtered", Match{Paths: []Path{Software, Hardware}}, 0}} {
		b.Run(run.name, func(b *testing.B) {
			perFlow(b, run.want, func() (n int) {
				for _, err := range w.Entries(ctx, run.match) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				return n
			})
		})
	}
}

// BenchmarkFollower is what Changes costs beside reading: a reading of flows that are followed and stand still, and notifications of
// flows that begin and end.
func BenchmarkFollower(b *testing.B) {
	const flows = 20000
	table := make([]Entry, flows)
	for i := range table {
		table[i] = flowNumber(i, software, 10)
	}
	cfg, err := (&Config{}).withDefaults()
	require.NoError(b, err)
	newFollower := func(match Match) *follower {
		w := Watcher{source: &steady{table: table}, cfg: cfg, limits: usualLimits()}
		f := w.follow(context.Background(), match, func(Change, error) bool { return true })
		f.queue = &script{}
		return f
	}
	b.Run("reading", func(b *testing.B) {
		f := newFollower(Match{Paths: []Path{Software, Hardware}})
		perFlow(b, flows, func() int {
			_, err := f.takeReading(false, false)
			require.NoError(b, err)
			return f.read
		})
	})
	b.Run("notifications", func(b *testing.B) {
		f := newFollower(Match{})
		perFlow(b, 2*flows, func() int {
			for i := range table {
				if f.notified(&Notification{NotifyNew, table[i]}) != nil {
					return 0
				}
			}
			for i := range table {
				if f.notified(&Notification{NotifyDestroy, table[i]}) != nil {
					return 0
				}
			}
			return 2 * flows
		})
	})
}

// steady is a Source whose table nobody changes.
type steady struct {
	script
	table []Entry
}

func (s *steady) Dump(context.Context, Match) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for i := range s.table {
			if !yield(s.table[i], nil) {
				return
			}
		}
	}
}

func perFlow(b *testing.B, want int, read func() int) {
	b.ReportAllocs()
	for b.Loop() {
		if n := read(); n != want {
			b.Fatalf("%d flows, want %d", n, want)
		}
	}
	if want > 0 {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*want), "ns/flow")
	}
}
