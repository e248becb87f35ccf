package ruleset

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
)

// findingsOf are the findings as "code path".
func findingsOf(s *Spec) []string {
	list := []string{}
	for _, f := range s.Lint() {
		list = append(list, f.Code+" "+f.Path)
	}
	return list
}

// forwardTable is a table with flowtable f and chains.
func forwardTable(chains ...Chain) *Spec {
	return oneTable(Table{Name: "x", Flowtables: fast("f", "", "lan0", "wan0"), Chains: chains})
}

func TestLintFlowAdd(t *testing.T) {
	add := R(CTState.Is(Established), L4Proto.Is(TCP, UDP), FlowAdd("f"))
	base := func(rules ...Rule) Chain { return Chain{Name: "c", Hook: Forward, Rules: rules} }
	const unreachable = "unreachable-flow-add tables[0].chains[0].rules[1]"
	const unreplied = "unreplied-udp tables[0].chains[0].rules[1]"
	for name, c := range map[string]struct {
		chains []Chain
		want   []string
	}{
		"fine":                   {[]Chain{base(R(CTState.Is(Invalid), Drop()), add, R(CTState.Is(Established, Related), Accept()))}, nil},
		"behind accept":          {[]Chain{base(R(CTState.Is(Established, Related), Accept()), R(L4Proto.Is(TCP, UDP), FlowAdd("f")))}, []string{unreachable, unreplied}},
		"behind counted accept":  {[]Chain{base(R(Counter(), CTState.Not(Invalid), Log("x"), Accept()), add)}, []string{unreachable}},
		"behind all":             {[]Chain{base(R(Drop()), add)}, []string{unreachable}},
		"behind its own match":   {[]Chain{base(R(IIFName.Is("a", "b"), Goto("d")), R(IIFName.Is("b"), FlowAdd("f"))), {Name: "d"}}, []string{unreachable}},
		"behind part of it":      {[]Chain{base(R(IIFName.Is("a"), Accept()), add)}, nil},
		"behind one protocol":    {[]Chain{base(R(L4Proto.Is(TCP), Accept()), R(FlowAdd("f")))}, []string{unreplied}},
		"behind both protocols":  {[]Chain{base(R(L4Proto.Is(TCP, UDP), Return()), R(FlowAdd("f")))}, []string{unreachable}},
		"behind a limit":         {[]Chain{base(R(Limit(1, "second"), Accept()), add)}, nil},
		"behind new":             {[]Chain{base(R(CTState.Is(New), Accept()), add)}, nil},
		"behind another mask":    {[]Chain{base(R(CTMark.Has(1, 1), Accept()), R(CTMark.Has(1, 3), FlowAdd("f")))}, []string{unreplied}},
		"behind a jump":          {[]Chain{base(R(CTState.Is(Established), Jump("d")), add), {Name: "d"}}, nil},
		"behind another flowadd": {[]Chain{base(add, R(CTState.Is(Established), FlowAdd("f")))}, nil},
		"nobody comes":           {[]Chain{{Name: "c", Rules: []Rule{add}}}, []string{"unreachable-flow-add tables[0].chains[0].rules[0]"}},
		"accept in the rule":     {[]Chain{base(R(CTState.Is(Established), FlowAdd("f"), Counter(), Accept()))}, []string{"verdict-after-flow-add tables[0].chains[0].rules[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := forwardTable(c.chains...)
			require.NoError(t, s.Validate())
			assert.ElementsMatch(t, c.want, findingsOf(s))
		})
	}
}

func TestLintDrops(t *testing.T) {
	policy := func(chains ...Chain) *Spec {
		s := forwardTable(chains...)
		s.Tables[0].Offload = []Policy{{Flowtable: "f"}}
		return s
	}
	drop := R(IPSaddr.Is("192.0.2.1"), Drop())
	accept := R(CTState.Is(Established), Accept())
	at := func(path string) []string { return []string{"drop-behind-offload tables[0]." + path} }
	for name, c := range map[string]struct {
		spec *Spec
		want []string
	}{
		"a firewall before the policy": {policy(Chain{Name: "c", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{accept, drop}}), nil},
		"behind it":                    {policy(Chain{Name: "c", Hook: Forward, Priority: "20", Rules: []Rule{drop, drop}}), at("chains[0].rules[0]")},
		"a policy behind it":           {policy(Chain{Name: "c", Hook: Forward, Priority: "20", Policy: VerdictDrop}), nil},
		"behind an accept behind it":   {policy(Chain{Name: "c", Hook: Forward, Priority: "20", Policy: VerdictDrop, Rules: []Rule{accept, drop}}), nil},
		"postrouting":                  {policy(Chain{Name: "c", Hook: Postrouting, Priority: "-10", Rules: []Rule{R(OIFName.Is("wan0"), Jump("d"))}}, Chain{Name: "d", Rules: []Rule{drop}}), at("chains[1].rules[0]")},
		"nat":                          {policy(Chain{Name: "c", Hook: Postrouting, Type: NATChain, Priority: "srcnat", Rules: []Rule{drop}}), nil},
		"other hooks":                  {policy(Chain{Name: "c", Hook: Input, Priority: "20", Rules: []Rule{drop}}), nil},
		"other packets": {policy(Chain{Name: "c", Hook: Forward, Priority: "20", Rules: []Rule{
			R(CTState.Is(Invalid), Drop()), R(CTState.Not(Established, Related), Drop()), R(L4Proto.Is("icmp"), Drop())}}), nil},
		"in its own chain": {forwardTable(Chain{Name: "c", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
			R(IIFName.Is("bad0"), Drop()), R(Counter(), Jump("d")), drop, accept}}, Chain{Name: "d", Rules: []Rule{R(CTState.Is(Established), FlowAdd("f"))}}), at("chains[0].rules[2]")},
		"before it in its own chain": {forwardTable(Chain{Name: "c", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
			drop, R(Counter(), CTState.Is(Established), FlowAdd("f")), accept}}), nil},
		"without flow add": {forwardTable(Chain{Name: "c", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{drop}}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, c.spec.Validate())
			assert.ElementsMatch(t, c.want, findingsOf(c.spec))
		})
	}
}

func TestLintFlowtables(t *testing.T) {
	s := oneTable(Table{Name: "x", Flowtables: []flowtable.Spec{{Name: "f", Devices: named("lan0")}, {Name: "g", Devices: []flowtable.Selector{{Prefix: "ppp"}}}, {Name: "h"}},
		Chains: []Chain{{Name: "c", Hook: Forward, Rules: []Rule{
			R(CTState.Not(New), Counter()), R(CTState.Is(New), Return()), R(NFProto.Is("ipv4"), FlowAdd("f")), R(IPSaddr.Is("192.0.2.1"), FlowAdd("f")), R(IPSaddr.Is("192.0.2.1"), FlowAdd("g")), R(DSCP6.Is(1), FlowAdd("g")),
		}}}})
	assert.Equal(t, []string{"one-device tables[0].flowtables[0]", "one-family tables[0].flowtables[0]"}, findingsOf(s))
	s.Tables[0].Family = IP
	s.Tables[0].Chains[0].Rules = s.Tables[0].Chains[0].Rules[1:5]
	assert.Equal(t, []string{"one-device tables[0].flowtables[0]"}, findingsOf(s), "a table of one family means it")
	assert.Empty(t, findingsOf(policyTable(Inet, Policy{Flowtable: "fast", Only: Selection{Family: IP}})), "so does a policy")
	assert.Equal(t, []string{"unreachable-flow-add tables[0].offload[0]"}, findingsOf(policyTable(Inet, Policy{Flowtable: "fast", Inline: true})), "nobody jumps to it")
}

func TestLintMarksAndMeters(t *testing.T) {
	s := policyTable(Inet, Elephants("fast"), Policy{Flowtable: "fast", Chain: "b", Announce: "0x100", After: Threshold{Bytes: 1}})
	s.Tables[0].Chains = []Chain{{Name: "c", Hook: Prerouting, Rules: []Rule{
		R(CTMark.Has(0x200, 0x300), Counter()), R(CTMark.Has(0x200, 0x200)), R(CTMark.Set(0x100, 0x100)), R(CTMark.Set(0, 1<<32-1)), R(MetaMark.Is(0x100)),
	}}}
	assert.Equal(t, []string{
		"announced-bit tables[0].chains[0].rules[0]", "announced-bit tables[0].chains[0].rules[2]", "announced-bit tables[0].chains[0].rules[3]",
		"accounting tables[0].offload[0]",
	}, findingsOf(s))
	s.Tables[0].Offload[1].Except.Rules = []Rule{R(CTMark.Is(5))}
	assert.Contains(t, findingsOf(s), "announced-bit tables[0].offload[1]")
	text, err := json.Marshal(s.Lint()[0])
	require.NoError(t, err)
	assert.JSONEq(t, `{"code":"announced-bit","path":"tables[0].chains[0].rules[0]",
		"text":"chain inet x c uses bit 0x100 of the ct mark, which announces that flowtable fast took a connection",
		"fix":"leave the bit out of the mask, or announce with another bit"}`, string(text))
}

// TestLintDeclared is what a reviewer says of rulesets in shapes that people run.
func TestLintDeclared(t *testing.T) {
	got := map[string][]string{}
	for _, c := range declared() {
		if list := findingsOf(c.spec); len(list) > 0 {
			got[c.name] = list
		}
	}
	const unreplied = "unreplied-udp tables[0].chains[0].rules[0]"
	assert.Equal(t, map[string][]string{
		"antrea":          {unreplied},
		"kernel-docs":     {"one-family tables[0].flowtables[0]"},
		"kernel-selftest": {"drop-behind-offload tables[0].chains[0].rules[2]"},
		"kube-proxy":      {"accounting tables[0].chains[0].rules[2]", "one-device tables[0].flowtables[0]"},
		"nft-qos": {"one-family tables[0].flowtables[0]", "drop-behind-offload tables[0].chains[1].rules[0]",
			"unreplied-udp tables[0].chains[2].rules[0]"},
		"nft-variables": {"one-device tables[0].flowtables[0]", "one-device tables[1].flowtables[0]",
			"one-device tables[2].flowtables[0]", "one-device tables[3].flowtables[0]"},
		"nixos-bpi-r3":   {"one-family tables[0].flowtables[0]", "unreplied-udp tables[0].chains[1].rules[0]"},
		"nixos-vlan-ppp": {"unreplied-udp tables[0].chains[1].rules[0]"},
		"opennds": {"one-device tables[0].flowtables[0]", "unreplied-udp tables[0].chains[2].rules[0]",
			"one-device tables[1].flowtables[0]", "unreplied-udp tables[1].chains[1].rules[0]"},
		"openwrt-30-packets":     {"accounting tables[0].chains[0].rules[0]", unreplied},
		"openwrt-fw4":            {unreplied},
		"openwrt-fw4-2022":       {unreplied},
		"openwrt-fw4-2022-pppoe": {unreplied},
		"phragma":                {"verdict-after-flow-add tables[0].chains[1].rules[0]"},
		"ppp-wildcard":           {"one-family tables[0].flowtables[0]", unreplied},
		"unreachable": {"one-family tables[0].flowtables[0]", "unreachable-flow-add tables[0].chains[0].rules[1]",
			"unreplied-udp tables[0].chains[0].rules[1]"},
		"zapret": {"accounting tables[0].chains[1].rules[0]", "unreplied-udp tables[0].chains[1].rules[2]"},
	}, got)
}

// TestLintLesson is a ruleset in the shape of a course's, in which nothing is ever offloaded.
func TestLintLesson(t *testing.T) {
	s := oneTable(Table{Name: "lesson", Flowtables: fast("never", "0", "left0", "right0"), Chains: []Chain{{Name: "through", Hook: Forward, Rules: []Rule{
		R(CTState.Is(Established, Related), Accept()),
		R(NFProto.Is("ipv4"), L4Proto.Is(TCP, UDP), FlowAdd("never")),
	}}}})
	require.NoError(t, s.Validate())
	assert.Equal(t, []string{"one-family tables[0].flowtables[0]", "unreachable-flow-add tables[0].chains[0].rules[1]", "unreplied-udp tables[0].chains[0].rules[1]"},
		findingsOf(s), "but for UDP before its first answer")
	assert.Equal(t, `chain inet lesson through: no established packet comes to flow add, because rule 1 before it ends with "accept" for all of them; move it in front of that rule`,
		s.Lint()[1].String())
	assert.Equal(t, []string{s.Lint()[0].String(), s.Lint()[1].String(), s.Lint()[2].String()}, warnings(resolved(t, s)))
}

func TestLintOfNothing(t *testing.T) {
	assert.Empty(t, (&Spec{}).Lint())
	assert.Empty(t, oneTable(Table{Offload: []Policy{{}}, Chains: []Chain{{}, {Name: "x", Rules: []Rule{{}, R(Jump("none")), R(Statement{})}}}}).Lint())
}
