package conntrack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	timo "github.com/ti-mo/conntrack"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// subscribe listens with a match until the test ends.
func subscribe(t *testing.T, w *Watcher, m Match) Subscription {
	t.Helper()
	s, err := w.source.Subscribe(t.Context(), m)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// queued takes what a subscription has.
func queued(t *testing.T, s Subscription) []Notification {
	t.Helper()
	var all []Notification
	for n, err := range s.Notifications(t.Context(), 0) {
		require.NoError(t, err)
		all = append(all, n)
	}
	return all
}

// A watch is a subscription that is compared with one to everything.
type watch struct {
	match Match
	queue Subscription
}

// watches subscribes with random matches that fit entries of a pool.
func watches(t *testing.T, w *Watcher, random *rand.Rand, pool []Entry, n int) []watch {
	t.Helper()
	list := make([]watch, n)
	for i := range list {
		m := randomMatch(random, &pool[random.IntN(len(pool))])
		list[i] = watch{m, subscribe(t, w, m)}
	}
	return list
}

// passed is what of all notifications has to reach w.
func (w *watch) passed(all []Notification) []Notification {
	var want []Notification
	for _, n := range all {
		if w.match.passes(n.Kind, &n.Entry) {
			want = append(want, n)
		}
	}
	return want
}

// Whatever the match, the socket gets what it concerns and nothing else: beginnings, updates and ends of all sorts of connections.
func TestSubscribeFiltersInTheKernel(t *testing.T) {
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "filter")
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_events", "1"))
	c, w, ctx := oracle(t, ns), open(t, ns, Config{}), within(t, 60*time.Second)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	flows := append(assorted(random, 120), madeToOrder()...)
	for _, f := range flows {
		require.NoError(t, c.Create(f), "%+v", f)
	}
	pool, err := entries(ctx, w, Match{})
	require.NoError(t, err)
	require.Len(t, pool, len(flows))
	_, err = w.Evict(ctx, Match{}, false)
	require.NoError(t, err)

	everything := subscribe(t, w, Match{})
	list := watches(t, w, random, pool, 60)
	for _, f := range flows {
		require.NoError(t, c.Create(f), "%+v", f)
		f.Mark, f.Status = 1+random.Uint32N(3), f.Status|timo.StatusSeenReply|timo.StatusAssured
		require.NoError(t, c.Update(f), "%+v", f)
		require.NoError(t, c.Delete(f), "%+v", f)
	}
	all := queued(t, everything)
	require.Len(t, all, 3*len(flows))
	dropped := 0
	for _, w := range list {
		want := w.passed(all)
		require.Equal(t, want, queued(t, w.queue), "%+v", w.match)
		dropped += len(all) - len(want)
	}
	assert.Greater(t, dropped, len(all)*len(list)/10)
	assert.Less(t, dropped, len(all)*len(list))
}

// assorted are connections of every protocol, with zones of both kinds and translated addresses.
func assorted(r *rand.Rand, n int) []timo.Flow {
	flows := make([]timo.Flow, n)
	protocols := []uint8{TCP, UDP, SCTP, GRE, UDPLite, ICMP, ICMPv6, 253}
	for i := range flows {
		proto := protocols[i%len(protocols)]
		six := proto == ICMPv6 || proto != ICMP && one(r, 2)
		port := uint16(20000 + i) // no two have the same tuple
		src, dst := netip.AddrPortFrom(randomAddr(r, six), port), netip.AddrPortFrom(randomAddr(r, six), 50+uint16(r.IntN(4)))
		status := timo.Status(0)
		if one(r, 2) {
			status = timo.StatusSeenReply | timo.StatusAssured
		}
		f := made(proto, status, src.String(), dst.String(), 600)
		f.Mark = r.Uint32N(4)
		switch proto {
		case ICMP:
			f.TupleOrig.Proto = timo.ProtoTuple{Protocol: proto, ICMPID: port, ICMPType: 8}
			f.TupleReply.Proto = timo.ProtoTuple{Protocol: proto, ICMPID: port, ICMPType: 0}
		case ICMPv6:
			f.TupleOrig.Proto = timo.ProtoTuple{Protocol: proto, ICMPID: port, ICMPType: 128}
			f.TupleReply.Proto = timo.ProtoTuple{Protocol: proto, ICMPID: port, ICMPType: 129}
		case SCTP:
			f.ProtoInfo.SCTP = &timo.ProtoInfoSCTP{State: 4, VTagOriginal: 1, VTagReply: 2}
		case 253:
			f.TupleOrig.IP.SourceAddress = unique(f.TupleOrig.IP.SourceAddress, i)
			f.TupleReply.IP.DestinationAddress = f.TupleOrig.IP.SourceAddress
		}
		if one(r, 3) {
			f.TupleReply.IP.DestinationAddress = unique(randomAddr(r, six), i)
		}
		switch zone := uint16(6 + r.IntN(3)); r.IntN(6) {
		case 0:
			f.Zone = zone
		case 1:
			f.TupleOrig.Zone = zone
		case 2:
			f.TupleReply.Zone = zone
		}
		flows[i] = f
	}
	return flows
}

// unique puts a number into an address.
func unique(a netip.Addr, n int) netip.Addr {
	b := a.AsSlice()
	b[len(b)-2], b[len(b)-1] = byte(n>>8), byte(n)
	a, _ = netip.AddrFromSlice(b)
	return a
}

// The same for the ends of what traffic, translation and helpers made.
func TestSubscribeFiltersTraffic(t *testing.T) {
	r := mixture(t)
	w, ctx := open(t, r.NS, Config{}), within(t, 60*time.Second)
	pool, err := entries(ctx, w, Match{})
	require.NoError(t, err)
	everything := subscribe(t, w, Match{})
	list := watches(t, w, rand.New(rand.NewPCG(3, 4)), pool, 60)
	gone, err := w.Evict(ctx, Match{}, false)
	require.NoError(t, err)
	victims := map[Key]bool{} // the peers are still there, and what they send may begin anew
	for _, v := range gone {
		victims[v.Entry.Key()] = true
	}
	// Ends of several processors may come in another order to another socket.
	of := func(all []Notification) []Notification {
		all = slices.DeleteFunc(all, func(n Notification) bool { return n.Kind != NotifyDestroy || !victims[n.Entry.Key()] })
		slices.SortFunc(all, func(a, b Notification) int { return strings.Compare(a.Entry.String(), b.Entry.String()) })
		return all
	}
	all := of(queued(t, everything))
	require.Len(t, all, len(victims))
	require.GreaterOrEqual(t, len(all), 10)
	dropped := 0
	for _, w := range list {
		want := w.passed(all)
		require.Equal(t, want, of(queued(t, w.queue)), "%+v", w.match)
		dropped += len(all) - len(want)
	}
	assert.Positive(t, dropped)
}

// Connections that are not offloaded when they begin, however many, cost a watcher of offloaded ones nothing.
func TestSubscribeSleepsThroughAStorm(t *testing.T) {
	ns := testns.NewT(t, "storm")
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_events", "1"))
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_udp_timeout", "600"))
	ctx := within(t, 2*time.Minute)
	require.NoError(t, ns.NFT(ctx, `table inet t { chain c { type filter hook output priority filter; ct state new counter; }; }`))
	w := open(t, ns, Config{ReadBuffer: 4096})
	offloaded := subscribe(t, w, Match{Paths: []Path{Software, Hardware}})
	everything := subscribe(t, w, Match{})
	flows := min(50_000, trackable(t)/2)
	storm(t, ns, flows)
	s, err := w.Settings(ctx)
	require.NoError(t, err)
	require.GreaterOrEqual(t, s.Count, flows)

	assert.Empty(t, queued(t, offloaded))
	overruns := 0
	for _, err := range everything.Notifications(ctx, 0) {
		if errors.Is(err, ErrOverrun) {
			overruns++
		}
	}
	assert.Equal(t, 1, overruns, "without the filter the queue is too small by far")
	// One that matches is heard.
	wanted := made(UDP, 0, "10.0.0.1:1", "10.0.0.2:2", 60)
	require.NoError(t, oracle(t, ns).Create(wanted))
	require.NoError(t, oracle(t, ns).Delete(wanted))
	require.Len(t, queued(t, offloaded), 1)
}

// trackable is how many connections this machine follows at most.
func trackable(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_max")
	require.NoError(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	require.NoError(t, err)
	return n
}

// storm begins n connections on the loopback device, one to each address.
func storm(t testing.TB, ns *testns.Namespace, n int) {
	t.Helper()
	require.NoError(t, ns.Do(func() error {
		sink, err := net.ListenUDP("udp4", &net.UDPAddr{})
		if err != nil {
			return err
		}
		defer sink.Close()
		from, err := net.ListenUDP("udp4", &net.UDPAddr{})
		if err != nil {
			return err
		}
		defer from.Close()
		port := sink.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		for i := range n {
			to := netip.AddrFrom4([4]byte{127, byte(1 + i>>16), byte(i >> 8), byte(i)})
			if _, err := from.WriteToUDPAddrPort([]byte("x"), netip.AddrPortFrom(to, port)); err != nil {
				return fmt.Errorf("datagram %d: %w", i, err)
			}
		}
		return nil
	}))
}

// A filter that a kernel finds too large is made smaller: nothing is missed.
func TestSubscribeWithTheLargestFilter(t *testing.T) {
	ns := testns.NewT(t, "large")
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_events", "1"))
	w, c := open(t, ns, Config{}), oracle(t, ns)
	var m Match
	for i := range maxFilterPrefixes {
		m.Prefixes = append(m.Prefixes, netip.PrefixFrom(unique(netip.MustParseAddr("2001:db8:ffff:ffff:ffff:ffff:ffff:0"), i), 128))
	}
	s := subscribe(t, w, m)
	inside := made(UDP, 0, "[2001:db8::1]:1", netip.AddrPortFrom(m.Prefixes[63].Addr(), 2).String(), 60)
	outside := made(UDP, 0, "10.0.0.1:1", "10.0.0.2:2", 60)
	require.NoError(t, c.Create(inside))
	require.NoError(t, c.Create(outside))
	got := queued(t, s)
	require.Len(t, got, 1)
	assert.Equal(t, m.Prefixes[63].Addr(), got[0].Entry.Orig.Dst.Addr())
}
