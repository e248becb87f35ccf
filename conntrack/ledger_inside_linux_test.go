package conntrack

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// A download is evicted, and goes on with a packet of the server: conntrack begins the connection anew from there. By its source it is booked on
// the server, and by the end inside on the client, up and down as before.
func TestLedgerOfADownloadThatWasEvicted(t *testing.T) {
	r := testns.NewRouterT(t, nil)
	ctx := within(t, 30*time.Second)
	require.NoError(t, r.NS.NFT(ctx, `table inet t { chain c { type filter hook forward priority filter; ct state invalid drop; }; }`))
	client, server := udpPair(t, r)
	send := func(from, to net.Conn, n int) {
		t.Helper()
		for range n {
			_, err := from.Write(make([]byte, 72)) // 100 bytes with its headers
			require.NoError(t, err)
			require.NoError(t, to.SetReadDeadline(time.Now().Add(10*time.Second)))
			_, err = to.Read(make([]byte, 100))
			require.NoError(t, err)
		}
	}
	send(client, server, 1)
	send(server, client, 10)
	inside := client.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	outside := server.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	w := open(t, r.NS, Config{Poll: often})
	bySource, byInside := NewLedger(BySource), NewLedger(ByInside(netip.PrefixFrom(inside, 24)))
	ends := 0
	for c, err := range w.Changes(ctx, Match{Proto: UDP}) {
		require.NoError(t, err)
		bySource.Add(c)
		byInside.Add(c)
		switch c.Kind {
		case Synced:
			gone, err := w.EvictEntries(ctx, []Entry{only(t, ctx, w)})
			require.NoError(t, err)
			require.Len(t, gone, 1)
			send(server, client, 20)
			send(client, server, 2)
			_, err = w.Evict(ctx, Match{Proto: UDP}, false)
			require.NoError(t, err)
		case Destroyed:
			ends++
		}
		if ends == 2 {
			break
		}
	}
	counted := func(n uint64) Counters { return Counters{n, 100 * n, true} }
	anew, _ := bySource.Get(outside)
	assert.Equal(t, [2]Counters{counted(20), counted(2)}, [2]Counters{anew.Sent, anew.Received}, "booked on the server")
	var up, down uint64
	for end, a := range byInside.All() {
		require.Equal(t, inside, end.Addr)
		u, d := end.UpDown(a)
		up, down = up+u.Packets, down+d.Packets
	}
	assert.EqualValues(t, 3, up)
	assert.EqualValues(t, 30, down)
}

// only is the one UDP connection of a table.
func only(t *testing.T, ctx context.Context, w *Watcher) Entry {
	t.Helper()
	all, err := entries(ctx, w, Match{Proto: UDP})
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

// udpPair is a socket in the client and one in the server, each connected to the other.
func udpPair(t *testing.T, r *testns.Router) (client, server net.Conn) {
	t.Helper()
	from, to := netip.AddrPortFrom(r.ClientAddr(testns.IPv4), 4000), netip.AddrPortFrom(r.ServerAddr(testns.IPv4), 5000)
	dial := func(ns *testns.Namespace, local, remote netip.AddrPort) (c net.Conn) {
		require.NoError(t, ns.Do(func() (err error) {
			c, err = net.DialUDP("udp4", net.UDPAddrFromAddrPort(local), net.UDPAddrFromAddrPort(remote))
			return err
		}))
		t.Cleanup(func() { c.Close() })
		return c
	}
	return dial(r.Client, from, to), dial(r.Server, to, from)
}
