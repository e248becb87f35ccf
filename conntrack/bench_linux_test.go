package conntrack

import (
	"context"
	"fmt"
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
