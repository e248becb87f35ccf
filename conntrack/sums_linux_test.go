package conntrack

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// A sums test sends short and long flows over all paths that the kernel has, over UDP and TCP, IPv4 and IPv6.
type sums struct {
	*paths
	short, long int
	ports       []uint16

	sent    map[string]testns.Traffic // by network, by the ends
	evicted atomic.Int64
	done    atomic.Bool
}

// The sum of what Changes tells is what was sent: UDP to the byte, TCP within one segment a connection. Meanwhile flows are offloaded, fall back
// because they are idle, expire and begin again under the same tuple, and are evicted. With FASTPATH_SOAK (make soak) it is 10,000 flows
// of each network, else some hundred; on a kernel without flowtables all of them take the slow path.
func TestSoakSums(t *testing.T) {
	testns.CheckLeaks(t)
	s := &sums{short: 250, long: 24, ports: []uint16{softPort, hardPort, slowPort}, sent: map[string]testns.Traffic{}}
	if os.Getenv("FASTPATH_SOAK") != "" {
		s.short, s.long = 9900, 100
	} else if os.Getenv("FASTPATH_VM") != "" {
		s.short, s.long = 120, 12
	}
	ctx := within(t, 20*time.Minute)
	s.paths = routed(t, Config{Poll: often}, map[string]string{
		"net.netfilter.nf_conntrack_udp_timeout":        "2",
		"net.netfilter.nf_conntrack_udp_timeout_stream": "2",
	})
	s.track(t, ctx)
	before := s.datagrams()
	s.check(t, before, s.follow(t, ctx))
}

// track turns tracking on, and offloading where the kernel has it.
func (s *sums) track(t *testing.T, ctx context.Context) {
	t.Helper()
	if have, reason := testns.HaveFlowtables(ctx); !have && os.Getenv("FASTPATH_VM") == "" {
		t.Log("on the slow path only: ", reason)
		require.NoError(t, s.NS.NFT(ctx, "table inet track { chain c { type filter hook forward priority filter; ct state invalid drop; }; }"))
		return
	}
	for _, network := range []string{"udp", "tcp"} {
		require.NoError(t, s.NS.SetSysctl("net.netfilter.nf_flowtable_"+network+"_timeout", "2"))
	}
	s.offload(t, ctx)
}

// follow adds up what the stream tells until all traffic was sent and every connection has ended.
func (s *sums) follow(t *testing.T, ctx context.Context) map[uint8]*Delta {
	t.Helper()
	many(t, oracle(t, s.NS), 1) // stays to the end, which it tells
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	told := map[uint8]*Delta{UDP: {}, TCP: {}}
	began, steps := map[Tuple]int{}, map[Path]int{}
	m := newMirror()
	for c, err := range s.w.Changes(ctx, Match{}) {
		require.NoError(t, err, "because of: %v", context.Cause(ctx))
		require.NotEqual(t, Overrun, c.Kind)
		require.NoError(t, m.apply(c))
		if sum := told[c.Entry.Orig.Proto]; sum != nil {
			sum.add(s.fromClient(c))
		}
		switch c.Kind {
		case Synced:
			go s.run(ctx, stop)
		case New:
			began[c.Entry.Orig]++
		case PathChanged:
			steps[c.Entry.Path()]++
		}
		if s.done.Load() && len(m.live) == 0 {
			break
		}
	}
	again := 0
	for _, n := range began {
		again += n - 1
	}
	t.Logf("%d tuples, %d connections began again, %d were evicted; steps to %v", len(began), again, s.evicted.Load(), steps)
	assert.GreaterOrEqual(t, again, s.long, "flows that paused began again")
	return told
}

// fromClient is the delta with what the client has sent in Sent. A connection that expires before its answer came begins anew with the answer: then
// the server's is the original direction.
func (s *sums) fromClient(c Change) Delta {
	if slices.Contains(s.ports, c.Entry.Orig.Dst.Port()) {
		return c.Delta
	}
	return Delta{Sent: c.Delta.Received, Received: c.Delta.Sent}
}

// run sends everything and then ends what is left. An error ends the stream.
func (s *sums) run(ctx context.Context, stop context.CancelCauseFunc) {
	err := s.send(ctx)
	s.done.Store(true)
	if err == nil {
		_, err = s.w.Evict(ctx, Match{}, false)
	}
	if err != nil {
		stop(err)
	}
}

// send sends four swarms at a time.
func (s *sums) send(ctx context.Context) error {
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	for _, network := range []string{"udp", "tcp"} {
		swarm := testns.Swarm{Dial: func(i int) testns.DialConfig {
			family := testns.Families()[i%2]
			return testns.DialConfig{Network: network, To: netip.AddrPortFrom(s.ServerAddr(family), s.ports[i/2%len(s.ports)])}
		}}
		short, long := swarm, swarm
		short.Flows, short.Between = s.short, s.evictSome
		long.Flows, long.Workers, long.Messages, long.Between = s.long, s.long, 10, s.pause
		for _, swarm := range []testns.Swarm{short, long} {
			all.Go(func() {
				sent, err := s.Swarm(ctx, swarm)
				mu.Lock()
				defer mu.Unlock()
				for network, t := range sent {
					sum := s.sent[network]
					sum.Add(t)
					s.sent[network] = sum
				}
				errs = append(errs, err)
			})
		}
	}
	all.Wait()
	return errors.Join(errs...)
}

// evictSome removes every third connection in its middle.
func (s *sums) evictSome(ctx context.Context, i int, f *testns.Flow) error {
	if i/6%3 != 1 {
		return nil
	}
	e, err := s.look(ctx, f)
	if err != nil {
		return err
	}
	gone, err := s.w.EvictEntries(ctx, []Entry{e})
	s.evicted.Add(int64(len(gone)))
	return err
}

// pause waits until the connection has expired, or is back on the slow path at least.
func (s *sums) pause(ctx context.Context, _ int, f *testns.Flow) error {
	return testns.Poll(ctx, 5*often, func() (bool, error) {
		e, err := s.look(ctx, f)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return true, nil
		case err != nil || f.Tuple().Network == "udp":
			return false, err
		}
		return e.Path() == Slow, nil
	})
}

func (s *sums) look(ctx context.Context, f *testns.Flow) (Entry, error) {
	tuple := asTuple(f)
	tuple.Proto = protoOf(f.Tuple().Network)
	return s.w.source.Lookup(ctx, Key{Orig: tuple})
}

// check compares. What came over UDP the servers know.
func (s *sums) check(t *testing.T, before testns.Counter, told map[uint8]*Delta) {
	t.Helper()
	udp, sent := told[UDP], s.sent["udp"].Sent
	assert.Equal(t, sent, testns.Counter{Packets: udp.Sent.Packets, Bytes: udp.Sent.Bytes}, "UDP, sent")
	answered := s.datagrams().Sub(before)
	assert.Equal(t, answered, testns.Counter{Packets: udp.Received.Packets, Bytes: udp.Received.Bytes}, "UDP, received")

	connections := float64(s.short + s.long)
	tcp, ends := told[TCP], s.sent["tcp"]
	for _, side := range []struct {
		name string
		told Counters
		ends testns.Counter
	}{{"sent", tcp.Sent, ends.Sent}, {"received", tcp.Received, ends.Received}} {
		t.Logf("TCP, %s: the ends %+v, told %+v", side.name, side.ends, side.told)
		assert.InDelta(t, side.ends.Packets, side.told.Packets, connections, "TCP, %s: a segment a connection", side.name)
		assert.InDelta(t, side.ends.Bytes, side.told.Bytes, connections*segment, "TCP, %s: a segment a connection", side.name)
	}
}

// segment is the largest that these connections send: a message, IPv6, and timestamps. Of the bytes received TCP_INFO leaves out what came twice.
const segment = 200 + 40 + 32

func (s *sums) datagrams() testns.Counter {
	sum := s.Echo.Datagrams()
	for _, server := range s.servers {
		d := server.Datagrams()
		sum.Packets += d.Packets
		sum.Bytes += d.Bytes
	}
	return sum
}
