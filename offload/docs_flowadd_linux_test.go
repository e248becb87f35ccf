package offload_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsFlowAdd offloads TCP and UDP over IPv4 and IPv6 from tables of the three families that have flowtables.
func TestDocsFlowAdd(t *testing.T) {
	l := newLab(t, nil)
	for _, c := range []struct {
		family  ruleset.Family
		carries []testns.Family
	}{
		{ruleset.Inet, testns.Families()},
		{ruleset.IP, []testns.Family{testns.IPv4}},
		{ruleset.IP6, []testns.Family{testns.IPv6}},
	} {
		t.Run(string(c.family), func(t *testing.T) {
			l.apply(t, accelerate(c.family, l.fast()))
			for _, fam := range c.carries {
				for _, network := range []string{"tcp", "udp"} {
					f := l.dialFast(t, network, fam)
					assert.Equal(t, conntrack.Software, l.path(t, f), "%v", f)
				}
			}
		})
	}
}

// TestDocsFlowAddOtherFamily: a table ip has nothing to say about IPv6.
func TestDocsFlowAddOtherFamily(t *testing.T) {
	l := newLab(t, nil)
	l.apply(t, accelerate(ruleset.IP, l.fast()))
	l.dialFast(t, "udp", testns.IPv4)
	six := l.DialT(t, "udp", testns.IPv6)
	testns.AssertSlowPath(t, l.Router, six, within)
	assert.Equal(t, conntrack.Slow, l.path(t, six))
}

// TestDocsFlowAddIsSelective: only what the rules say goes to the flowtable.
func TestDocsFlowAddIsSelective(t *testing.T) {
	l := newLab(t, nil)
	spec := accelerate(ruleset.Inet, l.fast())
	spec.Tables[0].Chains[0].Rules = []ruleset.Rule{
		ruleset.R(ruleset.IPSaddr.Is(hostPrefix(l.ClientAddr(testns.IPv4))), ruleset.L4Proto.Is(ruleset.UDP),
			ruleset.UDPDport.Is(l.Echo.Port()), ruleset.FlowAdd("fast")),
	}
	l.apply(t, spec)
	l.dialFast(t, "udp", testns.IPv4)
	for _, other := range []*testns.Flow{l.DialT(t, "tcp", testns.IPv4), l.DialT(t, "udp", testns.IPv6)} {
		testns.AssertSlowPath(t, l.Router, other, within)
		assert.Equal(t, conntrack.Slow, l.path(t, other), "%v", other)
	}
}

// TestDocsFirstPackets counts the packets that a flow needs on the classic path until it is offloaded. The kernel's page speaks of the
// second packet and of TCP's SYN-ACK; the code wants an assured connection, which TCP is with the third packet of its handshake,
// and for UDP a confirmed one, which it is behind its first packet: the second, here the answer, is still seen.
func TestDocsFirstPackets(t *testing.T) {
	l := newLab(t, nil)
	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	eachFlow(t, func(t *testing.T, network string, fam testns.Family) {
		want := map[string][2]uint64{"tcp": {2, 1}, "udp": {1, 1}}[network]
		var seen testns.Forwarded
		for port := uint16(20001); port < 20006; port++ {
			// A packet that was sent again, on a machine so slow, is one more: then another flow must show it.
			seen = l.firstPackets(t, network, fam, port)
			if [2]uint64{seen.Original.Packets, seen.Reply.Packets} == want {
				return
			}
		}
		assert.Equal(t, want, [2]uint64{seen.Original.Packets, seen.Reply.Packets}, "packets that the forward hook saw, there and back")
	})
}

// firstPackets is what the forward hook sees of a whole conversation.
func (l *lab) firstPackets(t *testing.T, network string, fam testns.Family, port uint16) testns.Forwarded {
	t.Helper()
	tuple := testns.Tuple{Network: network, Source: netip.AddrPortFrom(l.ClientAddr(fam), port), Destination: l.echo(fam)}
	require.NoError(t, l.Watch(t.Context(), tuple))
	f, err := testns.Dial(t.Context(), l.Client, testns.DialConfig{Network: network, To: tuple.Destination, SourcePort: port})
	require.NoError(t, err)
	defer f.Close()
	talk(t, f, 2*trips, 100)
	seen, err := l.Forwarded(t.Context(), tuple)
	require.NoError(t, err)
	return seen
}

// TestDocsFlowtableWithoutRules: a flowtable that no rule fills carries nothing.
func TestDocsFlowtableWithoutRules(t *testing.T) {
	l := newLab(t, nil)
	l.apply(t, ruleset.Spec{Tables: []ruleset.Table{{Name: "accel", Flowtables: []flowtable.Spec{l.fast()}}}})
	f := l.DialT(t, "udp", testns.IPv4)
	testns.AssertSlowPath(t, l.Router, f, within)
}
