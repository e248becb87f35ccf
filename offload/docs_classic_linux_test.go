package offload_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Packets that the fast path leaves to the classic one, while the flow stays in the flowtable and its other packets in the fast path.

// survives does something with an offloaded flow and checks that it was the same connection all the time, offloaded all the time, and
// that it is in the fast path at the end.
func (l *lab) survives(t *testing.T, f *testns.Flow, do func()) testns.Forwarded {
	t.Helper()
	before := l.entry(t, f)
	seen := l.forwarded(t, f, do)
	after := l.entry(t, f)
	assert.Equal(t, conntrack.Software, after.Path(), "still offloaded: %v", after)
	testns.AssertSoftwarePath(t, l.Router, f, within)
	assert.Equal(t, before.Key(), l.key(t, f))
	return seen
}

// TestDocsFragments: fragments have no ports to look up. Conntrack puts them together, the forward hook sees whole packets.
func TestDocsFragments(t *testing.T) {
	l := newLab(t, nil)
	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	eachFamily(t, func(t *testing.T, fam testns.Family) {
		f := l.dialFast(t, "udp", fam)
		seen := l.survives(t, f, func() { talk(t, f, trips, 4000) })
		assert.GreaterOrEqual(t, seen.Original.Packets, uint64(trips), "requests travel in fragments")
		assert.GreaterOrEqual(t, seen.Reply.Packets, uint64(trips), "and so do their answers")
	})
}

// TestDocsIPOptions: a packet with IP options takes the classic path; the answers, which have none, stay in the fast path.
func TestDocsIPOptions(t *testing.T) {
	l := newLab(t, nil)
	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	eachPair(t, func(t *testing.T, network string, fam testns.Family) {
		f := l.dialFast(t, network, fam)
		seen := l.survives(t, f, func() {
			require.NoError(t, f.SetIPOptions(true))
			talk(t, f, trips, 100)
			require.NoError(t, f.SetIPOptions(false))
		})
		assert.GreaterOrEqual(t, seen.Original.Packets, uint64(trips))
		assert.Zero(t, seen.Reply.Packets)
	})
}

// narrow is the MTU of the router's routes to the server in the tests below; the devices keep 1500.
const narrow = 1400

// narrowLab is a lab whose routes to the server have a smaller MTU, so that packets arrive that do not fit.
func narrowLab(t *testing.T) *lab {
	t.Helper()
	l := newLab(t, nil)
	require.NoError(t, l.NS.IP(t.Context(),
		fmt.Sprintf("route add %v/32 dev wan0 mtu %d", l.ServerAddr(testns.IPv4), narrow),
		// For what it forwards over IPv6, the kernel only looks at a locked MTU.
		fmt.Sprintf("route add %v/128 dev wan0 mtu lock %d", l.ServerAddr(testns.IPv6), narrow)))
	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	return l
}

// TestDocsOverMTU: a packet that may be fragmented takes the classic path, which does it.
func TestDocsOverMTU(t *testing.T) {
	l := narrowLab(t)
	f, err := testns.Dial(t.Context(), l.Client, testns.DialConfig{Network: "udp", To: l.echo(testns.IPv4), NoDF: true})
	require.NoError(t, err)
	defer f.Close()
	talk(t, f, 3, 100)
	testns.AssertSoftwarePath(t, l.Router, f, within)
	seen := l.survives(t, f, func() { talk(t, f, trips, narrow+40) })
	assert.GreaterOrEqual(t, seen.Original.Packets, uint64(trips), "requests are too big")
	assert.Zero(t, seen.Reply.Packets, "answers are not: their route is wider")
}

// TestDocsOverMTUTooBig: of a packet that must not be fragmented, the classic path tells the sender the MTU, in the midst of an
// offloaded flow. TCP goes on in smaller segments on the fast path.
func TestDocsOverMTUTooBig(t *testing.T) {
	l := narrowLab(t)
	eachPair(t, func(t *testing.T, network string, fam testns.Family) {
		f := l.dialFast(t, network, fam)
		require.NotContains(t, l.pathMTU(t, fam), fmt.Sprintf("mtu %d", narrow), "not known yet")
		l.survives(t, f, func() {
			if network == "udp" {
				assert.NotZero(t, talk(t, f, 1, narrow+40).Resent, "the first is refused, then cut to fragments")
				return
			}
			counts, err := f.Upload(t.Context(), 100*narrow)
			require.NoError(t, err)
			assert.Equal(t, counts.Sent, counts.Received)
		})
		assert.Contains(t, l.pathMTU(t, fam), fmt.Sprintf("mtu %d", narrow), "the client was told")
		if network == "tcp" {
			seen := l.forwarded(t, f, func() { exchange(t, f) })
			assert.Zero(t, seen, "all segments fit now")
		}
	})
}

// pathMTU is the client's route to the server with what it has learnt of it.
func (l *lab) pathMTU(t *testing.T, fam testns.Family) string {
	t.Helper()
	route, err := l.Client.Run(t.Context(), "", "ip", "route", "get", l.ServerAddr(fam).String())
	require.NoError(t, err)
	return route
}
