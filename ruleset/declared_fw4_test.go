package ruleset

import "github.com/go-fastpath/fastpath/flowtable"

// fw4Note is how OpenWrt's firewall comments its rules.
func fw4Note(r Rule, note string) Rule { return r.Note("!fw4: " + note) }

// fw4Router is what differs between the rulesets of OpenWrt's firewall tests.
type fw4Router struct {
	devices []string // of the flowtable
	counter bool
	wan     string
	// recent is fw4 since 2023: policies of drop, states told apart, no leak past NAT.
	recent bool
	// tested adds the rule and the chains of its own test.
	tested bool
}

// fw4 is OpenWrt's firewall as far as it can be declared.
func fw4(f fw4Router) *Spec {
	t := Table{Name: "fw4", Flowtables: fast("ft", "0", f.devices...)}
	t.Flowtables[0].Hardware, t.Flowtables[0].NoCounter = flowtable.HardwareOn, !f.counter
	t.Chains = append(fw4Base(f), fw4Zones(f)...)
	t.Chains = append(t.Chains, fw4NAT(f)...)
	t.Chains = append(t.Chains, fw4Mangle(f)...)
	return &Spec{Tables: []Table{t}}
}

// fw4States is the rule, or the two rules, for connections that stand.
func fw4States(f fw4Router, old, recent string) []Rule {
	if !f.recent {
		return []Rule{fw4Note(R(established(), Accept()), "Allow "+old+" established and related flows")}
	}
	return []Rule{
		fw4Note(R(CTState.Is(Established), Accept()), "Handle "+recent+" flows"),
		fw4Note(R(CTState.Is(Related), Accept()), "Handle "+recent+" flows"),
	}
}

func fw4Base(f fw4Router) []Chain {
	input := append([]Rule{fw4Note(R(IIFName.Is("lo"), Accept()), "Accept traffic from loopback")}, fw4States(f, "inbound", "inbound")...)
	input = append(input,
		fw4Note(R(IIFName.Is("br-lan"), Jump("input_lan")), "Handle lan IPv4/IPv6 input traffic"),
		fw4Note(R(IIFName.Is(f.wan), Jump("input_wan")), "Handle wan IPv4/IPv6 input traffic"))
	forward := append([]Rule{R(L4Proto.Is(TCP, UDP), FlowAdd("ft"))}, fw4States(f, "forwarded", "forwarded")...)
	forward = append(forward,
		fw4Note(R(IIFName.Is("br-lan"), Jump("forward_lan")), "Handle lan IPv4/IPv6 forward traffic"),
		fw4Note(R(IIFName.Is(f.wan), Jump("forward_wan")), "Handle wan IPv4/IPv6 forward traffic"),
		R(Jump("handle_reject")))
	output := append([]Rule{fw4Note(R(OIFName.Is("lo"), Accept()), "Accept traffic towards loopback")}, fw4States(f, "outbound", "outbound")...)
	if f.tested {
		output = append(output, fw4Note(R(L4Proto.Is(TCP), Counter()), "Test-Deprecated-Rule-Option"))
	}
	output = append(output,
		fw4Note(R(OIFName.Is("br-lan"), Jump("output_lan")), "Handle lan IPv4/IPv6 output traffic"),
		fw4Note(R(OIFName.Is(f.wan), Jump("output_wan")), "Handle wan IPv4/IPv6 output traffic"))
	chains := []Chain{
		{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: forward},
		{Name: "output", Hook: Output, Rules: output},
		{Name: "handle_reject", Rules: []Rule{
			fw4Note(R(L4Proto.Is(TCP), Drop()), "Reject TCP traffic"), fw4Note(R(Drop()), "Reject any other traffic"),
		}},
		{Name: "syn_flood", Rules: fw4SynFlood(f)},
	}
	if f.recent {
		return append(chains, Chain{Name: "input", Hook: Input, Policy: VerdictDrop, Rules: append(input, R(Jump("handle_reject")))},
			Chain{Name: "prerouting", Hook: Prerouting, Rules: []Rule{fw4Helpers("Handle lan IPv4/IPv6 helper assignment")}})
	}
	return append(chains, Chain{Name: "input", Hook: Input, Rules: input})
}

func fw4Helpers(note string) Rule {
	return fw4Note(R(IIFName.Is("br-lan"), Jump("helper_lan")), note)
}

func fw4SynFlood(f fw4Router) []Rule {
	limit := Statement{Limit: &Limiting{Rate: 25, Per: "second", Burst: 50}}
	drop := fw4Note(R(Drop()), "Drop excess packets")
	if !f.tested {
		return []Rule{drop} // the limit is for SYN alone
	}
	return []Rule{fw4Note(R(limit, Return()), "Accept SYN packets below rate-limit"), drop}
}

func fw4Zones(f fw4Router) []Chain {
	lan, wan := "accept lan IPv4/IPv6 traffic", "wan IPv4/IPv6 traffic"
	leak := []Rule{fw4Note(R(OIFName.Is(f.wan), Counter(), Accept()), "accept "+wan)}
	if f.recent {
		leak = append([]Rule{fw4Note(R(NFProto.Is("ipv4"), OIFName.Is(f.wan), CTState.Is(Invalid), Counter(), Drop()), "Prevent NAT leakage")}, leak...)
	}
	return []Chain{
		{Name: "input_lan", Rules: []Rule{R(Jump("accept_from_lan"))}},
		{Name: "output_lan", Rules: []Rule{R(Jump("accept_to_lan"))}},
		{Name: "forward_lan", Rules: []Rule{fw4Note(R(Jump("accept_to_wan")), "Accept lan to wan forwarding"), R(Jump("accept_to_lan"))}},
		{Name: "helper_lan"},
		{Name: "accept_from_lan", Rules: []Rule{fw4Note(R(IIFName.Is("br-lan"), Counter(), Accept()), lan)}},
		{Name: "accept_to_lan", Rules: []Rule{fw4Note(R(OIFName.Is("br-lan"), Counter(), Accept()), lan)}},
		{Name: "input_wan", Rules: []Rule{
			fw4Note(R(NFProto.Is("ipv4"), UDPDport.Is(68), Counter(), Accept()), "Allow-DHCP-Renew"),
			fw4Note(R(NFProto.Is("ipv4"), L4Proto.Is("igmp"), Counter(), Accept()), "Allow-IGMP"),
			fw4Note(R(IP6Saddr.Is("fc00::/6"), IP6Daddr.Is("fc00::/6"), UDPDport.Is(546), Counter(), Accept()), "Allow-DHCPv6"),
			R(Jump("reject_from_wan")),
		}},
		{Name: "output_wan", Rules: []Rule{R(Jump("accept_to_wan"))}},
		{Name: "forward_wan", Rules: []Rule{
			fw4Note(R(L4Proto.Is("esp"), Counter(), Jump("accept_to_lan")), "Allow-IPSec-ESP"),
			fw4Note(R(UDPDport.Is(500), Counter(), Jump("accept_to_lan")), "Allow-ISAKMP"),
			R(Jump("reject_to_wan")),
		}},
		{Name: "accept_to_wan", Rules: leak},
		{Name: "reject_from_wan", Rules: []Rule{fw4Note(R(IIFName.Is(f.wan), Counter(), Jump("handle_reject")), "reject "+wan)}},
		{Name: "reject_to_wan", Rules: []Rule{fw4Note(R(OIFName.Is(f.wan), Counter(), Jump("handle_reject")), "reject "+wan)}},
	}
}

func fw4NAT(f fw4Router) []Chain {
	raw := Chain{Name: "raw_prerouting", Hook: Prerouting, Priority: "raw"}
	if !f.recent {
		raw.Rules = []Rule{fw4Helpers("lan IPv4/IPv6 CT helper assignment")}
	}
	return []Chain{
		{Name: "dstnat", Type: NATChain, Hook: Prerouting, Priority: "dstnat"},
		{Name: "srcnat", Type: NATChain, Hook: Postrouting, Priority: "srcnat", Rules: []Rule{
			fw4Note(R(OIFName.Is(f.wan), Jump("srcnat_wan")), "Handle wan IPv4/IPv6 srcnat traffic"),
		}},
		{Name: "srcnat_wan", Rules: []Rule{fw4Note(R(NFProto.Is("ipv4"), Masquerade()), "Masquerade IPv4 wan traffic")}},
		raw,
		{Name: "raw_output", Hook: Output, Priority: "raw"},
	}
}

func fw4Mangle(f fw4Router) []Chain {
	output := Chain{Name: "mangle_output", Hook: Output, Priority: "mangle"}
	if f.recent {
		output.Type = RouteChain
	}
	chains := []Chain{
		{Name: "mangle_prerouting", Hook: Prerouting, Priority: "mangle"},
		output,
		{Name: "mangle_forward", Hook: Forward, Priority: "mangle"},
	}
	if f.tested {
		chains = append(chains, Chain{Name: "mangle_postrouting", Hook: Postrouting, Priority: "mangle"}, Chain{Name: "mangle_input", Hook: Input, Priority: "mangle"})
	}
	return chains
}
