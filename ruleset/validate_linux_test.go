package ruleset

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// agrees asks nft and the kernel about a Spec, in the text that we would write for it, and compares their answer with Validate's.
func agrees(t *testing.T, ns *testns.Namespace, s *Spec) {
	t.Helper()
	r := &Resolved{spec: cloneSpec(s)} // not by Resolve, which validates
	for _, table := range r.spec.Tables {
		var devices [][]string
		var bindings [][]flowtable.Binding
		for _, f := range table.Flowtables {
			bindings = append(bindings, f.Bind(nil))
			devices = append(devices, listedDevices(f.Bind(nil)))
		}
		r.devices, r.bindings = append(r.devices, devices), append(r.bindings, bindings)
	}
	var text strings.Builder
	if err := r.WriteNFT(&text); err != nil {
		t.Fatal(err)
	}
	ours := s.Validate()
	theirs := ns.NFT(testContext(t), "flush ruleset\n"+text.String())
	assert.Equal(t, ours == nil, theirs == nil, "%s\nwe say: %v\nnft and the kernel say: %v", &text, ours, theirs)
}

// TestHooksAgainstKernel tries every type at every hook, at the priorities that matter.
func TestHooksAgainstKernel(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "hooks")
	for kind, priorities := range map[ChainType][]flowtable.Priority{
		FilterChain: {"-2147483648"}, RouteChain: {"mangle"}, NATChain: {"-201", "-200", "-199", "srcnat + 5"},
	} {
		for _, hook := range []Hook{Prerouting, Input, Forward, Output, Postrouting} {
			for _, priority := range priorities {
				agrees(t, ns, oneTable(Table{Name: "x", Chains: []Chain{
					{Name: "c", Type: kind, Hook: hook, Priority: priority, Policy: VerdictDrop},
				}}))
			}
		}
	}
}

// TestNATAgainstKernel tries every translation at every hook, in nat chains and in others.
func TestNATAgainstKernel(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "nat")
	for _, st := range []Statement{DNAT("192.0.2.1", 0), SNAT("192.0.2.1", 0), Masquerade()} {
		for _, hook := range []Hook{Prerouting, Input, Forward, Output, Postrouting} {
			base := Chain{Name: "base", Type: NATChain, Hook: hook, Rules: []Rule{R(Counter(), Jump("c"))}}
			agrees(t, ns, oneTable(Table{Name: "x", Chains: []Chain{base, {Name: "c", Rules: []Rule{R(st)}}}}))
			agrees(t, ns, oneTable(Table{Name: "x", Chains: []Chain{{Name: "c", Hook: hook, Rules: []Rule{R(st)}}}}))
		}
		agrees(t, ns, oneTable(Table{Name: "x", Chains: []Chain{{Name: "unreached", Rules: []Rule{R(st)}}}}))
	}
}

// TestJumpsAgainstKernel tries loops, depths and targets.
func TestJumpsAgainstKernel(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "jumps")
	base := func(rules ...Rule) Chain { return Chain{Name: "base", Hook: Forward, Rules: rules} }
	for _, table := range []Table{
		deepTable(1), deepTable(maxJumps - 1), deepTable(maxJumps), deepTable(maxJumps + 1), deepTable(maxJumps + 2),
		{Chains: []Chain{base(R(Jump("a"))), {Name: "a", Rules: []Rule{R(Goto("b"))}}, {Name: "b", Rules: []Rule{R(Jump("a"))}}}},
		{Chains: []Chain{base(R(Jump("base")))}},
		{Chains: []Chain{base(R(Jump("nowhere")))}},
		{Chains: []Chain{base(R(Jump("a")), R(Goto("a"))), {Name: "a", Rules: []Rule{R(Return())}}}},
	} {
		table.Name = "x"
		agrees(t, ns, oneTable(table))
	}
}

// TestRulesAgainstKernel tries rules on the edge, each alone in a forward chain.
func TestRulesAgainstKernel(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "rules")
	for _, r := range []Rule{
		R(Accept(), Counter()), R(Jump("regular"), Counter()), R(Counter(), Accept()),
		R(Accept()).Note(strings.Repeat("c", 127)), R(Accept()).Note(`a"b`),
		R(Log(strings.Repeat("p", 127))), R(Log(strings.Repeat("p", 128))), R(Log("$x")), R(Log("x; # }")),
		R(Limit(0, "second")), R(Limit(1, "month")), R(Limit(1_000_000_000, "second")),
		R(IPSaddr.Is("192.0.2.1"), IP6Saddr.Is("::1")), R(NFProto.Is("ipv6"), IPSaddr.Is("192.0.2.1")),
		R(TCPDport.Is(80), UDPDport.Is(80)), R(L4Proto.Is(TCP, UDP), TCPDport.Is(80)), R(L4Proto.Is(TCP, UDP), THDport.Is(80)),
		R(IPSaddr.In("none")), R(IPSaddr.In("four")), R(IPSaddr.In("ports")), R(TCPDport.NotIn("ports")), R(IIFName.In("links")), R(OIFName.In("six")),
		R(IPSaddr.Is("::1")), R(TCPDport.Is(0, 65535)), R(is(fieldTCPDport, "65536")), R(is(fieldTCPDport, "9-5")),
		R(CTState.Is("nonsense")), R(CTStatus.Not("assured", "dnat")), R(DSCP.Is(63)), R(is(fieldIPDSCP, "64")), R(DSCP6.Between(1, 62)),
		R(CTMark.Has(0x10, 0xf0)), R(CTMark.Set(0x10, 0xf0)), R(CTMark.Set(0, 0xf0)), R(MetaMark.Set(0xf0, 0xf0)), R(MetaMark.Set(1, 1<<32-1)),
		R(Statement{Log: &Logging{Level: "loud"}}), R(CTBytes.Below(1<<64 - 1)), R(CTReplyBytes.AtLeast(1)),
		R(L4Proto.Is(TCP, UDP), TCPFlags.Is("syn")), R(L4Proto.Is(TCP), TCPFlags.Is("syn")), R(UDPDport.Is(5), TCPFlags.Is("syn")), R(TCPFlags.Not("syn", "ack")),
		R(MetaIPsec.Not("exists")), R(RTIPsec.Is("missing")), R(CTHelper.Is("unheard-of")), R(CTHelper.Is("two words")),
		R(CTZone.Is("0", "65535")), R(is(fieldCTZone, "65536")),
	} {
		for _, family := range []Family{Inet, IP, IP6} {
			spec := inTable(family, Chain{Hook: Forward}, r)
			spec.Tables[0].Flowtables = nil
			agrees(t, ns, spec)
		}
	}
	for _, family := range []Family{Inet, IP, IP6} {
		spec := inTable(family, Chain{Hook: Forward}, R(NFProto.Is("ipv4")))
		spec.Tables[0].Flowtables = nil
		agrees(t, ns, spec)
	}
}

// TestRuleSizeAgainstKernel tries rules around the number of expressions that kernels take.
func TestRuleSizeAgainstKernel(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "size")
	for _, r := range []Rule{repeated(127, Counter()), repeated(128, Counter()), repeated(129, Counter()), repeated(130, Counter())} {
		agrees(t, ns, oneTable(Table{Name: "x", Chains: []Chain{{Name: "c", Rules: []Rule{r}}}}))
	}
}

// TestSetsAgainstKernel tries elements that overlap and that do not.
func TestSetsAgainstKernel(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "sets")
	for _, s := range []Set{
		{Type: IPv4Addr, Interval: true, Elements: []string{"10.0.0.0/8", "10.1.0.0/16"}},
		{Type: IPv4Addr, Interval: true, Elements: []string{"10.0.0.0/8", "11.0.0.0/8", "0.0.0.0", "255.255.255.255"}},
		{Type: IPv4Addr, Interval: true, Elements: []string{"0.0.0.0/0"}},
		{Type: IPv4Addr, Elements: []string{"10.0.0.1", "10.0.0.2/32"}},
		{Type: IPv4Addr, Elements: []string{"10.0.0.0/8"}},
		{Type: IPv6Addr, Interval: true, Elements: []string{"::/0"}},
		{Type: IPv6Addr, Interval: true, Elements: []string{"2001:db8::/32", "2001:db9::-2001:dbf::"}},
		{Type: InetService, Interval: true, Elements: []string{"1-5", "6-8", "9"}},
		{Type: InetService, Interval: true, Elements: []string{"1-5", "5-8"}},
		{Type: InetService, Elements: []string{"1-5"}},
		{Type: IfName, Interval: true, Elements: []string{"eth0", "ppp*", "pp"}},
		{Type: IfName, Interval: true, Elements: []string{"ppp0", "ppp*"}},
		{Type: IfName, Elements: []string{"ppp*"}},
		{Type: "ipv5_addr"},
	} {
		s.Name = "s"
		agrees(t, ns, oneTable(Table{Name: "x", Sets: []Set{s}}))
	}
}

// TestFlowAddAgainstKernel tries flow add at every hook, in the chain itself, behind jumps, and where no packet comes.
func TestFlowAddAgainstKernel(t *testing.T) {
	testns.RequireFlowtables(t)
	ns := testns.NewT(t, "flowadd")
	add := []Rule{R(L4Proto.Is(TCP, UDP), FlowAdd("f"))}
	table := func(chains ...Chain) *Spec {
		return oneTable(Table{Name: "x", Flowtables: fast("f", "filter - 10", "lo"), Chains: chains})
	}
	for _, hook := range []Hook{Prerouting, Input, Forward, Output, Postrouting} {
		agrees(t, ns, table(Chain{Name: "c", Hook: hook, Rules: add}))
		agrees(t, ns, table(Chain{Name: "base", Hook: hook, Rules: []Rule{R(Counter(), Goto("c"))}}, Chain{Name: "c", Rules: add}))
		agrees(t, ns, table(
			Chain{Name: "forward", Hook: Forward, Rules: []Rule{R(Jump("a"))}},
			Chain{Name: "base", Hook: hook, Rules: []Rule{R(Jump("a"))}},
			Chain{Name: "a", Rules: []Rule{R(Jump("c"))}}, Chain{Name: "c", Rules: add}))
	}
	agrees(t, ns, table(Chain{Name: "unreached", Rules: add}))
	agrees(t, ns, table(Chain{Name: "c", Hook: Forward, Rules: []Rule{R(FlowAdd("g"))}}))
	agrees(t, ns, table(Chain{Name: "c", Type: RouteChain, Hook: Output, Rules: add}))
}

// TestFlowtablesAgainstKernel tries flowtables on the edge. Every kernel knows lo.
func TestFlowtablesAgainstKernel(t *testing.T) {
	testns.RequireFlowtables(t)
	ns := testns.NewT(t, "flowtables")
	for _, priority := range []flowtable.Priority{"", "filter", "filter - 10", "filter + 11", "-2147483648", "2147483647"} {
		agrees(t, ns, oneTable(Table{Name: "x", Flowtables: fast("f", priority, "lo")}))
	}
	for _, family := range []Family{Inet, IP, IP6, "bridge"} {
		agrees(t, ns, oneTable(Table{Family: family, Name: "x", Flowtables: fast("f", "", "lo")}))
	}
	agrees(t, ns, oneTable(Table{Name: "x", Flowtables: fast("f", "")}))
	agrees(t, ns, oneTable(Table{Name: "x", Flowtables: []flowtable.Spec{{Name: "f", NoCounter: true, Devices: named("lo")}}}))
	agrees(t, ns, oneTable(Table{Name: "x", Flowtables: append(fast("f", "", "lo"), fast("g", "", "lo")...)}))
	agrees(t, ns, &Spec{Tables: []Table{{Name: "x", Flowtables: fast("f", "", "lo")}, {Name: "y", Flowtables: fast("f", "", "lo")}}})
	agrees(t, ns, oneTable(Table{Name: "x", Flowtables: fast("offload", "", "lo")}))
}
