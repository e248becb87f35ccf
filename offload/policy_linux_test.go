package offload_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// policed declares a table with one flowtable and policies for it, then chains.
func (l *lab) policed(policies []ruleset.Policy, chains ...ruleset.Chain) ruleset.Spec {
	return ruleset.Spec{Tables: []ruleset.Table{{Name: "accel", Flowtables: []flowtable.Spec{l.fast()}, Offload: policies, Chains: chains}}}
}

// dialFrom opens a flow from a port of its own.
func (l *lab) dialFrom(t *testing.T, from *testns.Namespace, network string, to netip.AddrPort, port uint16) *testns.Flow {
	t.Helper()
	f, err := testns.Dial(t.Context(), from, testns.DialConfig{Network: network, To: to, SourcePort: port})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, f.Close()) })
	return f
}

// ofPort matches packets of both directions of the connections from a port.
func ofPort(port uint16, do ...ruleset.Statement) []ruleset.Rule {
	both := ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP)
	return []ruleset.Rule{
		ruleset.R(append([]ruleset.Statement{both, ruleset.THSport.Is(port)}, do...)...),
		ruleset.R(append([]ruleset.Statement{both, ruleset.THDport.Is(port)}, do...)...),
	}
}

// marking is a chain that marks packets before they are routed.
func marking(rules ...[]ruleset.Rule) ruleset.Chain {
	c := ruleset.Chain{Name: "marks", Hook: ruleset.Prerouting, Priority: "mangle"}
	for _, r := range rules {
		c.Rules = append(c.Rules, r...)
	}
	return c
}

// TestPolicy offloads everything that can be, of both families, from a table without a rule of its own.
func TestPolicy(t *testing.T) {
	l := newLab(t, nil)
	l.apply(t, l.policed([]ruleset.Policy{{Flowtable: "fast"}}))
	eachFlow(t, func(t *testing.T, network string, fam testns.Family) { l.dialFast(t, network, fam) })
}

// TestPolicyInline offloads what a chain of the user's jumps with.
func TestPolicyInline(t *testing.T) {
	l := newLab(t, nil)
	spec := l.policed([]ruleset.Policy{{Flowtable: "fast", Inline: true}}, ruleset.Chain{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{
		ruleset.R(ruleset.L4Proto.Is(ruleset.UDP), ruleset.Jump("offload-fast")),
	}})
	l.apply(t, spec)
	l.dialFast(t, "udp", testns.IPv4)
	testns.AssertSlowPath(t, l.Router, l.DialT(t, "tcp", testns.IPv4), within)
}

// TestPolicyBesideFirewall puts a policy beside the usual firewall of someone else: a chain at priority filter that accepts what
// is established, admits new connections, and drops the rest. Its accepts do not keep packets from the policy's chain behind it.
func TestPolicyBesideFirewall(t *testing.T) {
	l := newLab(t, nil)
	require.NoError(t, l.NS.NFT(t.Context(), `table inet firewall {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "`+l.LANDevice+`" accept
	}
}`))
	l.apply(t, l.policed([]ruleset.Policy{{Flowtable: "fast"}}))
	eachFlow(t, func(t *testing.T, network string, fam testns.Family) { l.dialFast(t, network, fam) })
}

// TestPolicyOneWay offloads the connections that were opened from the LAN, and not those that were opened to it.
func TestPolicyOneWay(t *testing.T) {
	l := newLab(t, nil)
	inside := testns.ServeT(t, l.Client, 7100)
	pair := ruleset.DevicePair{From: []string{l.LANDevice}, To: []string{l.WANDevice}, OneWay: true}
	l.apply(t, l.policed([]ruleset.Policy{{Flowtable: "fast", Only: ruleset.Selection{Between: []ruleset.DevicePair{pair}}}}))
	eachPair(t, func(t *testing.T, network string, fam testns.Family) {
		l.dialFast(t, network, fam)
		in := l.dialFrom(t, l.Server, network, netip.AddrPortFrom(l.ClientAddr(fam), inside.Port()), 20100)
		testns.AssertSlowPath(t, l.Router, in, within)
	})
	pair.OneWay = false
	l.apply(t, l.policed([]ruleset.Policy{{Flowtable: "fast", Only: ruleset.Selection{Between: []ruleset.DevicePair{pair}}}}))
	in := l.dialFrom(t, l.Server, "udp", netip.AddrPortFrom(l.ClientAddr(testns.IPv4), inside.Port()), 20101)
	testns.AssertSoftwarePath(t, l.Router, in, within)
}

// TestPolicyThresholds counts the packets that the forward hook sees of a connection: those before the threshold, and the one
// that reaches it.
func TestPolicyThresholds(t *testing.T) {
	l := newLab(t, nil)
	for name, c := range map[string]struct {
		policy ruleset.Policy
		seen   func(testns.Forwarded) uint64
		want   uint64
	}{
		"elephants": {ruleset.Elephants("fast"), func(f testns.Forwarded) uint64 { return f.Original.Packets + f.Reply.Packets }, 20},
		"skip DPI":  {ruleset.SkipDPI("fast"), func(f testns.Forwarded) uint64 { return f.Original.Packets }, 30},
		"replies": {ruleset.Policy{Flowtable: "fast", After: ruleset.Threshold{Packets: 9, Direction: ruleset.Reply}},
			func(f testns.Forwarded) uint64 { return f.Reply.Packets }, 9},
	} {
		t.Run(name, func(t *testing.T) {
			l.apply(t, l.policed([]ruleset.Policy{c.policy}))
			eachPair(t, func(t *testing.T, network string, fam testns.Family) {
				var seen testns.Forwarded
				for port := uint16(20101); port < 20106; port++ {
					// A segment that was sent again is offloaded by another packet's count: then another flow must show it.
					if seen = l.firstPackets(t, network, fam, port); c.seen(seen) == c.want {
						return
					}
				}
				assert.Equal(t, c.want, c.seen(seen), "packets that the forward hook saw: %+v", seen)
			})
		})
	}
}

// TestPolicyThresholdOfBytes: what is short stays on the classic path.
func TestPolicyThresholdOfBytes(t *testing.T) {
	l := newLab(t, nil)
	l.apply(t, l.policed([]ruleset.Policy{{Flowtable: "fast", After: ruleset.Threshold{Bytes: 200_000}}}))
	f := l.DialT(t, "udp", testns.IPv6)
	testns.AssertSlowPath(t, l.Router, f, within)
	talk(t, f, 150, 1000)
	testns.AssertSoftwarePath(t, l.Router, f, within)
}

// TestPolicyMarkOfOneDirection: packets that are marked in one direction alone do not keep their connection out, since those of the
// other direction have it offloaded, unless the policy looks at the marked direction only.
func TestPolicyMarkOfOneDirection(t *testing.T) {
	l := newLab(t, nil)
	marks := marking([]ruleset.Rule{ruleset.R(ruleset.IIFName.Is(l.LANDevice), ruleset.MetaMark.Set(0x10, 0xf0))})
	skip := ruleset.SkipMarked("fast", 0x10, 0xf0)
	skip.Only.Direction = ruleset.Original
	l.apply(t, l.policed([]ruleset.Policy{skip}, marks))
	eachPair(t, func(t *testing.T, network string, fam testns.Family) {
		testns.AssertSlowPath(t, l.Router, l.DialT(t, network, fam), within)
	})
	l.apply(t, l.policed([]ruleset.Policy{ruleset.SkipMarked("fast", 0x10, 0xf0)}, marks))
	eachPair(t, func(t *testing.T, network string, fam testns.Family) { l.dialFast(t, network, fam) })
	l.apply(t, l.policed([]ruleset.Policy{skip}))
	eachPair(t, func(t *testing.T, network string, fam testns.Family) { l.dialFast(t, network, fam) })
}

// TestPolicyAnnounces: the bit is in the ct mark, beside the bits of others, when and only when a connection was offloaded.
func TestPolicyAnnounces(t *testing.T) {
	l := newLab(t, nil)
	const bit, others = 0x100, 0x7
	policy := ruleset.Policy{Flowtable: "fast", Announce: "0x100", After: ruleset.Threshold{Packets: 60}}
	policy.Except.Rules = ofPort(20200)
	spec := l.policed([]ruleset.Policy{policy}, marking([]ruleset.Rule{ruleset.R(ruleset.CTState.Is(ruleset.New), ruleset.CTMark.Set(others, 0xff))}))
	assert.Equal(t, map[uint32]string{bit: "fast"}, spec.Announced())
	l.apply(t, spec)
	eachPair(t, func(t *testing.T, network string, fam testns.Family) {
		held := l.dialFrom(t, l.Client, network, l.echo(fam), 20200)
		taken := l.dialFrom(t, l.Client, network, l.echo(fam), 20201)
		talk(t, held, 3, 100)
		talk(t, taken, 3, 100)
		for _, f := range []*testns.Flow{held, taken} {
			e := l.tool(t, f)
			assert.NotContains(t, []string{"OFFLOAD", "HW_OFFLOAD"}, e.Tag, "%v before the threshold", f)
			assert.EqualValues(t, others, e.Mark, "%v before the threshold", f)
		}
		testns.AssertSoftwarePath(t, l.Router, taken, within)
		assert.EqualValues(t, others|bit, l.tool(t, taken).Mark)
		talk(t, held, 60, 100)
		testns.AssertSlowPath(t, l.Router, held, within)
		assert.EqualValues(t, others, l.tool(t, held).Mark)
	})
}

// neverOffloaded watches flows until each has had that many answers: it is at a packet that a flow is offloaded.
func (l *lab) neverOffloaded(t *testing.T, flows []*testns.Flow, answers int) {
	t.Helper()
	var traffic []*testns.Background
	for _, f := range flows {
		traffic = append(traffic, f.Start(10, 100))
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	err := testns.Poll(ctx, tick, func() (bool, error) {
		enough := true
		for _, b := range traffic {
			enough = enough && b.Report().Received >= answers
		}
		entries, err := testns.ConntrackAll(t.Context(), l.NS)
		for _, e := range entries {
			if e.Tag == "OFFLOAD" || e.Tag == "HW_OFFLOAD" {
				return false, fmt.Errorf("offloaded: %s", e.Text)
			}
		}
		return enough, err
	})
	for i, b := range traffic {
		report := b.Close()
		require.NoError(t, report.Err, "%v", flows[i])
		t.Logf("%v: %d answers", flows[i].Tuple(), report.Received)
	}
	require.NoError(t, err, "no flow may be offloaded, and each has to get %d answers", answers)
}
