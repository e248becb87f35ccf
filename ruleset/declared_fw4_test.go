package ruleset

import "github.com/go-fastpath/fastpath/flowtable"

// zoneNote is how the zone firewalls in the shape of OpenWrt's comment their rules.
func zoneNote(r Rule, note string) Rule { return r.Note("guard: " + note) }

// fw4Router is what differs between the rulesets in the shape of OpenWrt's firewall.
type fw4Router struct {
	devices []string // of the flowtable
	counter bool
	wan     string
	// recent is the shape since 2023: policies of drop, states told apart, no leak past NAT.
	recent bool
	// tested adds the rule and the chains that its own tests have.
	tested bool
}

// fw4 is a firewall in the shape of OpenWrt's, as far as it can be declared.
func fw4(f fw4Router) *Spec {
	t := Table{Name: "guard", Flowtables: fast("carry", "0", f.devices...)}
	t.Flowtables[0].Hardware, t.Flowtables[0].NoCounter = flowtable.HardwareOn, !f.counter
	t.Chains = append(fw4Base(f), fw4Zones(f)...)
	t.Chains = append(t.Chains, fw4NAT(f)...)
	t.Chains = append(t.Chains, fw4Mangle(f)...)
	return &Spec{Tables: []Table{t}}
}

// fw4States is the rule, or the two rules, for connections that stand.
func fw4States(f fw4Router, packets string) []Rule {
	if !f.recent {
		return []Rule{zoneNote(R(established(), Accept()), packets+" of known connections")}
	}
	return []Rule{
		zoneNote(R(CTState.Is(Established), Accept()), packets+" that are under way"),
		zoneNote(R(CTState.Is(Related), Accept()), packets+" that are under way"),
	}
}

func fw4Base(f fw4Router) []Chain {
	arriving := append([]Rule{zoneNote(R(IIFName.Is("lo"), Accept()), "ourselves")}, fw4States(f, "packets arriving")...)
	arriving = append(arriving,
		zoneNote(R(IIFName.Is(f.wan), Jump("in_net")), "arriving, from net"),
		zoneNote(R(IIFName.Is("br-home"), Jump("in_home")), "arriving, from home"))
	passing := append([]Rule{R(L4Proto.Is(TCP, UDP), FlowAdd("carry"))}, fw4States(f, "packets passing")...)
	passing = append(passing,
		zoneNote(R(IIFName.Is(f.wan), Jump("pass_net")), "passing, from net"),
		zoneNote(R(IIFName.Is("br-home"), Jump("pass_home")), "passing, from home"),
		R(Jump("deny")))
	leaving := append([]Rule{zoneNote(R(OIFName.Is("lo"), Accept()), "to ourselves")}, fw4States(f, "packets leaving")...)
	if f.tested {
		leaving = append(leaving, zoneNote(R(L4Proto.Is(TCP), Counter()), "what of it is TCP"))
	}
	leaving = append(leaving,
		zoneNote(R(OIFName.Is(f.wan), Jump("out_net")), "leaving, to net"),
		zoneNote(R(OIFName.Is("br-home"), Jump("out_home")), "leaving, to home"))
	chains := []Chain{
		{Name: "passing", Hook: Forward, Policy: VerdictDrop, Rules: passing},
		{Name: "leaving", Hook: Output, Rules: leaving},
		{Name: "deny", Rules: []Rule{
			zoneNote(R(L4Proto.Is(TCP), Drop()), "a reset for TCP"), zoneNote(R(Drop()), "an answer for the rest"),
		}},
		{Name: "calm_syn", Rules: fw4CalmSYN(f)},
	}
	if f.recent {
		return append(chains, Chain{Name: "arriving", Hook: Input, Policy: VerdictDrop, Rules: append(arriving, R(Jump("deny")))},
			Chain{Name: "assist", Hook: Prerouting, Rules: []Rule{fw4Helpers()}})
	}
	return append(chains, Chain{Name: "arriving", Hook: Input, Rules: arriving})
}

func fw4Helpers() Rule {
	return zoneNote(R(IIFName.Is("br-home"), Jump("assist_home")), "helpers for home")
}

func fw4CalmSYN(f fw4Router) []Rule {
	limit := Statement{Limit: &Limiting{Rate: 40, Per: "second", Burst: 80}}
	drop := zoneNote(R(Drop()), "the rest may not")
	if !f.tested {
		return []Rule{drop} // the limit is for SYN alone
	}
	return []Rule{zoneNote(R(limit, Return()), "so many may open"), drop}
}

func fw4Zones(f fw4Router) []Chain {
	out := []Rule{zoneNote(R(OIFName.Is(f.wan), Counter(), Accept()), "towards net")}
	if f.recent {
		leak := R(NFProto.Is("ipv4"), OIFName.Is(f.wan), CTState.Is(Invalid), Counter(), Drop())
		out = append([]Rule{zoneNote(leak, "no private address leaks to net")}, out...)
	}
	return []Chain{
		{Name: "in_home", Rules: []Rule{R(Jump("let_in_home"))}},
		{Name: "out_home", Rules: []Rule{R(Jump("let_out_home"))}},
		{Name: "pass_home", Rules: []Rule{zoneNote(R(Jump("let_out_net")), "home reaches net"), R(Jump("let_out_home"))}},
		{Name: "assist_home"},
		{Name: "let_in_home", Rules: []Rule{zoneNote(R(IIFName.Is("br-home"), Counter(), Accept()), "home may")}},
		{Name: "let_out_home", Rules: []Rule{zoneNote(R(OIFName.Is("br-home"), Counter(), Accept()), "towards home")}},
		{Name: "in_net", Rules: []Rule{
			zoneNote(R(IP6Saddr.Is("fc00::/6"), IP6Daddr.Is("fc00::/6"), UDPDport.Is(546), Counter(), Accept()), "leases of IPv6"),
			zoneNote(R(NFProto.Is("ipv4"), UDPDport.Is(68), Counter(), Accept()), "leases of IPv4"),
			zoneNote(R(NFProto.Is("ipv4"), L4Proto.Is("igmp"), Counter(), Accept()), "groups of IPv4"),
			R(Jump("deny_in_net")),
		}},
		{Name: "out_net", Rules: []Rule{R(Jump("let_out_net"))}},
		{Name: "pass_net", Rules: []Rule{
			zoneNote(R(UDPDport.Is(500), Counter(), Jump("let_out_home")), "keys of IPsec"),
			zoneNote(R(L4Proto.Is("esp"), Counter(), Jump("let_out_home")), "packets of IPsec"),
			R(Jump("deny_out_net")),
		}},
		{Name: "let_out_net", Rules: out},
		{Name: "deny_in_net", Rules: []Rule{zoneNote(R(IIFName.Is(f.wan), Counter(), Jump("deny")), "net may not come in")}},
		{Name: "deny_out_net", Rules: []Rule{zoneNote(R(OIFName.Is(f.wan), Counter(), Jump("deny")), "net may not be left for")}},
	}
}

func fw4NAT(f fw4Router) []Chain {
	raw := Chain{Name: "raw_in", Hook: Prerouting, Priority: "raw"}
	if !f.recent {
		raw.Rules = []Rule{fw4Helpers()}
	}
	return []Chain{
		{Name: "translate_in", Type: NATChain, Hook: Prerouting, Priority: "dstnat"},
		{Name: "translate_out", Type: NATChain, Hook: Postrouting, Priority: "srcnat", Rules: []Rule{
			zoneNote(R(OIFName.Is(f.wan), Jump("hide_net")), "leaves by net"),
		}},
		{Name: "hide_net", Rules: []Rule{zoneNote(R(NFProto.Is("ipv4"), Masquerade()), "net sees one address")}},
		raw,
		{Name: "raw_out", Hook: Output, Priority: "raw"},
	}
}

func fw4Mangle(f fw4Router) []Chain {
	output := Chain{Name: "mark_out", Hook: Output, Priority: "mangle"}
	if f.recent {
		output.Type = RouteChain
	}
	chains := []Chain{
		{Name: "mark_in", Hook: Prerouting, Priority: "mangle"},
		output,
		{Name: "mark_pass", Hook: Forward, Priority: "mangle"},
	}
	if f.tested {
		chains = append(chains, Chain{Name: "mark_late", Hook: Postrouting, Priority: "mangle"}, Chain{Name: "mark_local", Hook: Input, Priority: "mangle"})
	}
	return chains
}
