package kernel

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// listenT begins a stream and reads its beginning. next reads on.
func listenT(t *testing.T, events iter.Seq2[Event, error]) (next func() Event) {
	t.Helper()
	pull, stop := iter.Pull2(events)
	t.Cleanup(stop)
	next = func() Event {
		t.Helper()
		e, err, ok := pull()
		require.True(t, ok)
		require.NoError(t, err)
		return e
	}
	require.Equal(t, EventLost, next().Kind, "the beginning")
	return next
}

// until reads on until an event says so.
func until(t *testing.T, next func() Event, want Event) {
	t.Helper()
	var seen []string
	for len(seen) < 100 {
		e := next()
		if e.Kind == want.Kind && e.Device == want.Device && strings.Contains(e.What, want.What) {
			return
		}
		seen = append(seen, fmt.Sprintf("%+v", e))
	}
	require.Failf(t, "the event did not come", "want %+v, had\n%s", want, strings.Join(seen, "\n"))
}

func TestEventsOfLinks(t *testing.T) {
	ns, k := openT(t)
	next := listenT(t, k.Events(testContext(t), false))
	for _, c := range []struct {
		command string
		want    Event
	}{
		{"link add v0 type veth peer name v1", Event{Kind: EventLinks, Device: "v0", What: "new device"}},
		{"link set v0 name x0", Event{Kind: EventLinks, Device: "x0", What: "renamed from v0"}},
		{"link set x0 mtu 1400", Event{Kind: EventLinks, Device: "x0", What: "changed"}},
		{"link add br0 type bridge", Event{Kind: EventLinks, Device: "br0", What: "new device"}},
		{"link set x0 master br0", Event{Kind: EventLinks, Device: "x0", What: "another master"}},
		{"link set x0 up", Event{Kind: EventLinks, Device: "x0", What: "changed"}},
		{"link set x0 nomaster", Event{Kind: EventLinks, Device: "x0", What: "another master"}},
		{"link del x0", Event{Kind: EventLinks, Device: "x0", What: "gone"}},
	} {
		require.NoError(t, ns.IP(testContext(t), c.command))
		until(t, next, c.want)
	}
}

// A transaction is one event, however much it changes, and tells its generation.
func TestEventsOfTransactions(t *testing.T) {
	ns, k := openT(t)
	ctx := testContext(t)
	next := listenT(t, k.Events(ctx, false))
	text := "table inet t { set s { type ipv4_addr; }\nchain c {\n" + strings.Repeat("counter\n", 1000) + "}\n}\n"
	for range 3 {
		require.NoError(t, ns.NFT(ctx, text))
		e := next()
		generation, err := k.GenerationID(ctx)
		require.NoError(t, err)
		assert.Equal(t, EventRuleset, e.Kind)
		assert.Equal(t, generation, e.Generation)
		assert.Contains(t, e.What, "by nft")
	}
}

// Routes and neighbours are announced on demand; a neighbour's state is no news, its address is.
func TestEventsOfRoutes(t *testing.T) {
	ns, k := openT(t)
	ctx := testContext(t)
	next := listenT(t, k.Events(ctx, true))
	require.NoError(t, ns.IP(ctx, "link add v0 type veth peer name v1", "link set v0 up", "link set v1 up", "addr add 192.0.2.1/24 dev v0"))
	until(t, next, Event{Kind: EventRoutes, Device: "v0", What: "route 192.0.2.0/24"})
	require.NoError(t, ns.IP(ctx, "route add default via 192.0.2.9"))
	until(t, next, Event{Kind: EventRoutes, Device: "v0", What: "route default"})
	require.NoError(t, ns.IP(ctx, "neigh add 192.0.2.9 lladdr 02:00:00:00:00:01 dev v0 nud reachable"))
	until(t, next, Event{Kind: EventRoutes, Device: "v0", What: "192.0.2.9 is at 02:00:00:00:00:01"})
	require.NoError(t, ns.IP(ctx, "neigh replace 192.0.2.9 lladdr 02:00:00:00:00:01 dev v0 nud stale",
		"neigh replace 192.0.2.9 lladdr 02:00:00:00:00:02 dev v0 nud reachable", "route del default via 192.0.2.9"))
	for {
		e := next()
		require.NotContains(t, e.What, "192.0.2.9 is at 02:00:00:00:00:01", "nothing but its state changed")
		if strings.Contains(e.What, "192.0.2.9 is at 02:00:00:00:00:02") {
			break
		}
	}
	until(t, next, Event{Kind: EventRoutes, Device: "v0", What: "route default gone"})
	require.NoError(t, ns.IP(ctx, "neigh del 192.0.2.9 dev v0", "neigh add 192.0.2.8 lladdr 02:00:00:00:00:01 dev v0 nud reachable"))
	until(t, next, Event{Kind: EventRoutes, Device: "v0", What: "192.0.2.9 does not answer"})
	until(t, next, Event{Kind: EventRoutes, Device: "v0", What: "192.0.2.8 is at"})
	require.NoError(t, ns.IP(ctx, "link set v0 down"))
	until(t, next, Event{Kind: EventRoutes, Device: "v0", What: "192.0.2.8 gone"})
}

// A MAC that moves to another port of a bridge takes flows with it that the fast path still sends to the old one.
func TestEventsOfBridgePorts(t *testing.T) {
	ns, k := openT(t)
	ctx := testContext(t)
	next := listenT(t, k.Events(ctx, true))
	require.NoError(t, ns.IP(ctx, "link add br0 type bridge", "link add v0 type veth peer name v1", "link add x0 type veth peer name x1",
		"link set v0 master br0", "link set x0 master br0", "link set br0 up", "link set v0 up", "link set v1 up", "link set x0 up", "link set x1 up"))
	for _, port := range []string{"v0", "x0", "v0"} {
		require.NoError(t, testns.Poll(ctx, 10*time.Millisecond, func() (bool, error) { // once the port forwards
			_, err := ns.Run(ctx, "", "bridge", "fdb", "replace", "02:00:00:00:00:09", "dev", port, "master", "dynamic")
			return err == nil, nil
		}))
		until(t, next, Event{Kind: EventRoutes, Device: port, What: "02:00:00:00:00:09 is behind the port"})
	}
}

// What the kernel had to throw away is told, and the stream goes on.
func TestEventsOverrun(t *testing.T) {
	ns, k := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add v0 type veth peer name v1"))
	next := listenT(t, stream(ctx, untilDone, []listener{k.listenToLinks(false, 4<<10)}))
	var lines []string
	for i := range 200 {
		lines = append(lines, fmt.Sprintf("link set v0 mtu %d", 1000+i))
	}
	require.NoError(t, ns.IP(ctx, lines...))
	until(t, next, Event{Kind: EventLost, What: "lost"})
	require.NoError(t, ns.IP(ctx, "link set v0 name last"))
	until(t, next, Event{Kind: EventLinks, Device: "last"})
}

// A socket that fails is replaced, and a message that cannot be read ends nothing.
func TestEventsRenewed(t *testing.T) {
	ns, k := openT(t)
	ctx := testContext(t)
	l := k.listenToLinks(false, eventBuffer)
	dial, sockets := l.dial, make(chan *nlsock.Socket, 2)
	l.dial = func() (*nlsock.Socket, error) {
		s, err := dial()
		sockets <- s
		return s, err
	}
	read, torn := l.read, errors.New("torn")
	l.read = func(m nlmsg.Message) (Event, bool, error) {
		e, news, err := read(m)
		if e.Device == "torn" {
			err = torn
		}
		return e, news, err
	}
	next := listenT(t, stream(ctx, untilDone, []listener{l}))
	require.NoError(t, (<-sockets).Close())
	until(t, next, Event{Kind: EventLost, What: "renewed"})
	require.NoError(t, ns.IP(ctx, "link add torn type veth peer name v1"))
	until(t, next, Event{Kind: EventLost, What: "torn"})
	require.NoError(t, ns.IP(ctx, "link set v1 name v2"))
	until(t, next, Event{Kind: EventLinks, Device: "v2"})
}

// A kernel that gives no socket any more ends the stream with the reason.
func TestEventsEnd(t *testing.T) {
	_, k := openT(t)
	l := k.listenToLinks(false, eventBuffer)
	dial, sockets := l.dial, make(chan *nlsock.Socket, 1)
	l.dial = func() (*nlsock.Socket, error) {
		if cap(sockets) == len(sockets) {
			return nil, unix.EMFILE
		}
		s, err := dial()
		sockets <- s
		return s, err
	}
	pull, stop := iter.Pull2(stream(testContext(t), untilDone, []listener{l}))
	defer stop()
	_, err, ok := pull()
	require.True(t, ok)
	require.NoError(t, err)
	s := <-sockets
	sockets <- s
	require.NoError(t, s.Close())
	_, err, ok = pull()
	require.True(t, ok)
	require.ErrorIs(t, err, unix.EMFILE)
	_, _, ok = pull()
	require.False(t, ok)
}

// ctx ends the stream though nothing happens, and so does the caller; openT looks for what they leave behind.
func TestEventsCancelled(t *testing.T) {
	_, k := openT(t)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	var ends time.Time
	for e, err := range k.Events(ctx, true) {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			assert.Less(t, time.Since(ends), 10*time.Second)
			continue
		}
		require.Equal(t, EventLost, e.Kind)
		ends = time.Now()
		time.AfterFunc(10*time.Millisecond, cancel)
	}
	require.False(t, ends.IsZero())
	for range k.Events(testContext(t), true) {
		break
	}
	for _, err := range k.Events(ctx, false) { // cancelled before it begins
		require.True(t, err == nil || errors.Is(err, context.Canceled))
	}
}

// BenchmarkEvents is the way of an announcement from the command to the caller.
func BenchmarkEvents(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root")
	}
	outer, err := testns.New("events")
	require.NoError(b, err)
	defer outer.Close()
	require.NoError(b, outer.IP(b.Context(), "link add v0 type veth peer name v1"))
	k, err := Open(outer.Path())
	require.NoError(b, err)
	defer k.Close()
	next, stop := iter.Pull2(k.Events(b.Context(), false))
	defer stop()
	next()
	sock, err := k.ns.Dial(unix.NETLINK_ROUTE, nlsock.Config{})
	require.NoError(b, err)
	defer sock.Close()
	o := nlmsg.Native()
	for i := 0; b.Loop(); i++ {
		m := nlmsg.NewBuilder(o, nil)
		m.Begin(unix.RTM_NEWLINK, nlmsg.FlagRequest|nlmsg.FlagAck, 0)
		m.Raw(make([]byte, linkHeader))
		m.String(unix.IFLA_IFNAME, "v0")
		m.Data(unix.IFLA_MTU, o.AppendUint32(nil, uint32(1000+i%100)))
		m.End()
		_, err := sock.Do(b.Context(), m.Bytes())
		require.NoError(b, err)
		_, err, _ = next()
		require.NoError(b, err)
	}
}

// Who commits calls itself as it likes, and devices are named by whoever may do so: both reach terminals in what events say.
func TestEventsQuoteNames(t *testing.T) {
	odd := "x\x1b[2J\n"
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.BeginNetfilter(nlmsg.NFTablesType(nlmsg.NFTMsgNewGen), 0, 0, 0, 0)
	b.Uint32BE(nlmsg.NFTAGenID, 7)
	b.Uint32BE(nlmsg.NFTAGenProcPID, 42)
	b.String(nlmsg.NFTAGenProcName, odd)
	b.End()
	e, news, err := readGeneration(nlmsg.Message{Type: nlmsg.NFTablesType(nlmsg.NFTMsgNewGen), Data: b.Bytes()[16:]})
	require.NoError(t, err)
	assert.True(t, news)
	assert.Equal(t, Event{Kind: EventRuleset, Generation: 7, What: `generation 7 by "x\x1b[2J\n" (process 42)`, Writer: `"x\x1b[2J\n" (process 42)`}, e)

	w := newLinkWatch()
	for _, name := range []string{odd, "eth0"} {
		data := encodeLink(func(_ nlmsg.Order, b *nlmsg.Builder) { b.String(unix.IFLA_IFNAME, name) })
		e, news, err = w.read(nlmsg.Message{Type: unix.RTM_NEWLINK, Data: data})
		require.NoError(t, err)
		assert.True(t, news)
	}
	assert.Equal(t, Event{Kind: EventLinks, Device: "eth0", What: `device renamed from "x\x1b[2J\n"`}, e)

	b.Reset()
	b.BeginNetfilter(nlmsg.NFTablesType(nlmsg.NFTMsgNewGen), 0, 0, 0, 0)
	b.String(nlmsg.NFTAGenProcName, "sixteen.letters.")
	b.End()
	_, _, err = readGeneration(nlmsg.Message{Type: nlmsg.NFTablesType(nlmsg.NFTMsgNewGen), Data: b.Bytes()[16:]})
	assert.ErrorIs(t, err, nlmsg.ErrMalformed)
}
