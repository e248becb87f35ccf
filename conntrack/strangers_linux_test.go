package conntrack

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// Connections of all sorts are told once, as Entries has them, and each end is told of the one that ended: the same tuple in two zones, translated ones,
// IPv6, ICMP, GRE, SCTP, and protocols that nobody tracks.
func TestChangesOfAllSorts(t *testing.T) {
	r := mixture(t)
	w := open(t, r.NS, Config{Poll: often})
	ctx := within(t, 30*time.Second)
	var all []Entry
	evictOne := func() {
		gone, err := w.EvictEntries(ctx, all[:1])
		require.NoError(t, err)
		require.Len(t, gone, 1)
	}
	m := newMirror()
	for c, err := range w.Changes(ctx, Match{}) {
		require.NoError(t, err)
		require.NoError(t, m.apply(c))
		switch c.Kind {
		case Synced:
			all, err = entries(ctx, w, Match{})
			require.NoError(t, err)
			require.Len(t, m.live, len(all))
			for _, e := range all {
				got, ok := m.live[e.Key()]
				require.True(t, ok, "%v", e)
				require.Equal(t, [...]any{e.Reply, e.Helper, e.Start, e.Mark}, [...]any{got.Reply, got.Helper, got.Start, got.Mark}, "%v", e)
			}
			evictOne()
		case Destroyed:
			assert.Equal(t, all[0].Key(), c.Entry.Key())
			assert.False(t, c.Lost, "%v", c)
			if all = all[1:]; len(all) == 0 {
				assert.Empty(t, m.live)
				return
			}
			evictOne()
		}
	}
}

// Packets of rarer protocols, as the kernel tracks them: each is a New with its tuple.
func TestChangesOfRareProtocols(t *testing.T) {
	r := testns.NewRouterT(t, &testns.RouterConfig{Sysctls: map[string]string{"net.netfilter.nf_conntrack_checksum": "0"}})
	ctx := within(t, 30*time.Second)
	require.NoError(t, r.NS.NFT(ctx, "table inet track { chain c { type filter hook forward priority filter; ct state invalid counter; }; }"))
	w := open(t, r.NS, Config{Poll: often})
	many(t, oracle(t, r.NS), 1)
	want := []string{"gre", "sctp 4660 36412", "icmp", "icmpv6", "253", "sctp6 4660 36412"}
	started := false
	follow(t, ctx, w, Match{}, func(_ *mirror, c Change) bool {
		if !started {
			started = true
			client, server := r.ServerAddr(testns.IPv4), r.ServerAddr(testns.IPv6)
			rawPacket(t, r, "ip4:47", client, []byte{0, 0, 8, 0, 0x45})
			rawPacket(t, r, "ip4:132", client, sctpInit())
			rawPacket(t, r, "ip6:132", server, sctpInit())
			rawPacket(t, r, "ip4:253", client, make([]byte, 20))
			ping(t, r, testns.IPv4)
			ping(t, r, testns.IPv6)
			return false
		}
		if c.Kind != New {
			return false
		}
		name := rareName(c.Entry.Orig)
		require.Contains(t, want, name, "%v", c)
		want = slices.DeleteFunc(want, func(s string) bool { return s == name })
		return len(want) == 0
	})
}

func rareName(t Tuple) string {
	switch name := ProtocolName(t.Proto); {
	case t.Proto == SCTP && t.Src.Addr().Is6():
		return fmt.Sprintf("sctp6 %d %d", t.Src.Port(), t.Dst.Port())
	case t.Proto == SCTP:
		return fmt.Sprintf("sctp %d %d", t.Src.Port(), t.Dst.Port())
	case name == "":
		return fmt.Sprint(t.Proto)
	default:
		return name
	}
}

// rawPacket sends one packet of an IP protocol from the client.
func rawPacket(t *testing.T, r *testns.Router, network string, to netip.Addr, payload []byte) {
	t.Helper()
	require.NoError(t, r.Client.Do(func() error {
		c, err := net.Dial(network, to.String())
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write(payload)
		return err
	}))
}

// sctpInit is the first packet of an association, without its checksum.
func sctpInit() []byte {
	b := make([]byte, 12+20)
	binary.BigEndian.PutUint16(b, 4660)
	binary.BigEndian.PutUint16(b[2:], 36412)
	b[12], b[15] = 1, 20                             // INIT
	copy(b[16:], []byte{1, 2, 3, 4, 0, 0, 255, 255}) // tag and window
	b[25], b[27] = 1, 1                              // streams
	return b
}

// A helper expects a connection (FTP, passive mode): the expectation itself is no connection and is not told; the connection that fulfils it is one like
// others, and bears EXPECTED.
func TestChangesOfAnExpectedConnection(t *testing.T) {
	r := testns.NewRouterT(t, &testns.RouterConfig{Sysctls: map[string]string{"net.netfilter.nf_conntrack_events": "1"}})
	ctx := within(t, 30*time.Second)
	require.NoError(t, r.NS.NFT(ctx, `table inet track {
		ct helper transfer { type "ftp" protocol tcp; l3proto ip; }
		chain help { type filter hook prerouting priority mangle; tcp dport 21 ct helper set "transfer"; }
	}`))
	serveFTP(t, r)
	w := open(t, r.NS, Config{Poll: often})
	many(t, oracle(t, r.NS), 1)
	var control, data net.Conn
	var told []string
	follow(t, ctx, w, Match{}, func(m *mirror, c Change) bool {
		switch {
		case control == nil: // the connection that was there
			control = dialFrom(t, ctx, r, 21)
			port := askPassive(t, control)
			out, err := r.NS.Run(ctx, "", "conntrack", "-L", "expect")
			require.NoError(t, err)
			require.Contains(t, out, fmt.Sprintf("dport=%d", port))
			data = dialFrom(t, ctx, r, port)
			return false
		case c.Kind == New:
			told = append(told, fmt.Sprintf("%v %v", c.Kind, c.Entry.Status&Expected != 0))
			if len(told) == 2 {
				require.NoError(t, data.Close())
				require.NoError(t, control.Close())
				_, err := w.Evict(ctx, Match{Proto: TCP}, false)
				require.NoError(t, err)
			}
		case c.Kind == Destroyed:
			told = append(told, fmt.Sprintf("%v %v", c.Kind, c.Entry.Status&Expected != 0))
			assert.False(t, c.Lost)
		}
		return len(told) == 4
	})
	slices.Sort(told)
	assert.Equal(t, []string{"destroyed false", "destroyed true", "new false", "new true"}, told)
}

// serveFTP says in the server where the data connection is to go, and takes it.
func serveFTP(t *testing.T, r *testns.Router) {
	t.Helper()
	var control, data net.Listener
	require.NoError(t, r.Server.Do(func() (err error) {
		if control, err = net.Listen("tcp4", ":21"); err != nil {
			return err
		}
		data, err = net.Listen("tcp4", ":0")
		return err
	}))
	done := make(chan struct{})
	t.Cleanup(func() { control.Close(); data.Close(); <-done })
	go func() {
		defer close(done)
		c, err := control.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprint(c, "220 ready\r\n")
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			return
		}
		port := data.Addr().(*net.TCPAddr).Port
		fmt.Fprintf(c, "227 Entering Passive Mode (%s,%d,%d)\r\n",
			strings.ReplaceAll(r.ServerAddr(testns.IPv4).String(), ".", ","), port>>8, port&255)
		d, err := data.Accept()
		if err == nil {
			d.Close()
		}
	}()
}

// askPassive asks for a data connection and returns its port.
func askPassive(t *testing.T, c net.Conn) uint16 {
	t.Helper()
	lines := bufio.NewReader(c)
	_, err := lines.ReadString('\n')
	require.NoError(t, err)
	_, err = fmt.Fprint(c, "PASV\r\n")
	require.NoError(t, err)
	answer, err := lines.ReadString('\n')
	require.NoError(t, err)
	var a, b, d, e, high, low int
	_, err = fmt.Sscanf(answer, "227 Entering Passive Mode (%d,%d,%d,%d,%d,%d)", &a, &b, &d, &e, &high, &low)
	require.NoError(t, err, answer)
	return uint16(high<<8 | low)
}

// dialFrom opens a TCP connection from the client to the server.
func dialFrom(t *testing.T, ctx context.Context, r *testns.Router, port uint16) net.Conn {
	t.Helper()
	var c net.Conn
	require.NoError(t, r.Client.Do(func() (err error) {
		c, err = (&net.Dialer{}).DialContext(ctx, "tcp", netip.AddrPortFrom(r.ServerAddr(testns.IPv4), port).String())
		return err
	}))
	t.Cleanup(func() { c.Close() })
	return c
}
