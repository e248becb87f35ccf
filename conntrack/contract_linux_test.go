package conntrack_test

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	timo "github.com/ti-mo/conntrack"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
)

// A tracking is a kernel that tracks connections: this machine's, or the imitated one.
type tracking struct {
	conntrack.Source
	begin func(e conntrack.Entry)
	mark  func(e conntrack.Entry) // gives a connection another mark
	set   func(key, value string)

	timesEvents bool // notifications tell when: Linux 6.14
}

// onTheKernel is a namespace of its own.
func onTheKernel(t *testing.T) tracking {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "contract")
	source, err := conntrack.OpenSource(soon(t), &conntrack.Config{NetNS: ns.Path()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.Close()) })
	c, err := timo.Dial(&netlink.Config{NetNS: ns.FD()})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	set := func(key, value string) { require.NoError(t, ns.SetSysctl(key, value)) }
	set("net.netfilter.nf_conntrack_acct", "1")
	set("net.netfilter.nf_conntrack_events", "1")
	release, err := testns.Kernel()
	require.NoError(t, err)
	return tracking{
		Source: source, set: set, timesEvents: release.AtLeast(6, 14),
		begin: func(e conntrack.Entry) { require.NoError(t, c.Create(wanted(&e))) },
		mark:  func(e conntrack.Entry) { require.NoError(t, c.Update(wanted(&e))) },
	}
}

func wanted(e *conntrack.Entry) timo.Flow {
	src, dst := e.Orig.Src, e.Orig.Dst
	f := timo.NewFlow(e.Orig.Proto, timo.Status(e.Status), src.Addr(), dst.Addr(), src.Port(), dst.Port(), 600, e.Mark)
	f.TupleOrig.Zone, f.TupleReply.Zone = e.Orig.Zone, e.Reply.Zone
	if e.Orig.Zone == 0 && e.Reply.Zone == 0 {
		f.Zone = e.Zone
	}
	return f
}

// onTheFake is offloadtest's.
func onTheFake(t *testing.T) tracking {
	k := offloadtest.New(t, nil)
	return tracking{
		Source: k.Conntrack(), set: k.SetSysctl, timesEvents: true, // it imitates 7.2
		begin: func(e conntrack.Entry) {
			e.ID = 0
			e.Sent.OK, e.Received.OK = true, true
			k.AddFlow(e)
		},
		mark: func(e conntrack.Entry) {
			now, err := k.Conntrack().Lookup(t.Context(), e.Key())
			require.NoError(t, err)
			now.Mark = e.Mark
			require.True(t, k.UpdateFlow(now))
		},
	}
}

// eachTracking runs a test on both: what holds of one holds of the other.
func eachTracking(t *testing.T, test func(t *testing.T, k tracking)) {
	t.Run("kernel", func(t *testing.T) { test(t, onTheKernel(t)) })
	t.Run("fake", func(t *testing.T) { test(t, onTheFake(t)) })
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

const confirmed = conntrack.Confirmed | conntrack.SeenReply

func udp(src, dst string, change func(*conntrack.Entry)) conntrack.Entry {
	e := conntrack.Entry{Status: confirmed}
	e.Orig = conntrack.Tuple{Proto: conntrack.UDP, Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst)}
	if change != nil {
		change(&e)
	}
	return e
}

// sample are connections by name.
func sample() map[string]conntrack.Entry {
	return map[string]conntrack.Entry{
		"plain":   udp("10.0.0.1:1000", "192.0.2.1:53", nil),
		"marked":  udp("10.0.0.2:1000", "192.0.2.1:53", func(e *conntrack.Entry) { e.Mark = 0x112 }),
		"assured": udp("10.0.0.3:1000", "192.0.2.1:443", func(e *conntrack.Entry) { e.Status |= conntrack.Assured }),
		"zoned":   udp("10.0.0.1:1000", "192.0.2.1:53", func(e *conntrack.Entry) { e.Zone = 7 }),
		"six":     udp("[2001:db8::1]:1000", "[2001:db8::2]:53", func(e *conntrack.Entry) { e.Mark = 0x12 }),
		"gre":     udp("10.1.0.1:17", "192.0.2.1:18", func(e *conntrack.Entry) { e.Orig.Proto = conntrack.GRE }), // its keys
	}
}

// beginAll begins the sample.
func beginAll(k tracking) {
	for _, e := range sample() {
		k.begin(e)
	}
}

// matching are the names of the connections that a Match has.
func matching(t *testing.T, k tracking, m conntrack.Match) []string {
	t.Helper()
	names := []string{}
	for e, err := range k.Dump(soon(t), m) {
		require.NoError(t, err)
		if !m.Matches(&e) { // a Source may leave that to the Watcher
			continue
		}
		for name, want := range sample() {
			if want.Orig == e.Orig && want.Zone == e.Zone {
				names = append(names, name)
				assert.NotZero(t, e.ID)
				assert.Equal(t, want.Mark, e.Mark)
				assert.Equal(t, want.Status, e.Status&(confirmed|conntrack.Assured))
				assert.Equal(t, conntrack.Counters{OK: true}, e.Sent)
			}
		}
	}
	return names
}

func TestContractOfDump(t *testing.T) {
	eachTracking(t, func(t *testing.T, k tracking) {
		beginAll(k)
		for want, m := range map[*[]string]conntrack.Match{
			{"plain", "marked", "assured", "zoned", "six", "gre"}: {},
			{"marked", "six"}: {Mark: 0x12, Mask: 0xff},
			{"marked"}:        {Mark: 0x112},
			{"assured"}:       {Status: conntrack.Assured},
			{"plain", "marked", "zoned", "six", "gre"}: {StatusMask: conntrack.Assured},
			{"zoned"}:                    {Zones: []uint16{7}},
			{"six"}:                      {Family: conntrack.IPv6},
			{"gre"}:                      {Proto: conntrack.GRE},
			{"plain", "zoned", "six"}:    {Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/31"), netip.MustParsePrefix("2001:db8::2/128")}},
			{"assured"}:                  {Tuple: conntrack.Tuple{Dst: netip.MustParseAddrPort("192.0.2.1:443")}},
			{"plain", "marked", "zoned"}: {Tuple: conntrack.Tuple{Proto: conntrack.UDP, Dst: netip.MustParseAddrPort("192.0.2.1:53")}},
			{"plain", "marked", "assured", "zoned", "six", "gre", ""}: {Paths: []conntrack.Path{conntrack.Slow}},
			{}: {Paths: []conntrack.Path{conntrack.Software, conntrack.Hardware}},
		} {
			names := *want
			if n := len(names); n > 0 && names[n-1] == "" {
				names = names[:n-1]
			}
			assert.ElementsMatch(t, names, matching(t, k, m), "%+v", m)
		}
	})
}

func TestContractOfLookupAndDelete(t *testing.T) {
	eachTracking(t, func(t *testing.T, k tracking) {
		beginAll(k)
		ctx := soon(t)
		plain, zoned := sample()["plain"], sample()["zoned"]
		e, err := k.Lookup(ctx, plain.Key()) // whatever its ID is
		require.NoError(t, err)
		assert.Equal(t, plain.Orig, e.Orig)
		assert.Equal(t, plain.Orig.Reversed(), e.Reply)
		assert.Zero(t, e.Zone)
		inZone, err := k.Lookup(ctx, zoned.Key())
		require.NoError(t, err)
		assert.EqualValues(t, 7, inZone.Zone)
		assert.NotEqual(t, e.Key(), inZone.Key())
		other := plain.Key()
		other.Zone = 8
		_, err = k.Lookup(ctx, other)
		require.ErrorIs(t, err, fs.ErrNotExist)

		wrong := e.Key()
		for _, id := range []uint32{e.ID + 1, 0} {
			wrong.ID = id
			require.ErrorIs(t, k.Delete(ctx, wrong), fs.ErrNotExist, "of another ID")
		}
		require.ErrorIs(t, k.Delete(ctx, other), fs.ErrNotExist, "in another zone")
		assert.Len(t, matching(t, k, conntrack.Match{}), 6)
		require.NoError(t, k.Delete(ctx, e.Key()))
		require.ErrorIs(t, k.Delete(ctx, e.Key()), fs.ErrNotExist, "it is gone")
		_, err = k.Lookup(ctx, e.Key())
		require.ErrorIs(t, err, fs.ErrNotExist)
		assert.ElementsMatch(t, []string{"marked", "assured", "zoned", "six", "gre"}, matching(t, k, conntrack.Match{}))
	})
}

// What one request cannot say is refused with nothing done; the fake says everything.
func TestContractOfDeleteAll(t *testing.T) {
	eachTracking(t, func(t *testing.T, k tracking) {
		for want, m := range map[*[]string]conntrack.Match{
			{"plain", "assured", "zoned", "gre"}:           {Mark: 0x12, Mask: 0xff},
			{"plain", "marked", "zoned", "six", "gre"}:     {Status: conntrack.Assured},
			{"plain", "marked", "assured", "zoned", "gre"}: {Family: conntrack.IPv6},
			{"plain", "marked", "assured", "six", "gre"}:   {Zones: []uint16{7}},
			{"plain", "marked", "assured", "zoned", "six"}: {Proto: conntrack.GRE},
			{}: {},
		} {
			require.NoError(t, k.DeleteAll(soon(t), conntrack.Match{}))
			beginAll(k)
			err := k.DeleteAll(soon(t), m)
			if errors.Is(err, errors.ErrUnsupported) {
				assert.Len(t, matching(t, k, conntrack.Match{}), 6, "%+v", m)
				continue
			}
			require.NoError(t, err)
			assert.ElementsMatch(t, *want, matching(t, k, conntrack.Match{}), "%+v", m)
		}
	})
}

// next is the next notification about a connection of the sample.
func next(t *testing.T, q conntrack.Subscription) conntrack.Notification {
	t.Helper()
	for n, err := range q.Notifications(soon(t), time.Minute) {
		require.NoError(t, err)
		return n
	}
	t.Fatal("nothing came")
	return conntrack.Notification{}
}

func TestContractOfNotifications(t *testing.T) {
	eachTracking(t, func(t *testing.T, k tracking) {
		k.set("net.netfilter.nf_conntrack_timestamp", "1")
		q, err := k.Subscribe(soon(t), conntrack.Match{})
		require.NoError(t, err)
		e := sample()["plain"]
		earliest := time.Now().Add(-time.Microsecond)
		expect := func(kind conntrack.NotificationKind, counted bool, mark uint32) conntrack.Entry {
			t.Helper()
			n := next(t, q)
			assert.Equal(t, k.timesEvents, !n.Entry.Event.IsZero())
			if k.timesEvents {
				assert.WithinRange(t, n.Entry.Event, earliest, time.Now())
				earliest = n.Entry.Event
			}
			assert.Equal(t, kind, n.Kind)
			assert.Equal(t, e.Orig, n.Entry.Orig)
			assert.Equal(t, mark, n.Entry.Mark)
			assert.NotZero(t, n.Entry.ID)
			assert.Zero(t, n.Entry.Use)
			assert.Equal(t, conntrack.Counters{OK: counted}, n.Entry.Sent)
			assert.Equal(t, conntrack.Counters{OK: counted}, n.Entry.Received)
			return n.Entry
		}
		k.begin(e)
		began := expect(conntrack.NotifyNew, false, 0)
		read, err := k.Lookup(soon(t), began.Key())
		require.NoError(t, err)
		assert.Zero(t, read.Event, "a reading has none")
		assert.False(t, read.Start.IsZero())
		e.Mark = 0x33
		k.mark(e)
		expect(conntrack.NotifyUpdate, false, 0x33)
		require.NoError(t, k.Delete(soon(t), began.Key()))
		ended := expect(conntrack.NotifyDestroy, true, 0x33)
		assert.False(t, ended.Start.IsZero())
		assert.False(t, ended.Stop.IsZero())
		assert.Equal(t, began.Key(), ended.Key())

		for range q.Notifications(soon(t), 0) {
			t.Error("nothing else is queued")
		}
		require.NoError(t, q.Close())
		var last error
		for _, err := range q.Notifications(soon(t), time.Minute) {
			last = err
		}
		require.Error(t, last, "it is closed")
	})
}

// Whether a connection tells of itself is decided when it begins. That with 2 those are silent that nobody listened to cannot be seen on a
// machine where anybody may listen: kernels keep one flag for all namespaces (nf_ctnetlink_has_listener).
func TestContractOfEvents(t *testing.T) {
	eachTracking(t, func(t *testing.T, k tracking) {
		q, err := k.Subscribe(soon(t), conntrack.Match{})
		require.NoError(t, err)
		defer q.Close()
		for _, s := range [][2]string{{"2", "marked"}, {"0", "assured"}, {"1", "six"}} {
			k.set("net.netfilter.nf_conntrack_events", s[0])
			k.begin(sample()[s[1]])
		}
		require.NoError(t, k.DeleteAll(soon(t), conntrack.Match{}))
		told := map[string][]conntrack.NotificationKind{}
		for range 4 {
			n := next(t, q)
			for name, s := range sample() {
				if s.Orig == n.Entry.Orig && s.Zone == n.Entry.Zone {
					told[name] = append(told[name], n.Kind)
				}
			}
		}
		whole := []conntrack.NotificationKind{conntrack.NotifyNew, conntrack.NotifyDestroy}
		assert.Equal(t, map[string][]conntrack.NotificationKind{"marked": whole, "six": whole}, told)
		for n := range q.Notifications(soon(t), 0) {
			t.Errorf("%v was told", n)
		}
	})
}

// A wait ends with ctx, whose error is the last pair.
func TestContractOfWaiting(t *testing.T) {
	eachTracking(t, func(t *testing.T, k tracking) {
		q, err := k.Subscribe(soon(t), conntrack.Match{})
		require.NoError(t, err)
		defer q.Close()
		for _, wait := range []time.Duration{0, time.Minute} {
			ctx, cancel := context.WithCancel(soon(t))
			cancel()
			var last error
			for _, err := range q.Notifications(ctx, wait) {
				last = err
			}
			require.ErrorIs(t, last, context.Canceled)
		}
		for range q.Notifications(soon(t), time.Millisecond) {
			t.Error("nothing is queued")
		}
	})
}

// A queue outlives a call: what comes after its ctx ended, or the caller broke out, the next one has.
func TestContractOfNotificationsAgain(t *testing.T) {
	eachTracking(t, func(t *testing.T, k tracking) {
		q, err := k.Subscribe(soon(t), conntrack.Match{})
		require.NoError(t, err)
		defer q.Close()
		began := []string{"plain", "marked", "assured", "six"}
		for _, name := range began[:3] {
			k.begin(sample()[name])
		}
		told := []conntrack.Tuple{next(t, q).Entry.Orig} // breaks out, two are left
		ctx, cancel := context.WithCancel(soon(t))
		var last error
		for n, err := range q.Notifications(ctx, time.Minute) {
			if last = err; err == nil {
				told = append(told, n.Entry.Orig)
				cancel()
			}
		}
		require.ErrorIs(t, last, context.Canceled)
		ctx, cancel = context.WithCancel(soon(t))
		time.AfterFunc(10*time.Millisecond, cancel)
		for n, err := range q.Notifications(ctx, time.Minute) { // it waits when its ctx ends
			if err == nil {
				told = append(told, n.Entry.Orig)
			}
		}
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		k.begin(sample()["six"])
		for len(told) < len(began) {
			told = append(told, next(t, q).Entry.Orig)
		}
		for i, name := range began {
			assert.Equal(t, sample()[name].Orig, told[i])
		}
	})
}

func TestContractOfSettings(t *testing.T) {
	eachTracking(t, func(t *testing.T, k tracking) {
		read := func() conntrack.Settings {
			s, err := k.Settings(soon(t))
			require.NoError(t, err)
			return s
		}
		assert.Equal(t, conntrack.Settings{Accounting: true, Events: 1, TCPLoose: true}, read())
		for _, s := range [][2]string{{"acct", "0"}, {"events", "2"}, {"timestamp", "1"}, {"tcp_loose", "0"}} {
			k.set("net.netfilter.nf_conntrack_"+s[0], s[1])
		}
		beginAll(k)
		assert.Equal(t, conntrack.Settings{Events: 2, Timestamps: true, Count: 6}, read())
	})
}
