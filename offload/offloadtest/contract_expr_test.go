package offloadtest

import (
	"math"

	"github.com/go-fastpath/fastpath/ruleset"
)

// expressionRows apply rules with every expression that the compiler sends, so that what a kernel makes of their attributes is
// held attribute by attribute.
func expressionRows() []row {
	var rows []row
	for _, family := range []ruleset.Family{ruleset.Inet, ruleset.IP, ruleset.IP6} {
		rows = append(rows, row{name: "expressions: " + string(family), want: only("ok"), steps: []step{{spec: expressionSpec(family)}}})
	}
	return rows
}

func expressionSpec(family ruleset.Family) *ruleset.Spec {
	forward := append(loadRules(), actionRules()...)
	nat := []ruleset.Rule{ruleset.R(ruleset.TCPDport.Is(8443), ruleset.DNAT("", 443))}
	source := []ruleset.Rule{
		ruleset.R(ruleset.OIFName.Is("ppp*"), ruleset.Masquerade()),
		ruleset.R(ruleset.Statement{Masquerade: &ruleset.Masquerading{FullyRandom: true}}),
		ruleset.R(ruleset.UDPSport.Is(5), ruleset.SNAT("", 6)),
	}
	var sets []ruleset.Set
	if family != ruleset.IP6 {
		forward = append(forward, addressRules(ruleset.IPSaddr, "192.0.2.1", "10.0.0.0/8", "10.0.0.0/9", "10.0.0.1-10.0.0.9", "hosts", "nets")...)
		forward = append(forward, codePointRules(ruleset.DSCP)...)
		nat = append(nat, ruleset.R(ruleset.DNAT("192.0.2.1", 0)), ruleset.R(ruleset.TCPDport.Is(80), ruleset.DNAT("192.0.2.1", 8080)))
		source = append(source, ruleset.R(ruleset.SNAT("203.0.113.1", 0)))
		sets = append(sets,
			ruleset.Set{Name: "hosts", Type: ruleset.IPv4Addr, Elements: []string{"192.0.2.1", "192.0.2.2"}},
			ruleset.Set{Name: "nets", Type: ruleset.IPv4Addr, Interval: true, Elements: []string{"255.0.0.0/8", "192.0.2.5-192.0.2.9", "10.0.0.0/8", "192.0.2.1"}})
	}
	if family != ruleset.IP {
		forward = append(forward, addressRules(ruleset.IP6Daddr, "2001:db8::1", "fe80::/16", "2001:db8::/33", "::1-::9", "hosts6", "nets6")...)
		forward = append(forward, codePointRules(ruleset.DSCP6)...)
		nat = append(nat, ruleset.R(ruleset.DNAT("2001:db8::1", 0)), ruleset.R(ruleset.TCPDport.Is(80), ruleset.DNAT("2001:db8::1", 8080)))
		source = append(source, ruleset.R(ruleset.SNAT("2001:db8::9", 0)))
		sets = append(sets,
			ruleset.Set{Name: "hosts6", Type: ruleset.IPv6Addr, Elements: []string{"2001:db8::1"}},
			ruleset.Set{Name: "nets6", Type: ruleset.IPv6Addr, Interval: true, Elements: []string{"::/16", "2001:db8::/32"}})
	}
	return &ruleset.Spec{Tables: []ruleset.Table{{
		Family: family, Name: "t",
		Sets: append(sets,
			ruleset.Set{Name: "names", Type: ruleset.IfName, Interval: true, Elements: []string{"wan", "ppp*"}},
			ruleset.Set{Name: "ports", Type: ruleset.InetService, Elements: []string{"22", "80"}},
			ruleset.Set{Name: "empty", Type: ruleset.InetService}),
		Chains: []ruleset.Chain{
			{Name: "regular"},
			{Name: "forward", Hook: ruleset.Forward, Policy: ruleset.VerdictDrop, Rules: forward},
			{Name: "dstnat", Type: ruleset.NATChain, Hook: ruleset.Prerouting, Priority: "dstnat", Rules: nat},
			{Name: "srcnat", Type: ruleset.NATChain, Hook: ruleset.Postrouting, Priority: "srcnat", Rules: source},
			{Name: "route", Type: ruleset.RouteChain, Hook: ruleset.Output, Priority: "mangle"},
		},
	}}}
}

// loadRules compare everything that is loaded but addresses.
func loadRules() []ruleset.Rule {
	both := ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP)
	return []ruleset.Rule{
		ruleset.R(ruleset.L4Proto.Is(ruleset.TCP)), ruleset.R(ruleset.L4Proto.Not("47")), ruleset.R(both), ruleset.R(ruleset.L4Proto.Not("47", "50")),
		ruleset.R(ruleset.IIFName.Is("eth0")), ruleset.R(ruleset.IIFName.Is("ppp*")), ruleset.R(ruleset.OIFName.Not("ppp*")),
		ruleset.R(ruleset.IIFName.Is("eth0", "wan")), ruleset.R(ruleset.IIFName.Is("eth0", "ppp*")), ruleset.R(ruleset.OIFName.NotIn("names")),
		ruleset.R(ruleset.TCPDport.Is(443)), ruleset.R(ruleset.TCPDport.Between(1024, 65535)), ruleset.R(ruleset.WordField(ruleset.UDPSport).Not("5-9")),
		ruleset.R(ruleset.TCPDport.Is(443, 80)), ruleset.R(ruleset.WordField(ruleset.TCPDport).Is("80", "1024-65535")), ruleset.R(ruleset.UDPDport.In("ports")),
		ruleset.R(ruleset.WordField(ruleset.TCPDport).Is("1-5", "6-8", "80")), ruleset.R(ruleset.WordField(ruleset.TCPDport).Not("0-5", "80")),
		ruleset.R(both, ruleset.THDport.Is(53)), ruleset.R(both, ruleset.THSport.NotIn("ports")),
		ruleset.R(ruleset.CTState.Is(ruleset.Established, ruleset.Related)), ruleset.R(ruleset.CTState.Not(ruleset.Established)),
		ruleset.R(ruleset.CTStatus.Is("assured")), ruleset.R(ruleset.CTStatus.Not("snat", "dnat")),
		ruleset.R(ruleset.CTMark.Is(0x10)), ruleset.R(ruleset.CTMark.Is(0x10, 0x20)), ruleset.R(ruleset.CTMark.Has(0x10, 0xff)), ruleset.R(ruleset.CTMark.HasNot(0, 0x100)),
		ruleset.R(ruleset.MetaMark.Is(16)), ruleset.R(ruleset.MetaMark.Has(0x1200, 0xff00)),
		ruleset.R(ruleset.CTDirection.Is(ruleset.Original)), ruleset.R(ruleset.CTDirection.Is(ruleset.Original, ruleset.Reply)),
		ruleset.R(ruleset.CTPackets.AtLeast(30)), ruleset.R(ruleset.CTBytes.Below(1 << 40)), ruleset.R(ruleset.CTOriginalPackets.AtLeast(30)), ruleset.R(ruleset.CTReplyBytes.Below(30)),
	}
}

func actionRules() []ruleset.Rule {
	group := uint16(5)
	zero := uint16(0)
	return []ruleset.Rule{
		ruleset.R(ruleset.Counter()), ruleset.R(ruleset.Counter()).Note("hello, world"),
		ruleset.R(ruleset.Limit(10, "second")), ruleset.R(ruleset.Statement{Limit: &ruleset.Limiting{Rate: 10, Per: "hour", Burst: 7, Over: true}}),
		ruleset.R(ruleset.Statement{Log: &ruleset.Logging{}}), ruleset.R(ruleset.Log("hello ")), ruleset.R(ruleset.Statement{Log: &ruleset.Logging{Prefix: "x", Level: "emerg"}}),
		ruleset.R(ruleset.Statement{Log: &ruleset.Logging{Level: "warn"}}), ruleset.R(ruleset.Statement{Log: &ruleset.Logging{Level: "debug"}}),
		ruleset.R(ruleset.Statement{Log: &ruleset.Logging{Group: &group}}), ruleset.R(ruleset.Statement{Log: &ruleset.Logging{Prefix: "y", Group: &zero}}),
		ruleset.R(ruleset.CTMark.Set(0x10, math.MaxUint32)), ruleset.R(ruleset.CTMark.Set(1<<20, 1<<20)), ruleset.R(ruleset.MetaMark.Set(1, 0xff)), ruleset.R(ruleset.MetaMark.Set(1, math.MaxUint32)),
		ruleset.R(ruleset.Jump("regular")), ruleset.R(ruleset.MetaMark.Is(2), ruleset.Goto("regular")),
		ruleset.R(ruleset.MetaMark.Is(1), ruleset.Return()), ruleset.R(ruleset.MetaMark.Is(1), ruleset.Drop()), ruleset.R(ruleset.Accept()),
	}
}

// addressRules test one address, whole bytes, bits, a range, lists and sets.
func addressRules(f ruleset.WordField, one, whole, bits, span, hosts, nets string) []ruleset.Rule {
	return []ruleset.Rule{
		ruleset.R(f.Is(one)), ruleset.R(f.Not(one)), ruleset.R(f.Is(whole)), ruleset.R(f.Not(bits)), ruleset.R(f.Is(span)), ruleset.R(f.Not(span)),
		ruleset.R(f.Is(one, whole)), ruleset.R(f.In(hosts)), ruleset.R(f.NotIn(nets)),
	}
}

func codePointRules(f ruleset.NumberField) []ruleset.Rule {
	return []ruleset.Rule{ruleset.R(f.Is(46)), ruleset.R(f.Between(10, 20)), ruleset.R(f.Is(46, 10)), ruleset.R(ruleset.WordField(f).Not("10-63"))}
}
