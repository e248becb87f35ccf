package offload_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsZones: a flowtable does not know zones. Two customers with the same addresses are two connections on the classic path, each with a
// translation of its own; once one of them is offloaded, the packets of the other that come in by the same device run in its flow.
func TestDocsZones(t *testing.T) {
	const other = 33 // the TTL of the other customer's packets
	l := newLab(t, nil)
	require.NoError(t, l.NS.NFT(t.Context(), fmt.Sprintf(`
table ip customers {
	chain zones {
		type filter hook prerouting priority raw
		iifname lan0 ip ttl %d ct zone set 2 accept
		iifname lan0 ct zone set 1
	}
	chain source {
		type nat hook postrouting priority srcnat
		ct zone 1 ip protocol udp snat to %[2]v:10001-10100
		ct zone 2 ip protocol udp snat to %[2]v:20001-20100
	}
}`, other, l.WANAddr(testns.IPv4))))
	client := netip.AddrPortFrom(l.ClientAddr(testns.IPv4), 0)
	both := func(s *sink) (ports [2]uint16) {
		s.send(t, 2)
		ports[0] = s.from.Port()
		s.ttl(t, other)
		s.send(t, 2)
		ports[1] = s.from.Port()
		return ports
	}
	apart := l.sink(t, client)
	ports := both(apart)
	assert.Equal(t, [2]uint16{1, 2}, [2]uint16{ports[0] / 10000, ports[1] / 10000}, "a translation for each zone")
	assert.Len(t, l.of(t, apart), 2, "a connection in each zone")

	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	mixed := l.sink(t, client)
	ports = both(mixed)
	assert.Equal(t, ports[0], ports[1], "the other zone's packets are translated as the first's")
	found := l.of(t, mixed)
	require.Len(t, found, 1, "and the other zone has no connection")
	assert.EqualValues(t, 1, found[0].Zone)
	assert.Equal(t, conntrack.Software, found[0].Path())
	assert.EqualValues(t, 4, found[0].Sent.Packets, "all packets count for the first")
}
