package offload_test

import (
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// An oracleSpec is a declaration that nft must list as we send it.
type oracleSpec struct {
	name     string
	spec     ruleset.Spec
	hardware bool     // needs drivers that take hardware offload
	listed   []string // what must be in the listing
}

func oracleSpecs() []oracleSpec {
	fast := flowtable.Spec{Name: "fast", Devices: names("lan0", "wan0")}
	hardware := fast
	hardware.Hardware = flowtable.HardwareOn
	quiet := fast
	quiet.NoCounter, quiet.Priority = true, "-300"
	return []oracleSpec{
		{name: "inet", spec: accelerate(ruleset.Inet, fast), listed: []string{"table inet accel {", "devices = { lan0, wan0 }", "\t\tcounter\n"}},
		{name: "ip", spec: accelerate(ruleset.IP, fast), listed: []string{"table ip accel {"}},
		{name: "ip6", spec: accelerate(ruleset.IP6, quiet), listed: []string{"table ip6 accel {", "priority -300"}},
		{name: "hardware", spec: accelerate(ruleset.Inet, hardware), hardware: true, listed: []string{"flags offload"}},
		{name: "no devices", spec: accelerate(ruleset.Inet, flowtable.Spec{Name: "fast"}), listed: []string{"flowtable fast {"}},
		{name: "missing device", spec: accelerate(ruleset.Inet, flowtable.Spec{Name: "fast", Devices: names("lan0", "later0")})},
		{name: "several tables", spec: severalTables()},
		{name: "home router", spec: homeRouter(), listed: []string{"masquerade", "dnat ip to 192.168.1.20:443", "flow add @fast", `comment "managed by fastpath"`}},
		{name: "statements", spec: statements(), listed: []string{"ct mark set ct mark"}},
	}
}

// prefixed is a flowtable with a name prefix.
func prefixed() flowtable.Spec {
	return flowtable.Spec{Name: "fast", Devices: []flowtable.Selector{{Prefix: "lan"}, {Name: "wan0"}}}
}

// severalTables has two flowtables in one table, and one of them again in another.
func severalTables() ruleset.Spec {
	spec := accelerate(ruleset.IP, flowtable.Spec{Name: "fast", Devices: names("lan0", "wan0"), Priority: "10"})
	spec.Tables[0].Flowtables = append(spec.Tables[0].Flowtables, flowtable.Spec{Name: "spare", Devices: names("lan1"), Priority: "filter - 10"})
	spec.Tables = append(spec.Tables, accelerate(ruleset.IP6, flowtable.Spec{Name: "fast", Devices: names("lan0", "wan0", "lan1")}).Tables...)
	return spec
}

// homeRouter is a whole router: sets, jumps, exclusions, port forward and masquerade around a flowtable.
func homeRouter() ruleset.Spec {
	return ruleset.Spec{Tables: []ruleset.Table{{
		Name:       "home",
		Flowtables: []flowtable.Spec{{Name: "fast", Devices: names("lan0", "lan1", "wan0")}},
		Sets: []ruleset.Set{
			{Name: "slow4", Type: ruleset.IPv4Addr, Interval: true, Elements: []string{"192.168.1.128/25", "10.0.0.1-10.0.0.9", "198.51.100.7"}},
			{Name: "slow6", Type: ruleset.IPv6Addr, Elements: []string{"2001:db8::7", "2001:db8::9"}},
			{Name: "voice", Type: ruleset.InetService, Interval: true, Elements: []string{"5060", "10000-20000"}},
			{Name: "inside", Type: ruleset.IfName, Elements: []string{"lan0", "lan1"}},
		},
		Chains: []ruleset.Chain{
			{Name: "accelerate", Rules: []ruleset.Rule{
				ruleset.R(ruleset.IPSaddr.In("slow4"), ruleset.Return()),
				ruleset.R(ruleset.IP6Saddr.In("slow6"), ruleset.Return()),
				ruleset.R(ruleset.UDPDport.In("voice"), ruleset.Return()).Note("voice stays on the classic path"),
				ruleset.R(ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.CTOriginalPackets.AtLeast(20),
					ruleset.FlowAdd("fast"), ruleset.CTMark.Set(0x100, 0x100)),
			}},
			{Name: "pass", Hook: ruleset.Forward, Policy: ruleset.VerdictDrop, Rules: []ruleset.Rule{
				ruleset.R(ruleset.CTState.Is(ruleset.Invalid), ruleset.Counter(), ruleset.Drop()),
				ruleset.R(ruleset.CTState.Is(ruleset.Established, ruleset.Related), ruleset.Jump("accelerate")),
				ruleset.R(ruleset.CTState.Is(ruleset.Established, ruleset.Related), ruleset.Accept()),
				ruleset.R(ruleset.IIFName.In("inside"), ruleset.OIFName.Is("wan0"), ruleset.Accept()),
				ruleset.R(ruleset.CTStatus.Is("dnat"), ruleset.Accept()),
			}},
			{Name: "destination", Type: ruleset.NATChain, Hook: ruleset.Prerouting, Priority: "dstnat", Rules: []ruleset.Rule{
				ruleset.R(ruleset.IIFName.Is("wan0"), ruleset.TCPDport.Is(8443), ruleset.DNAT("192.168.1.20", 443)),
			}},
			{Name: "source", Type: ruleset.NATChain, Hook: ruleset.Postrouting, Priority: "srcnat", Rules: []ruleset.Rule{
				ruleset.R(ruleset.OIFName.Is("wan0"), ruleset.IPSaddr.Is("192.168.0.0/16"), ruleset.Masquerade()),
				ruleset.R(ruleset.OIFName.Is("wan0"), ruleset.IP6Saddr.Is("fd00::/8"), ruleset.SNAT("2001:db8:2::1", 0)),
			}},
		},
	}}}
}

// statements has each kind of test and action once, in the chains that lead to a flow add.
func statements() ruleset.Spec {
	spec := accelerate(ruleset.Inet, flowtable.Spec{Name: "fast", Devices: names("lan0", "wan0")})
	chain := &spec.Tables[0].Chains[0]
	chain.Priority = "filter + 10"
	group := uint16(3)
	chain.Rules = append(chain.Rules,
		ruleset.R(ruleset.NFProto.Is("ipv6"), ruleset.Return()),
		ruleset.R(ruleset.L4Proto.Not(ruleset.TCP, ruleset.UDP), ruleset.Accept()),
		ruleset.R(ruleset.IIFName.Is("lan*"), ruleset.OIFName.Not("wan0"), ruleset.Counter()),
		ruleset.R(ruleset.IPDaddr.Not("10.0.0.0/8", "172.16.0.1"), ruleset.Counter(), ruleset.Return()),
		ruleset.R(ruleset.IP6Daddr.Is("2001:db8::1-2001:db8::ff"), ruleset.Drop()),
		ruleset.R(ruleset.TCPSport.Between(1024, 65535), ruleset.TCPDport.Is(80, 443), ruleset.Goto("sub")),
		ruleset.R(ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.THDport.Not(53), ruleset.Jump("sub")),
		ruleset.R(ruleset.CTState.Not(ruleset.New), ruleset.CTDirection.Is(ruleset.Reply), ruleset.Counter()),
		ruleset.R(ruleset.CTStatus.Is("assured"), ruleset.CTMark.HasNot(0x10, 0xff), ruleset.CTMark.Set(1, 1)),
		ruleset.R(ruleset.MetaMark.Is(0x10, 0x20), ruleset.MetaMark.Set(7, 0xffffffff)),
		ruleset.R(ruleset.CTBytes.Below(1<<20), ruleset.CTReplyPackets.AtLeast(3), ruleset.Counter()),
		ruleset.R(ruleset.DSCP.Is(46), ruleset.Return()).Note("expedited"),
		ruleset.R(ruleset.DSCP6.Not(8), ruleset.Counter()),
		ruleset.R(ruleset.Limit(10, "second"), ruleset.Log("seen: ")),
		ruleset.R(ruleset.Statement{Limit: &ruleset.Limiting{Rate: 5, Per: "minute", Burst: 9, Over: true}}, ruleset.Statement{Log: &ruleset.Logging{Group: &group}}),
	)
	spec.Tables[0].Chains = append(spec.Tables[0].Chains, ruleset.Chain{Name: "sub", Rules: []ruleset.Rule{
		ruleset.R(ruleset.CTState.Is(ruleset.Established), ruleset.FlowAdd("fast"), ruleset.CTMark.Set(0x200, 0xf00)),
	}})
	return spec
}
