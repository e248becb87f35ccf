package conntrack

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// Connections of all sorts are told once, as Entries has them, and each end is told of the one that ended: the same tuple in two zones, translated
// ones, IPv6, ICMP, GRE, SCTP, and protocols that nobody tracks.
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
