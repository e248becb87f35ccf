package offload_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsMasquerade: the flow keeps its translation in the fast path. The server sees the router.
func TestDocsMasquerade(t *testing.T) {
	l := newLab(t, nil)
	l.apply(t, accelerate(ruleset.Inet, l.fast(), postrouting(
		ruleset.R(ruleset.OIFName.Is(l.WANDevice), ruleset.Masquerade()),
	)))
	eachFlow(t, func(t *testing.T, network string, fam testns.Family) {
		f := l.dialFast(t, network, fam)
		l.assertSourceIs(t, f, l.WANAddr(fam))
	})
}

// TestDocsSNAT translates to a fixed address.
func TestDocsSNAT(t *testing.T) {
	l := newLab(t, nil)
	l.apply(t, accelerate(ruleset.Inet, l.fast(), postrouting(
		ruleset.R(ruleset.OIFName.Is(l.WANDevice), ruleset.NFProto.Is("ipv4"), ruleset.SNAT(l.WANAddr(testns.IPv4).String(), 0)),
		ruleset.R(ruleset.OIFName.Is(l.WANDevice), ruleset.NFProto.Is("ipv6"), ruleset.SNAT(l.WANAddr(testns.IPv6).String(), 0)),
	)))
	eachFamily(t, func(t *testing.T, fam testns.Family) {
		f := l.dialFast(t, "udp", fam)
		l.assertSourceIs(t, f, l.WANAddr(fam))
	})
}

func postrouting(rules ...ruleset.Rule) ruleset.Chain {
	return ruleset.Chain{Name: "source", Type: ruleset.NATChain, Hook: ruleset.Postrouting, Priority: "srcnat", Rules: rules}
}

// assertSourceIs checks where the server sees an offloaded flow come from, and what the Watcher and the tool say of it.
func (l *lab) assertSourceIs(t *testing.T, f *testns.Flow, source netip.Addr) {
	t.Helper()
	var said testns.Talk
	seen := l.forwarded(t, f, func() { said = talk(t, f, trips, 100) })
	assert.Zero(t, seen, "translated in the fast path")
	assert.Equal(t, source, said.Peer.Addr(), "the source that the server sees")
	e := l.entry(t, f)
	to, translated := e.SNAT()
	assert.True(t, translated)
	assert.Equal(t, said.Peer, to)
	assert.Equal(t, conntrack.Software, e.Path())
	assert.Equal(t, to, l.tool(t, f).Reply.Destination)
}

// TestDocsPortForward opens connections from outside to a port of the router that is translated to one of a host inside: address and
// port change in the fast path.
func TestDocsPortForward(t *testing.T) {
	const outside, inside = 8443, 443
	l := newLab(t, nil)
	testns.ServeT(t, l.Client, inside)
	forward := func(fam testns.Family, proto, word string) ruleset.Rule {
		return ruleset.R(ruleset.IIFName.Is(l.WANDevice), ruleset.NFProto.Is(word), ruleset.L4Proto.Is(proto),
			ruleset.THDport.Is(outside), ruleset.DNAT(l.ClientAddr(fam).String(), inside))
	}
	l.apply(t, accelerate(ruleset.Inet, l.fast(), ruleset.Chain{
		Name: "destination", Type: ruleset.NATChain, Hook: ruleset.Prerouting, Priority: "dstnat",
		Rules: []ruleset.Rule{
			forward(testns.IPv4, ruleset.TCP, "ipv4"), forward(testns.IPv4, ruleset.UDP, "ipv4"),
			forward(testns.IPv6, ruleset.TCP, "ipv6"), forward(testns.IPv6, ruleset.UDP, "ipv6"),
		},
	}))
	eachFlow(t, func(t *testing.T, network string, fam testns.Family) {
		to := netip.AddrPortFrom(l.WANAddr(fam), outside)
		f, err := testns.Dial(t.Context(), l.Server, testns.DialConfig{Network: network, To: to})
		require.NoError(t, err)
		defer f.Close()
		talk(t, f, 3, 100)
		testns.AssertSoftwarePath(t, l.Router, f, within)

		real := netip.AddrPortFrom(l.ClientAddr(fam), inside)
		e := l.entry(t, f)
		destination, translated := e.DNAT()
		assert.True(t, translated)
		assert.Equal(t, real, destination)
		assert.Equal(t, to, e.Orig.Dst)
		assert.Equal(t, real, l.tool(t, f).Reply.Source)
		seen := l.forwarded(t, f, func() { exchange(t, f) })
		assert.Zero(t, seen, "translated in the fast path")
	})
}
