package conntrack

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	timo "github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// Every kind of match gives what Matches says of the whole table; and where the kernel filters, it does.
func TestEntriesMatch(t *testing.T) {
	r := mixture(t)
	w := open(t, r.NS, Config{})
	ctx := within(t, 30*time.Second)
	all, err := entries(ctx, w, Match{})
	require.NoError(t, err)
	for _, c := range []struct {
		name      string
		match     Match
		want      int
		inKernel  bool // the dump yields nothing else
		zoneAlone bool
	}{
		{"everything", Match{}, len(all), true, false},
		{"family", Match{Family: IPv6}, 5, true, false},
		{"assured, which stands in for offload", Match{Status: Assured}, 6, true, false},
		{"not assured", Match{StatusMask: Assured}, len(all) - 6, true, false},
		{"replied and not assured", Match{Status: SeenReply, StatusMask: SeenReply | Assured}, 6, true, false},
		{"slow", Match{Paths: []Path{Slow}}, len(all), true, false},
		{"offloaded", Match{Paths: []Path{Software, Hardware}}, 0, true, false},
		{"slow or hardware", Match{Paths: []Path{Slow, Hardware}}, len(all), true, false},
		{"path and status that exclude each other", Match{Paths: []Path{Slow}, Status: Offload}, 0, true, false},
		{"mark", Match{Mark: 0x80000001}, 1, true, false},
		{"mark and mask", Match{Mark: 0x20, Mask: 0xf0}, 3, true, false},
		{"no mark", Match{Mask: 0xffffffff}, len(all) - 4, true, false},
		{"zone", Match{Zones: []uint16{7}}, 1, true, true},
		{"default zone", Match{Zones: []uint16{0}}, len(all) - 1, true, true},
		{"zones", Match{Zones: []uint16{0, 7}}, len(all), true, false},
		{"protocol", Match{Proto: TCP}, 5, false, false},
		{"IPv4 prefix", Match{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/29")}}, 5, false, false},
		{"IPv6 prefix", Match{Prefixes: []netip.Prefix{netip.MustParsePrefix("2001:db8:2::/48")}}, 3, false, false},
		{"translated address", Match{Prefixes: []netip.Prefix{netip.MustParsePrefix("203.0.113.1/32")}}, 1, false, false},
		{"tuple", Match{Tuple: Tuple{Proto: UDP, Dst: netip.MustParseAddrPort("[2001:db8::2]:53")}}, 1, false, false},
		{"tuple of the reply", Match{Tuple: Tuple{Src: netip.MustParseAddrPort("10.2.0.1:36412")}}, 1, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := entries(ctx, w, c.match)
			require.NoError(t, err)
			assert.Len(t, got, c.want)
			want := 0
			for _, e := range all {
				if c.match.Matches(&e) {
					want++
				}
			}
			assert.Equal(t, want, len(got), "the kernel's filter and Matches disagree")
			release, err := testns.Kernel()
			require.NoError(t, err)
			if !c.inKernel || c.zoneAlone && !release.AtLeast(6, 12) {
				return
			}
			dumped := 0
			for _, err := range w.source.Dump(ctx, c.match) {
				require.NoError(t, err)
				dumped++
			}
			assert.Equal(t, c.want, dumped, "the kernel should have left out the others")
		})
	}
}

// Without accounting a counter is unavailable, which is not zero.
func TestEntriesCountersUnavailable(t *testing.T) {
	for _, accounting := range []string{"0", "1"} {
		ns := testns.NewT(t, "acct")
		require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_acct", accounting))
		c := oracle(t, ns)
		require.NoError(t, c.Create(made(UDP, 0, "10.0.0.1:1", "10.0.0.2:2", 60)))
		w := open(t, ns, Config{})
		ctx := within(t, 10*time.Second)
		all, err := entries(ctx, w, Match{})
		require.NoError(t, err)
		require.Len(t, all, 1)
		assert.Equal(t, Counters{OK: accounting == "1"}, all[0].Sent)
		assert.Equal(t, Counters{OK: accounting == "1"}, all[0].Received)
		s, err := w.Settings(ctx)
		require.NoError(t, err)
		assert.Equal(t, accounting == "1", s.Accounting)
		assert.False(t, s.Timestamps)
		assert.Contains(t, []int{1, 2}, s.Events)
	}
}

// Breaking out in the middle of a dump that needs many datagrams leaves the watcher usable.
func TestEntriesBreakAndCancel(t *testing.T) {
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "break")
	many(t, oracle(t, ns), 2000)
	w := open(t, ns, Config{})
	ctx := within(t, 30*time.Second)
	for range 20 {
		for _, err := range w.Entries(ctx, Match{}) {
			require.NoError(t, err)
			break
		}
	}
	all, err := entries(ctx, w, Match{})
	require.NoError(t, err)
	assert.Len(t, all, 2000)

	canceled, cancel := context.WithCancel(ctx)
	defer cancel()
	n := 0
	var last error
	for _, err := range w.Entries(canceled, Match{}) {
		if last = err; err == nil {
			n++
			cancel()
		}
	}
	assert.ErrorIs(t, last, context.Canceled)
	assert.Less(t, n, 2000, "a canceled dump ends")
	_, err = entries(canceled, w, Match{})
	assert.ErrorIs(t, err, context.Canceled)
	_, err = entries(ctx, w, Match{Mark: 1, Mask: 2})
	assert.ErrorContains(t, err, "outside its mask")
}

func TestWatcherAfterClose(t *testing.T) {
	ns := testns.NewT(t, "close")
	w, err := Open(within(t, 10*time.Second), &Config{NetNS: ns.Path()})
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	ctx := within(t, 10*time.Second)
	_, err = entries(ctx, w, Match{})
	assert.ErrorIs(t, err, fs.ErrClosed)
	for _, err := range w.Changes(ctx, Match{}) {
		assert.ErrorIs(t, err, fs.ErrClosed)
	}
}

func TestOpenNamedAndMissingNamespace(t *testing.T) {
	ns := testns.NewNamedT(t, "named")
	w, err := Open(within(t, 10*time.Second), &Config{NetNS: ns.Name()})
	require.NoError(t, err)
	require.NoError(t, w.Close())

	_, err = Open(within(t, 10*time.Second), &Config{NetNS: "there-is-none"})
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, `"there-is-none"`)
	assert.ErrorContains(t, err, "ip netns list")
}

// Whoever lacks CAP_NET_ADMIN is told so.
func TestOpenWithoutPrivilege(t *testing.T) {
	testns.RequireNamespaces(t)
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends without its capabilities
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			failed <- err
			return
		}
		w, err := Open(context.Background(), nil)
		if err == nil {
			err = errors.Join(errors.New("opened without any capability"), w.Close())
		}
		failed <- err
	}()
	err := <-failed
	assert.ErrorIs(t, err, fs.ErrPermission)
	assert.ErrorContains(t, err, "CAP_NET_ADMIN")
	assert.ErrorContains(t, err, "run as root")
}

// A subsystem that the kernel lacks is answered as ctnetlink would be.
func TestProbeWithoutCtnetlink(t *testing.T) {
	ns := testns.NewT(t, "none")
	pinned, err := nlsock.OpenNamespace(ns.Path())
	require.NoError(t, err)
	k := &kernel{ns: pinned, busy: map[*nlsock.Socket]bool{}}
	defer k.Close()
	_, err = k.do(within(t, 10*time.Second), func(b *nlmsg.Builder) {
		b.BeginNetfilter(200<<8|nlmsg.CTGetStats, nlmsg.FlagRequest|nlmsg.FlagAck, 0, nlmsg.FamilyUnspec, 0)
		b.End()
	})
	require.ErrorIs(t, err, unix.EINVAL)
	err = k.unsupported(err)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.ErrorContains(t, err, "nf_conntrack_netlink")
}

func TestEvict(t *testing.T) {
	ns := testns.NewT(t, "evict")
	c := oracle(t, ns)
	for _, f := range madeToOrder() {
		require.NoError(t, c.Create(f))
	}
	w := open(t, ns, Config{})
	ctx := within(t, 10*time.Second)
	before, err := entries(ctx, w, Match{})
	require.NoError(t, err)

	victims, err := w.Evict(ctx, Match{Proto: TCP}, true)
	require.NoError(t, err)
	assert.Len(t, victims, 2, "the same tuple in two zones")
	after, err := entries(ctx, w, Match{})
	require.NoError(t, err)
	assert.Len(t, after, len(before), "a dry run removes nothing")

	victims, err = w.Evict(ctx, Match{Zones: []uint16{7}}, false)
	require.NoError(t, err)
	require.Len(t, victims, 1)
	after, err = entries(ctx, w, Match{})
	require.NoError(t, err)
	assert.Len(t, after, len(before)-1)
	assert.NotContains(t, after, victims[0].Entry)

	// The tuple belongs to another incarnation now: it is left alone.
	require.NoError(t, c.Create(func() timo.Flow { f := madeToOrder()[0]; f.Timeout = 999; return f }()))
	wrong := victims[0].Entry.Key()
	wrong.ID++
	assert.ErrorIs(t, w.source.Delete(ctx, wrong), fs.ErrNotExist)

	victims, err = w.Evict(ctx, Match{}, false)
	require.NoError(t, err)
	assert.Len(t, victims, len(before))
	after, err = entries(ctx, w, Match{})
	require.NoError(t, err)
	assert.Empty(t, after)
}

func TestLookup(t *testing.T) {
	r := mixture(t)
	w := open(t, r.NS, Config{})
	ctx := within(t, 10*time.Second)
	all, err := entries(ctx, w, Match{})
	require.NoError(t, err)
	for _, e := range all {
		got, err := w.source.Lookup(ctx, e.Key())
		require.NoError(t, err, e.String())
		assert.Equal(t, e.Key(), got.Key())
		assert.False(t, got.Sent.behind(e.Sent))
		gone := e.Key()
		gone.Zone += 100
		_, err = w.source.Lookup(ctx, gone)
		assert.ErrorIs(t, err, fs.ErrNotExist, e.String())
	}
}
