package offload_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// An exclusion keeps some flows out and can be lifted.
type exclusion struct {
	name  string
	flows []*testns.Flow
	lift  func(t *testing.T, p *ruleset.Policy)
}

// Ports of the excluded flows, one for each exclusion that goes by port, and the port of a second server.
const (
	markedPort, ctMarkedPort, dscpPort, zonePort, ownPort, otherPort = 20001, 20002, 20003, 20004, 20005, 20006

	excludedServer = 7200
)

// TestPolicyExclusions holds flows of every kind that a policy can exclude against it, over IPv4 and IPv6: none is offloaded
// while it gets 40 answers, and each is as soon as its exclusion is lifted.
func TestPolicyExclusions(t *testing.T) {
	l := newLab(t, &testns.RouterConfig{SecondLAN: true})
	policy, all := l.exclusions(t)
	spec := func() ruleset.Spec {
		s := l.policed([]ruleset.Policy{policy}, marking(
			ofPort(markedPort, ruleset.MetaMark.Set(0x10, 0xff)), ofPort(ctMarkedPort, ruleset.CTMark.Set(0x20, 0xf0))))
		s.Tables[0].Flowtables[0].Devices = names(l.LANDevice, l.WANDevice, l.GuestDevice)
		s.Tables[0].Sets = []ruleset.Set{
			{Name: "slow", Type: ruleset.IPv4Addr, Live: true, Elements: []string{"203.0.113.4"}},
			{Name: "slow6", Type: ruleset.IPv6Addr, Live: true, Interval: true, Elements: []string{"2001:db8:2::4/127"}},
		}
		return s
	}
	l.apply(t, spec())
	var flows []*testns.Flow
	for _, e := range all {
		flows = append(flows, e.flows...)
	}
	l.neverOffloaded(t, flows, 40)
	for _, f := range flows {
		testns.AssertSlowPath(t, l.Router, f, within)
	}
	eachPair(t, func(t *testing.T, network string, fam testns.Family) { l.dialFast(t, network, fam) })

	for i, e := range all {
		e.lift(t, &policy)
		l.apply(t, spec())
		for _, f := range e.flows {
			testns.AssertSoftwarePath(t, l.Router, f, within)
		}
		plan, err := l.manager.Plan(t.Context(), ptr(spec()))
		require.NoError(t, err)
		require.True(t, plan.Empty(), "nothing is left to do, whatever became of live elements:\n%s", plan)
		l.assertExcluded(t, all[i+1:], e.name)
	}
}

// assertExcluded sends packets over the flows of exclusions that are still there, and looks at all of them at once.
func (l *lab) assertExcluded(t *testing.T, still []exclusion, lifted string) {
	t.Helper()
	for _, e := range still {
		for _, f := range e.flows {
			talk(t, f, 3, 100)
		}
	}
	entries, err := testns.ConntrackAll(t.Context(), l.NS)
	require.NoError(t, err)
	for _, e := range still {
		for _, f := range e.flows {
			want := f.Tuple()
			i := slices.IndexFunc(entries, func(have testns.Entry) bool {
				return have.Protocol == want.Network && have.Original.Source == want.Source && have.Original.Destination == want.Destination
			})
			require.GreaterOrEqual(t, i, 0, "%s: no entry of %v", e.name, want)
			assert.False(t, entries[i].Offloaded(), "%s is still excluded when %s was lifted", e.name, lifted)
		}
	}
}

// exclusions prepares the namespaces, and gives a policy and the flows that it excludes.
func (l *lab) exclusions(t *testing.T) (ruleset.Policy, []exclusion) {
	t.Helper()
	policy := ruleset.Policy{Flowtable: "fast", Except: ruleset.Exclusions{
		Marks:   []ruleset.MarkBits{{Value: "0x10", Mask: "0xff"}},
		CTMarks: []ruleset.MarkBits{{Mask: "0x20"}},
		DSCP:    []string{"ef"},
		Zones:   []uint16{5},
		Rules:   ofPort(ownPort),
		Ports:   []string{fmt.Sprint(excludedServer)},
		Addrs:   []string{"203.0.113.3", "2001:db8:2::3"},
		Devices: []string{l.GuestDevice},
		Sets:    []string{"slow", "slow6"},
	}}
	l.prepareExclusions(t)
	server := testns.ServeT(t, l.Server, excludedServer)
	// dial opens a flow over IPv4, TCP, and one over IPv6.
	dial := func(network string, from *testns.Namespace, port, to uint16, addr func(testns.Family) netip.Addr) []*testns.Flow {
		return []*testns.Flow{
			l.dialFrom(t, from, "tcp", netip.AddrPortFrom(addr(testns.IPv4), to), port),
			l.dialFrom(t, from, network, netip.AddrPortFrom(addr(testns.IPv6), to), port),
		}
	}
	ofClient := func(port uint16) []*testns.Flow { return dial("udp", l.Client, port, l.Echo.Port(), l.ServerAddr) }
	return policy, []exclusion{
		{"mark", ofClient(markedPort), func(_ *testing.T, p *ruleset.Policy) { p.Except.Marks = nil }},
		{"ct mark", ofClient(ctMarkedPort), func(_ *testing.T, p *ruleset.Policy) { p.Except.CTMarks = nil }},
		{"DSCP", ofClient(dscpPort), func(_ *testing.T, p *ruleset.Policy) { p.Except.DSCP = nil }},
		{"zone", ofClient(zonePort), func(_ *testing.T, p *ruleset.Policy) { p.Except.Zones = nil }},
		{"own rules", ofClient(ownPort), func(_ *testing.T, p *ruleset.Policy) { p.Except.Rules = nil }},
		{"port", dial("udp", l.Client, otherPort, server.Port(), l.ServerAddr), func(_ *testing.T, p *ruleset.Policy) { p.Except.Ports = nil }},
		{"device", dial("udp", l.Guest, otherPort, l.Echo.Port(), l.ServerAddr), func(_ *testing.T, p *ruleset.Policy) { p.Except.Devices = nil }},
		{"address", dial("tcp", l.Client, otherPort, l.Echo.Port(), secondAddr), func(_ *testing.T, p *ruleset.Policy) { p.Except.Addrs = nil }},
		{"live set", dial("tcp", l.Client, otherPort, l.Echo.Port(), thirdAddr), func(t *testing.T, _ *ruleset.Policy) {
			// Without a plan: the next one leaves the sets as they are.
			require.NoError(t, l.NS.NFT(t.Context(), "flush set inet accel slow\nflush set inet accel slow6"))
		}},
	}
}

func secondAddr(fam testns.Family) netip.Addr { return otherAddr(fam, "203.0.113.3", "2001:db8:2::3") }
func thirdAddr(fam testns.Family) netip.Addr  { return otherAddr(fam, "203.0.113.4", "2001:db8:2::4") }

func otherAddr(fam testns.Family, four, six string) netip.Addr {
	if fam == testns.IPv4 {
		return netip.MustParseAddr(four)
	}
	return netip.MustParseAddr(six)
}

// prepareExclusions gives the server more addresses, which it does not answer UDP from by itself, and makes hosts and the router set what is no business of ours: code points
// and zones.
func (l *lab) prepareExclusions(t *testing.T) {
	t.Helper()
	require.NoError(t, l.Server.IP(t.Context(), "addr add 203.0.113.3/24 dev eth0", "addr add 203.0.113.4/24 dev eth0",
		"addr add 2001:db8:2::3/64 dev eth0 nodad preferred_lft 0", "addr add 2001:db8:2::4/64 dev eth0 nodad preferred_lft 0"))
	both := func(port int, do string) string {
		return fmt.Sprintf("meta l4proto { tcp, udp } th sport %d %s\nmeta l4proto { tcp, udp } th dport %d %s\n", port, do, port, do)
	}
	for _, host := range []*testns.Namespace{l.Client, l.Server} {
		require.NoError(t, host.NFT(t.Context(), "table inet dscp {\nchain out {\ntype filter hook output priority mangle\n"+
			both(dscpPort, "ip dscp set ef")+both(dscpPort, "ip6 dscp set ef")+"}\n}\n"))
	}
	require.NoError(t, l.NS.NFT(t.Context(), "table inet zones {\nchain pre {\ntype filter hook prerouting priority raw\n"+both(zonePort, "ct zone set 5")+"}\n}\n"))
}

func ptr[T any](v T) *T { return &v }
