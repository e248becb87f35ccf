package offload_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// guarded declares the flowtable of a lab, behind these rules and live sets of excluded addresses, in a chain that is called forward.
func (l *lab) guarded(rules ...ruleset.Rule) ruleset.Spec {
	spec := accelerate(ruleset.Inet, l.fast())
	t := &spec.Tables[0]
	t.Sets = []ruleset.Set{{Name: "slow", Type: ruleset.IPv4Addr, Live: true}, {Name: "slow6", Type: ruleset.IPv6Addr, Live: true}}
	t.Chains[0].Rules = append(append(rules,
		ruleset.R(ruleset.IPDaddr.In("slow"), ruleset.Return()), ruleset.R(ruleset.IPSaddr.In("slow"), ruleset.Return()),
		ruleset.R(ruleset.IP6Daddr.In("slow6"), ruleset.Return()), ruleset.R(ruleset.IP6Saddr.In("slow6"), ruleset.Return()),
	), t.Chains[0].Rules...)
	return spec
}

// sourcePort matches one flow's packets from the client.
func sourcePort(f *testns.Flow) ruleset.Statement {
	if f.Tuple().Network == "tcp" {
		return ruleset.TCPSport.Is(f.Tuple().Source.Port())
	}
	return ruleset.UDPSport.Is(f.Tuple().Source.Port())
}

// stays requires that nobody touched a flow: the connection is the same and its packets still go by the fast path.
func (l *lab) stays(t *testing.T, f *testns.Flow, key conntrack.Key) {
	t.Helper()
	testns.AssertSoftwarePath(t, l.Router, f, within)
	assert.Equal(t, key, l.key(t, f), "it was evicted")
}

// TestApplyEvictsForbiddenFlows: a new drop meets the flow in the fast path that it is about; others go on as if nothing was,
// also behind rules on devices, which no entry tells.
func TestApplyEvictsForbiddenFlows(t *testing.T) {
	l := newLab(t, &testns.RouterConfig{SecondLAN: true})
	l.apply(t, l.guarded())
	eachPair(t, func(t *testing.T, network string, fam testns.Family) {
		bad, good := l.dialFast(t, network, fam), l.dialFast(t, network, fam)
		key := l.key(t, good)
		l.apply(t, l.guarded(
			ruleset.R(ruleset.IIFName.Is(l.GuestDevice), ruleset.Drop()),
			ruleset.R(ruleset.OIFName.Is(l.GuestDevice), ruleset.CTMark.Is(7), ruleset.Drop()),
		))
		l.stays(t, good, key)

		drop := l.guarded(ruleset.R(sourcePort(bad), ruleset.Counter(), ruleset.Drop()).Note("forbidden"))
		plan, err := l.manager.Plan(t.Context(), &drop)
		require.NoError(t, err)
		victims, err := l.manager.Victims(t.Context(), plan)
		require.NoError(t, err)
		require.Len(t, victims, 1)
		assert.Equal(t, l.key(t, bad), victims[0].Entry.Key())
		assert.Contains(t, victims[0].Why, `"forbidden"`)
		_, err = l.manager.Apply(t.Context(), plan)
		require.NoError(t, err)
		load := bad.Start(20, 100)
		require.NoError(t, await(t, func(context.Context) (bool, error) {
			return l.packetsIn(t, "inet", "accel", "accelerate") > 0, nil
		}), "its packets meet the rule")
		load.Close()
		l.stays(t, good, key)
		l.apply(t, l.guarded())
	})
}

// TestWithoutEvictionForbiddenFlowsGoOn is the other side: nothing else makes a flow in the fast path meet a new rule.
func TestWithoutEvictionForbiddenFlowsGoOn(t *testing.T) {
	l := newLab(t, nil)
	m, err := offload.Open(t.Context(), &offload.Config{NetNS: l.NS.Path(), NoEvict: true})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	apply(t, m, l.guarded())
	f := l.dialFast(t, "udp", testns.IPv4)
	apply(t, m, l.guarded(ruleset.R(sourcePort(f), ruleset.Counter(), ruleset.Drop())))
	talk(t, f, trips, 100)
	assert.Zero(t, l.packetsIn(t, "inet", "accel", "accelerate"))
}

// TestLiveSetsEvict: an address that is added to a live set takes its flows off the fast path for as long as it is in it; they go
// on by the slow one.
func TestLiveSetsEvict(t *testing.T) {
	l := newLab(t, nil)
	l.apply(t, l.guarded())
	eachPair(t, func(t *testing.T, network string, fam testns.Family) {
		f := l.dialFast(t, network, fam)
		set := offload.LiveSet{Table: "accel", Set: "slow"}
		if fam == testns.IPv6 {
			set.Set = "slow6"
		}
		key := l.key(t, f)
		_, err := l.manager.AddElements(t.Context(), set, l.GuestAddr(fam).String())
		require.NoError(t, err)
		l.stays(t, f, key)
		_, err = l.manager.AddElements(t.Context(), set, l.ClientAddr(fam).String())
		require.NoError(t, err)
		talk(t, f, trips, 100)
		testns.AssertSlowPath(t, l.Router, f, within)
		assert.Equal(t, conntrack.Slow, l.path(t, f))
		_, err = l.manager.DeleteElements(t.Context(), set, l.ClientAddr(fam).String())
		require.NoError(t, err)
		testns.AssertSoftwarePath(t, l.Router, f, within)
	})
}
