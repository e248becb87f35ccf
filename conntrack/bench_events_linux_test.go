package conntrack

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// BenchmarkNotifications reads beginnings and ends that are queued: raw is the receive without decoding, the floor.
func BenchmarkNotifications(b *testing.B) {
	const flows, buffer = 10000, 64 << 20
	ctx := context.Background()
	ns := testns.NewT(b, "bench")
	require.NoError(b, ns.SetSysctl("net.netfilter.nf_conntrack_events", "1"))
	require.NoError(b, ns.NFT(ctx, `table inet t { chain c { type filter hook output priority filter; ct state new counter; }; }`))
	w, err := Open(ctx, &Config{NetNS: ns.Path(), ReadBuffer: buffer})
	require.NoError(b, err)
	defer w.Close()
	pinned, err := nlsock.OpenNamespace(ns.Path())
	require.NoError(b, err)
	defer pinned.Close()

	b.Run("raw", func(b *testing.B) {
		sock, err := pinned.Dial(unix.NETLINK_NETFILTER, nlsock.Config{ReadBuffer: buffer, Groups: []uint32{
			nlmsg.GroupConntrackNew, nlmsg.GroupConntrackUpdate, nlmsg.GroupConntrackDestroy}})
		require.NoError(b, err)
		defer sock.Close()
		perNotification(b, ns, w, flows, func() int { return count(b, sock.Queued(ctx)) })
	})
	b.Run("notifications", func(b *testing.B) {
		s, err := w.source.Subscribe(ctx, Match{})
		require.NoError(b, err)
		defer s.Close()
		perNotification(b, ns, w, flows, func() int { return count(b, s.Notifications(ctx, 0)) })
	})
	b.Run("waiting", func(b *testing.B) {
		s, err := w.source.Subscribe(ctx, Match{})
		require.NoError(b, err)
		defer s.Close()
		perNotification(b, ns, w, flows, func() (n int) {
			for _, err := range s.Notifications(ctx, time.Hour) {
				if err != nil {
					b.Fatal(err)
				}
				if n++; n == 2*flows {
					break
				}
			}
			return n
		})
	})
}

// count reads a stream to its end.
func count[T any](b *testing.B, stream iter.Seq2[T, error]) (n int) {
	for _, err := range stream {
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	return n
}

// perNotification lets connections begin and end, and measures how they are heard: the processor's time, which a busy machine spoils less.
func perNotification(b *testing.B, ns *testns.Namespace, w *Watcher, flows int, read func() int) {
	b.ReportAllocs()
	n, cpu := 0, time.Duration(0)
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		storm(b, ns, flows)
		require.NoError(b, w.source.DeleteAll(context.Background(), Match{}))
		before := processorTime(b)
		b.StartTimer()
		n += read()
		cpu += processorTime(b) - before
	}
	require.Equal(b, 2*flows*b.N, n)
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(n), "cpu-ns/notification")
}

func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
