package judge_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/judge"
)

// lan is a TCP connection from 192.168.1.2:4000 to 203.0.113.2:443 behind masquerading: the server sees 198.51.100.1.
func lan() judge.Flow {
	return judge.Flow{
		Protocol: 6,
		Tuples: [2]judge.Tuple{
			{Src: netip.MustParseAddrPort("192.168.1.2:4000"), Dst: netip.MustParseAddrPort("203.0.113.2:443")},
			{Src: netip.MustParseAddrPort("203.0.113.2:443"), Dst: netip.MustParseAddrPort("198.51.100.1:4000")},
		},
		Carried: [2]judge.Meter{{Packets: 10, Bytes: 1000}, {Packets: 12, Bytes: 9000}},
		Counted: true,
		Mark:    0x10, Status: 1<<1 | 1<<2 | 1<<3, Zone: 0,
		In: [2]string{"lan0", "wan0"}, Out: [2]string{"wan0", "lan0"},
	}
}

// lan6 is a UDP connection without an answer yet.
func lan6() judge.Flow {
	return judge.Flow{
		Protocol: 17,
		Tuples: [2]judge.Tuple{
			{Src: netip.MustParseAddrPort("[2001:db8:1::2]:4000"), Dst: netip.MustParseAddrPort("[2001:db8:2::2]:53")},
			{Src: netip.MustParseAddrPort("[2001:db8:2::2]:53"), Dst: netip.MustParseAddrPort("[2001:db8:1::2]:4000")},
		},
		Status: 1 << 3,
	}
}

// table is a forward chain with these rules, and what may stand beside it.
func table(rules []ruleset.Rule, more ...func(*ruleset.Table)) *ruleset.Spec {
	t := ruleset.Table{
		Name:       "fw",
		Flowtables: []flowtable.Spec{{Name: "fast"}},
		Chains:     []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward, Rules: rules}},
	}
	for _, f := range more {
		f(&t)
	}
	return &ruleset.Spec{Tables: []ruleset.Table{t}}
}

func set(s ruleset.Set) func(*ruleset.Table) {
	return func(t *ruleset.Table) { t.Sets = append(t.Sets, s) }
}

func chain(c ruleset.Chain) func(*ruleset.Table) {
	return func(t *ruleset.Table) { t.Chains = append(t.Chains, c) }
}

func policyDrop(t *ruleset.Table) { t.Chains[0].Policy = ruleset.VerdictDrop }

// wanted reads a Spec from the batch that makes it.
func wanted(t *testing.T, spec *ruleset.Spec) *judge.Ruleset {
	t.Helper()
	r, err := judge.OfBatch(batchOf(t, spec))
	require.NoError(t, err)
	return r
}

func batchOf(t *testing.T, spec *ruleset.Spec) *ruleset.Batch {
	t.Helper()
	resolved, err := spec.Resolve(nil)
	require.NoError(t, err)
	plan, err := ruleset.Diff(nil, resolved)
	require.NoError(t, err)
	batch, err := plan.Batch(nil)
	require.NoError(t, err)
	return batch
}

// held reads a Spec from the dump of a kernel that took it.
func held(t *testing.T, spec *ruleset.Spec) *judge.Ruleset {
	t.Helper()
	kernel := offloadtest.New(t, nil)
	if len(spec.Tables) > 0 {
		_, err := kernel.Commit(t.Context(), batchOf(t, spec))
		require.NoError(t, err)
	}
	return ofKernel(t, kernel)
}

func ofKernel(t *testing.T, kernel *offloadtest.Kernel) *judge.Ruleset {
	t.Helper()
	loaded, err := ruleset.Load("", kernel.Dump(t.Context()))
	require.NoError(t, err)
	r, err := judge.Of(loaded, func(ruleset.LoadedTable) bool { return true })
	require.NoError(t, err)
	return r
}

var (
	established = ruleset.CTState.Is(ruleset.Established, ruleset.Related)
	tcpUDP      = ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP)
	offloaded   = ruleset.R(established, tcpUDP, ruleset.FlowAdd("fast"))
	accept      = ruleset.R(established, ruleset.Accept())
)

func rules(list ...ruleset.Rule) []ruleset.Rule { return list }

// TestJudge holds what a change means to lan, and whether it is told from a batch and from a dump alike.
func TestJudge(t *testing.T) {
	base := table(rules(offloaded, accept))
	for name, c := range map[string]struct {
		before, after *ruleset.Spec
		why           string // "" stays
	}{
		"the same": {base, table(rules(offloaded, accept)), ""},
		"a drop of its source": {base, table(rules(ruleset.R(ruleset.IPSaddr.Is("192.168.1.0/24"), ruleset.Drop()).Note("guests"), offloaded, accept)),
			`a rule in chain inet fw forward ("guests") drops it`},
		"a drop of another source":        {base, table(rules(ruleset.R(ruleset.IPSaddr.Is("192.168.2.0/24"), ruleset.Drop()), offloaded, accept)), ""},
		"a drop of a range with it":       {base, table(rules(ruleset.R(ruleset.IPSaddr.Is("192.168.1.1-192.168.1.9"), ruleset.Drop()), offloaded)), "drops it"},
		"a drop of all but it":            {base, table(rules(ruleset.R(ruleset.IPSaddr.Not("192.168.1.2", "203.0.113.2"), ruleset.Drop()), offloaded)), ""},
		"a drop of all but others":        {base, table(rules(ruleset.R(ruleset.IPSaddr.Not("192.168.1.3", "192.168.1.4"), ruleset.Drop()), offloaded)), "drops it"},
		"a drop of its port":              {base, table(rules(ruleset.R(ruleset.TCPDport.Is(443), ruleset.Drop()), offloaded)), "drops it"},
		"a drop of ports with it":         {base, table(rules(ruleset.R(ruleset.TCPDport.Is(80, 443), ruleset.Drop()), offloaded)), "drops it"},
		"a drop of ports about it":        {base, table(rules(ruleset.R(ruleset.TCPDport.Between(400, 500), ruleset.Drop()), offloaded)), "drops it"},
		"a drop of another port":          {base, table(rules(ruleset.R(ruleset.TCPDport.Is(80), ruleset.Drop()), offloaded)), ""},
		"a drop of UDP":                   {base, table(rules(ruleset.R(ruleset.UDPDport.Is(443), ruleset.Drop()), offloaded)), ""},
		"a drop of IPv6":                  {base, table(rules(ruleset.R(ruleset.NFProto.Is("ipv6"), ruleset.Drop()), offloaded)), ""},
		"a drop of its answers":           {base, table(rules(ruleset.R(ruleset.CTDirection.Is(ruleset.Reply), ruleset.Drop()), offloaded)), "drops it"},
		"the address behind masquerading": {base, table(rules(ruleset.R(ruleset.IPDaddr.Is("198.51.100.1"), ruleset.Drop()), offloaded)), ""},
		"a drop of new ones":              {base, table(rules(ruleset.R(ruleset.CTState.Is(ruleset.New), ruleset.Drop()), offloaded)), ""},
		"a drop behind the offload":       {base, table(rules(offloaded, ruleset.R(ruleset.TCPDport.Is(443), ruleset.Drop()))), "drops it"},
		"a drop behind an accept":         {base, table(rules(offloaded, accept, ruleset.R(ruleset.TCPDport.Is(443), ruleset.Drop()))), ""},
		"a drop in its device":            {base, table(rules(ruleset.R(ruleset.IIFName.Is("lan0"), ruleset.Drop()), offloaded)), "drops it"},
		"a drop in devices like its":      {base, table(rules(ruleset.R(ruleset.IIFName.Is("la*"), ruleset.Drop()), offloaded)), "drops it"},
		"a drop in another device":        {base, table(rules(ruleset.R(ruleset.IIFName.Is("guest0", "dmz0"), ruleset.Drop()), offloaded)), ""},
		"a drop by ct mark":               {base, table(rules(ruleset.R(ruleset.CTMark.Has(0x10, 0x30), ruleset.Drop()), offloaded)), "drops it"},
		"a drop by another ct mark":       {base, table(rules(ruleset.R(ruleset.CTMark.Is(0x20), ruleset.Drop()), offloaded)), ""},
		"a drop by packet mark":           {base, table(rules(ruleset.R(ruleset.MetaMark.Is(0x20), ruleset.Drop()), offloaded)), "drops it"},
		"a mark that it is given": {
			table(rules(ruleset.R(ruleset.MetaMark.Set(1, 1<<32-1)), ruleset.R(ruleset.MetaMark.Is(2), ruleset.Drop()), offloaded)),
			table(rules(ruleset.R(ruleset.MetaMark.Set(2, 1<<32-1)), ruleset.R(ruleset.MetaMark.Is(2), ruleset.Drop()), offloaded)), "drops it"},
		"a mark that it is not given": {
			table(rules(ruleset.R(ruleset.MetaMark.Set(1, 1<<32-1)), ruleset.R(ruleset.MetaMark.Is(2), ruleset.Drop()), offloaded)),
			table(rules(ruleset.R(ruleset.MetaMark.Set(3, 1<<32-1)), ruleset.R(ruleset.MetaMark.Is(2), ruleset.Drop()), offloaded)), ""},
		"another rule about unknown marks": {
			table(rules(ruleset.R(ruleset.MetaMark.Is(0x20), ruleset.Drop()), offloaded)),
			table(rules(ruleset.R(ruleset.MetaMark.Is(0x20), ruleset.Drop()), offloaded, ruleset.R(ruleset.Counter()))), ""},
		"a drop over a rate":      {base, table(rules(ruleset.R(ruleset.Limit(10, "second"), ruleset.Drop()), offloaded, accept)), ""},
		"a drop for code points":  {base, table(rules(ruleset.R(ruleset.DSCP.Is(46), ruleset.Drop()), offloaded, accept)), "drops it"},
		"the policy":              {base, table(rules(offloaded), policyDrop), "the policy of chain inet fw forward drops it"},
		"the policy, accepted":    {base, table(rules(offloaded, accept), policyDrop), ""},
		"a jump to a drop":        {base, table(rules(ruleset.R(ruleset.Jump("no")), offloaded), chain(ruleset.Chain{Name: "no", Rules: rules(ruleset.R(ruleset.TCPDport.Is(443), ruleset.Drop()))})), "drops it"},
		"a jump that comes back":  {base, table(rules(ruleset.R(ruleset.Jump("no")), offloaded), chain(ruleset.Chain{Name: "no", Rules: rules(ruleset.R(ruleset.TCPDport.Is(80), ruleset.Drop()))})), ""},
		"a goto past the offload": {base, table(rules(ruleset.R(ruleset.Goto("no")), offloaded), chain(ruleset.Chain{Name: "no"})), "no rule offloads it any more"},
		"an exclusion of it":      {base, table(rules(ruleset.R(ruleset.IPSaddr.Is("192.168.1.2"), ruleset.Return()), ruleset.R(ruleset.IPDaddr.Is("192.168.1.2"), ruleset.Return()), offloaded)), "no rule offloads it any more"},
		"an exclusion of one way": {base, table(rules(ruleset.R(ruleset.IPSaddr.Is("192.168.1.2"), ruleset.Return()), offloaded)), ""},
		"no offload any more":     {base, table(rules(accept)), "no rule offloads it any more"},
		"none before either":      {table(rules(accept)), table(rules(accept, ruleset.R(ruleset.Counter()))), ""},
		"an exclusion by packet mark": {base, table(rules(ruleset.R(ruleset.MetaMark.Has(0x10, 0xff), ruleset.Return()), offloaded)),
			"no rule offloads it any more"},
		"a threshold not reached":     {base, table(rules(ruleset.R(ruleset.CTPackets.AtLeast(30), ruleset.FlowAdd("fast")))), "no rule offloads it any more"},
		"a threshold reached":         {base, table(rules(ruleset.R(ruleset.CTPackets.AtLeast(20), ruleset.FlowAdd("fast")))), ""},
		"a threshold of one way":      {base, table(rules(ruleset.R(ruleset.CTOriginalPackets.AtLeast(11), ruleset.FlowAdd("fast")))), "no rule offloads it any more"},
		"a threshold of bytes":        {base, table(rules(ruleset.R(ruleset.CTReplyBytes.AtLeast(9000), ruleset.FlowAdd("fast")))), ""},
		"below a threshold":           {base, table(rules(ruleset.R(ruleset.CTPackets.Below(30), ruleset.Return()), offloaded)), "no rule offloads it any more"},
		"above a threshold":           {base, table(rules(ruleset.R(ruleset.CTPackets.Below(22), ruleset.Return()), offloaded)), ""},
		"a status":                    {base, table(rules(ruleset.R(ruleset.CTStatus.Is("dnat"), ruleset.Drop()), offloaded)), ""},
		"its status":                  {base, table(rules(ruleset.R(ruleset.CTStatus.Is("assured"), ruleset.Drop()), offloaded)), "drops it"},
		"a chain of its own, offload": {base, table(rules(accept), chain(ruleset.Chain{Name: "late", Hook: ruleset.Forward, Priority: "filter + 10", Rules: rules(offloaded)})), ""},
		"a drop at prerouting, raw":   {base, table(rules(offloaded), chain(ruleset.Chain{Name: "raw", Hook: ruleset.Prerouting, Priority: "raw", Rules: rules(ruleset.R(ruleset.IPDaddr.Is("198.51.100.1"), ruleset.Drop()))})), "drops it"},
		"a drop at input":             {base, table(rules(offloaded), chain(ruleset.Chain{Name: "in", Hook: ruleset.Input, Rules: rules(ruleset.R(ruleset.Drop()))})), ""},
		"a set with it": {base, table(rules(ruleset.R(ruleset.IPDaddr.In("bad"), ruleset.Drop()), offloaded),
			set(ruleset.Set{Name: "bad", Type: ruleset.IPv4Addr, Interval: true, Elements: []string{"203.0.113.0/30", "10.0.0.0/8"}})), "drops it"},
		"a set without it": {base, table(rules(ruleset.R(ruleset.IPDaddr.In("bad"), ruleset.Drop()), offloaded),
			set(ruleset.Set{Name: "bad", Type: ruleset.IPv4Addr, Interval: true, Elements: []string{"203.0.113.3", "10.0.0.0/8"}})), ""},
		"an element more, not it": {
			table(rules(ruleset.R(ruleset.IIFName.In("dev"), ruleset.Drop()), offloaded), set(ruleset.Set{Name: "dev", Type: ruleset.IfName, Elements: []string{"a"}})),
			table(rules(ruleset.R(ruleset.IIFName.In("dev"), ruleset.Drop()), offloaded), set(ruleset.Set{Name: "dev", Type: ruleset.IfName, Elements: []string{"a", "b"}})), ""},
		"an element more, it": {
			table(rules(ruleset.R(ruleset.IIFName.In("dev"), ruleset.Drop()), offloaded), set(ruleset.Set{Name: "dev", Type: ruleset.IfName, Elements: []string{"a"}})),
			table(rules(ruleset.R(ruleset.IIFName.In("dev"), ruleset.Drop()), offloaded), set(ruleset.Set{Name: "dev", Type: ruleset.IfName, Elements: []string{"a", "wan0"}})), "drops it"},
		"nothing left": {base, &ruleset.Spec{}, "no rule offloads it any more"},
	} {
		t.Run(name, func(t *testing.T) {
			f := lan()
			for _, change := range []*judge.Change{
				judge.NewChange(wanted(t, c.before), wanted(t, c.after), nil),
				judge.NewChange(held(t, c.before), wanted(t, c.after), nil),
				judge.NewChange(held(t, c.before), held(t, c.after), nil),
			} {
				found := change.Judge(&f)
				assert.Equal(t, c.why != "", found.Evict, "%s", found.Why)
				assert.Contains(t, found.Why, c.why)
				assert.Equal(t, found, change.Whole().Judge(&f), "the short cut")
			}
		})
	}
}

// What is not known of a flow may be either way; but only where the rules changed.
func TestUnknownDevices(t *testing.T) {
	f := lan()
	f.In, f.Out = [2]string{}, [2]string{}
	on := func(names ...string) *ruleset.Spec {
		return table(rules(ruleset.R(ruleset.IIFName.Is(names...), ruleset.Drop()), offloaded, accept))
	}
	for _, c := range []struct {
		before, after []string
		evict         bool
	}{
		{[]string{"a", "b"}, []string{"b", "a"}, false},
		{[]string{"a", "b"}, []string{"a"}, false},
		{[]string{"a", "b"}, []string{"a", "b", "c"}, true},
		{[]string{"a"}, []string{"b"}, true},
	} {
		change := judge.NewChange(held(t, on(c.before...)), wanted(t, on(c.after...)), nil)
		assert.Equal(t, c.evict, change.Judge(&f).Evict, "%v to %v", c.before, c.after)
	}
}

// An unanswered flow is new one way and established the other.
func TestUnansweredFlow(t *testing.T) {
	f := lan6()
	base := table(rules(ruleset.R(tcpUDP, ruleset.FlowAdd("fast"))))
	for state, why := range map[string]string{"new": "drops it", "established": "drops it", "related": "", "invalid": ""} {
		after := table(rules(ruleset.R(ruleset.CTState.Is(state), ruleset.Drop()), ruleset.R(tcpUDP, ruleset.FlowAdd("fast"))))
		found := judge.NewChange(held(t, base), wanted(t, after), nil).Judge(&f)
		assert.Equal(t, why != "", found.Evict, state)
	}
	six := table(rules(ruleset.R(ruleset.IP6Saddr.Is("2001:db8:1::/48"), ruleset.Drop()), ruleset.R(tcpUDP, ruleset.FlowAdd("fast"))))
	assert.True(t, judge.NewChange(held(t, base), wanted(t, six), nil).Judge(&f).Evict)
}

// The kernel drops the flows of a flowtable that goes away: nobody has to evict them.
func TestFlowtableThatLeaves(t *testing.T) {
	f := lan()
	base, empty := table(rules(offloaded, accept)), &ruleset.Spec{}
	leaves := func(family byte, table, name string) bool { return family == 1 && table == "fw" && name == "fast" }
	assert.False(t, judge.NewChange(held(t, base), wanted(t, empty), leaves).Judge(&f).Evict)
	drop := table(rules(ruleset.R(ruleset.Drop())))
	assert.False(t, judge.NewChange(held(t, base), wanted(t, drop), leaves).Judge(&f).Evict)
	assert.True(t, judge.NewChange(held(t, base), wanted(t, drop), nil).Judge(&f).Evict)
}

// What a kernel says of rules is what we say of them: nothing changed, and nobody is looked at.
func TestNothing(t *testing.T) {
	spec := table(rules(
		ruleset.R(ruleset.IPSaddr.Not("192.168.1.0/24", "10.0.0.1"), ruleset.TCPDport.Is(1, 2), ruleset.Drop()).Note("some"),
		ruleset.R(ruleset.Limit(10, "second"), ruleset.Log("x"), ruleset.Counter(), ruleset.Jump("more")),
		ruleset.R(ruleset.CTPackets.AtLeast(30), ruleset.MetaMark.Has(1, 3), ruleset.IPDaddr.In("named"), ruleset.FlowAdd("fast")),
	), chain(ruleset.Chain{Name: "more", Rules: rules(ruleset.R(ruleset.IIFName.Is("a*"), ruleset.DSCP.Is(1, 2), ruleset.Return()))}),
		set(ruleset.Set{Name: "named", Type: ruleset.IPv4Addr, Elements: []string{"10.0.0.1"}}))
	assert.True(t, judge.NewChange(held(t, spec), wanted(t, spec), nil).Nothing())
	assert.True(t, judge.NewChange(held(t, spec), held(t, spec), nil).Nothing())
	other := table(spec.Tables[0].Chains[0].Rules, chain(spec.Tables[0].Chains[1]),
		set(ruleset.Set{Name: "named", Type: ruleset.IPv4Addr, Elements: []string{"10.0.0.2"}}))
	assert.False(t, judge.NewChange(held(t, spec), wanted(t, other), nil).Nothing(), "a set changed")
}

// What a live set holds is not declared: it is what it was, and single elements come on top.
func TestLiveSets(t *testing.T) {
	f := lan()
	live := func(elements ...string) *ruleset.Spec {
		return table(rules(ruleset.R(ruleset.IPDaddr.In("bad"), ruleset.Drop()), offloaded),
			set(ruleset.Set{Name: "bad", Type: ruleset.IPv4Addr, Interval: true, Live: true, Elements: elements}))
	}
	kernel := offloadtest.New(t, nil)
	_, err := kernel.Commit(t.Context(), batchOf(t, live("10.0.0.0/8")))
	require.NoError(t, err)
	before := ofKernel(t, kernel)
	have, err := ruleset.Load("", kernel.Dump(t.Context()))
	require.NoError(t, err)
	changed := func(verb ruleset.Verb, words ...string) *judge.Ruleset {
		plan, err := ruleset.ElementPlan(have, verb, "", "fw", "bad", words...)
		require.NoError(t, err)
		batch, err := plan.Batch(nil)
		require.NoError(t, err)
		after, err := before.With(batch)
		require.NoError(t, err)
		return after
	}
	assert.True(t, judge.NewChange(before, changed(ruleset.VerbAdd, "203.0.113.0/24"), nil).Judge(&f).Evict)
	assert.False(t, judge.NewChange(before, changed(ruleset.VerbAdd, "203.0.114.0/24"), nil).Judge(&f).Evict)
	assert.False(t, judge.NewChange(before, changed(ruleset.VerbDelete, "10.0.0.0/8"), nil).Judge(&f).Evict)
	assert.True(t, judge.NewChange(before, ofKernel(t, kernel), nil).Nothing(), "it stays as it was")

	after := wanted(t, live())
	assert.False(t, judge.NewChange(before, after, nil).Nothing())
	after.TakeSets(before, func(family ruleset.Family, table, set string) bool {
		return family != "inet" || table != "fw" || set != "bad"
	})
	assert.True(t, judge.NewChange(before, after, nil).Nothing())
}
