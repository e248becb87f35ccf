package ruleset

import "github.com/go-fastpath/fastpath/flowtable"

func named(names ...string) []flowtable.Selector {
	var s []flowtable.Selector
	for _, n := range names {
		s = append(s, flowtable.Selector{Name: n})
	}
	return s
}

func fast(name string, priority flowtable.Priority, devices ...string) []flowtable.Spec {
	return []flowtable.Spec{{Name: name, Priority: priority, Devices: named(devices...)}}
}

// uncounted is fast without `counter`.
func uncounted(name string, priority flowtable.Priority, devices ...string) []flowtable.Spec {
	f := fast(name, priority, devices...)
	f[0].NoCounter = true
	return f
}

// established is the match that most begin with.
func established() Statement { return CTState.Is(Established, Related) }

func kernelDocs() *Spec {
	return &Spec{Tables: []Table{{
		Name: "small", Flowtables: uncounted("way", "0", "lan0", "wan0"),
		Chains: []Chain{{Name: "every", Hook: Forward, Rules: []Rule{
			R(NFProto.Is("ipv4"), L4Proto.Is(TCP), FlowAdd("way")),
			R(Counter()),
		}}},
	}}}
}

func vyosTwo() *Spec {
	return &Spec{Tables: []Table{{
		Name: "two_ways",
		Flowtables: []flowtable.Spec{
			{Name: "by_switch", Priority: "filter - 2", Devices: named("lan0", "lan1"), Hardware: flowtable.HardwareOn},
			{Name: "by_cpu", Priority: "filter - 1", Devices: named("lan2", "lan3"), Hardware: flowtable.HardwareOn},
		},
		Chains: []Chain{
			{Name: "by_switch", Hook: Forward, Priority: "filter - 2", Rules: []Rule{R(established(), L4Proto.Is(TCP, UDP), FlowAdd("by_switch"))}},
			{Name: "slower", Hook: Forward, Priority: "filter - 1", Rules: []Rule{R(established(), L4Proto.Is(TCP, UDP), FlowAdd("by_cpu"))}},
		},
	}}}
}

func vyosFT01() *Spec {
	return &Spec{Tables: []Table{
		{Family: IP, Name: "numbered", Flowtables: fast("shortcut", "0", "lan0", "wan0"), Chains: []Chain{
			{Name: "through", Hook: Forward, Rules: []Rule{
				R(established(), Counter(), FlowAdd("shortcut")).Note("rule 5"),
				R(established(), Counter(), Accept()).Note("rule 6"),
				R(IIFName.Is("wan0"), IPDaddr.Is("198.51.100.40"), TCPDport.Is(2202), Counter(), Accept()).Note("rule 40"),
				R(Counter(), Drop()).Note("no rule"),
			}},
		}},
		{Family: IP6, Name: "numbered", Flowtables: fast("shortcut", "0", "lan0", "wan0")},
	}}
}

func calico() *Spec {
	return &Spec{Tables: []Table{{
		Family: IP, Name: "pods",
		Flowtables: fast("pods-fast", "filter", "pod0a", "pod0b", "overlay.pods"),
		Sets:       []Set{{Name: "slow-pods", Type: IPv4Addr, Elements: []string{"10.20.0.9"}}},
		Chains: []Chain{
			{Name: "base-forward", Hook: Forward, Rules: []Rule{R(Jump("work"))}},
			{Name: "work", Rules: []Rule{
				R(established(), IPDaddr.NotIn("slow-pods"), IPSaddr.NotIn("slow-pods"), Counter(), FlowAdd("pods-fast")).Note("pods by the short way"),
				R(MetaMark.Set(0, 0x40000)),
			}},
		},
	}}}
}

func firewalld() *Spec {
	return &Spec{Tables: []Table{{
		Name: "zones", Flowtables: uncounted("quick", "filter + 10", "lan0", "wan0"),
		Chains: []Chain{{Name: "through", Hook: Forward, Priority: "filter + 10", Rules: []Rule{
			R(established(), L4Proto.Is(TCP, UDP), FlowAdd("quick")),
			R(established(), Accept()),
		}}},
	}}}
}

func openWrt() *Spec {
	return &Spec{Tables: []Table{{
		Name: "guard", Flowtables: fast("carry", "0", "port1", "port2"),
		Chains: []Chain{{Name: "passing", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
			R(L4Proto.Is(TCP, UDP), CTOriginalPackets.AtLeast(30), FlowAdd("carry")),
			zoneNote(R(CTState.Is(Established), Accept()), "packets passing that are under way"),
			zoneNote(R(CTState.Is(Related), Accept()), "packets passing that are under way"),
		}}},
	}}}
}

func pppWildcard() *Spec {
	return &Spec{Tables: []Table{{
		Name:       "dialin",
		Flowtables: []flowtable.Spec{{Name: "callers", Devices: append(named("lan0"), flowtable.Selector{Prefix: "ppp"}), NoCounter: true}},
		Chains: []Chain{{Name: "through", Hook: Forward, Rules: []Rule{
			R(NFProto.Is("ipv4"), L4Proto.Is(TCP, UDP), FlowAdd("callers")),
		}}},
	}}}
}

func nixos() *Spec {
	inner := []string{"visitors", "office", "printers", "phones", "lab", "dsl", "tun0"}
	outer := []string{"lte", "dsl", "ppp-dsl"}
	return &Spec{Tables: []Table{
		{Family: IP, Name: "flat", Flowtables: uncounted("halls", "", "office", "printers", "phones", "lab", "dsl"), Chains: []Chain{
			{Name: "own", Hook: Output, Priority: "100"},
			{Name: "through", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
				R(L4Proto.Is(TCP, UDP), FlowAdd("halls")),
				R(IIFName.Is(inner...), OIFName.Is(outer...), Counter(), Accept()),
				R(IIFName.Is(outer...), OIFName.Is(inner...), established(), Counter(), Accept()),
				R(IIFName.Is(inner[1:]...), OIFName.Is(inner[1:]...), Counter(), Accept()),
				R(IPSaddr.Is("10.66.0.0/16"), Accept()),
				R(IPSaddr.Is("10.67.0.0/16"), Accept()),
			}},
		}},
		{Family: IP, Name: "flat_nat", Chains: []Chain{
			{Name: "leave", Type: NATChain, Hook: Postrouting, Rules: []Rule{
				R(OIFName.Is("lte"), Masquerade()),
				R(OIFName.Is("dsl"), Masquerade()),
				R(OIFName.Is("ppp-dsl"), Masquerade()),
			}},
		}},
	}}
}

func antrea() *Spec {
	const local = "10.42.0.0/24"
	far := Set{Name: "far-pods", Type: IPv4Addr, Interval: true, Elements: []string{"10.40.0.0/24", "10.41.0.0/24"}}
	far6 := Set{Name: "far-pods", Type: IPv6Addr, Interval: true, Elements: []string{"2001:db8:40::/64", "2001:db8:41::/64"}}
	return &Spec{Tables: []Table{
		{Family: IP, Name: "nodes", Sets: []Set{far}, Flowtables: uncounted("express", "filter", "node-gw", "ens1"), Chains: []Chain{
			{Name: "between", Hook: Forward, Rules: []Rule{
				R(IIFName.Is("ens1"), IPSaddr.In("far-pods"), OIFName.Is("node-gw"), IPDaddr.Is(local), FlowAdd("express"), Counter()).Note("theirs to ours"),
				R(IIFName.Is("node-gw"), IPSaddr.Is(local), OIFName.Is("ens1"), IPDaddr.In("far-pods"), FlowAdd("express"), Counter()).Note("ours to theirs"),
			}},
		}},
		{Family: IP6, Name: "nodes", Sets: []Set{far6}},
	}}
}

func openNDS() *Spec {
	return &Spec{Tables: []Table{
		{Name: "portal_down", Flowtables: uncounted("guests-in", "-100", "net0.9"), Chains: []Chain{
			{Name: "begin", Hook: Forward, Priority: "-100", Rules: []Rule{R(Jump("sort"))}},
			{Name: "sort", Rules: []Rule{R(OIFName.Is("br-guests"), Counter(), Jump("down"))}},
			{Name: "down", Rules: []Rule{R(L4Proto.Is(TCP, UDP), FlowAdd("guests-in"), Counter()), R(Counter(), Return())}},
		}},
		{Name: "portal_up", Flowtables: uncounted("guests-out", "-100", "br-guests"), Chains: []Chain{
			{Name: "begin", Hook: Forward, Priority: "-100", Rules: []Rule{R(IIFName.Is("br-guests"), Jump("up"))}},
			{Name: "up", Rules: []Rule{R(L4Proto.Is(TCP, UDP), FlowAdd("guests-out"), Counter()), R(Counter(), Return())}},
		}},
	}}
}

func router() *Spec {
	return &Spec{Owner: "router", Tables: []Table{{
		Name: "edge",
		Flowtables: []flowtable.Spec{
			{Name: "fast", Devices: []flowtable.Selector{{Name: "lan0"}, {Name: "wan0"}, {Prefix: "ppp"}}, Priority: "filter - 10"},
		},
		Sets: []Set{
			{Name: "slow", Type: IPv4Addr, Interval: true, Elements: []string{"198.51.100.7", "192.0.2.0/24", "203.0.113.1-203.0.113.9"}},
			{Name: "slow6", Type: IPv6Addr, Interval: true, Elements: []string{"2001:db8::/32"}},
			{Name: "uplinks", Type: IfName, Interval: true, Elements: []string{"wan0", "ppp*"}},
		},
		Chains: []Chain{
			{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
				R(CTState.Is(Invalid), Drop()),
				R(MetaMark.Has(0x10, 0xff), Goto("classic")).Note("slow path for the DPI's flows"),
				R(IPDaddr.In("slow"), Jump("classic")),
				R(IP6Daddr.In("slow6"), Jump("classic")),
				R(established(), L4Proto.Is(TCP, UDP), FlowAdd("fast"), CTMark.Set(0x100000, 0x100000)),
				R(established(), Accept()),
				R(CTState.Is(New), OIFName.In("uplinks"), Accept()),
				R(CTStatus.Is("dnat"), Accept()),
				R(Limit(10, "second"), Statement{Log: &Logging{Prefix: "dropped: ", Level: "info"}}, Counter()),
			}},
			{Name: "classic", Rules: []Rule{R(DSCP.Is(46), MetaMark.Set(0x20, 0xff)), R(established(), Counter(), Accept())}},
			{Name: "prerouting", Type: NATChain, Hook: Prerouting, Priority: "dstnat", Rules: []Rule{
				R(IIFName.In("uplinks"), NFProto.Is("ipv4"), TCPDport.Is(8443), DNAT("192.168.1.20", 443)),
				R(IIFName.In("uplinks"), NFProto.Is("ipv6"), L4Proto.Is(TCP, UDP), THDport.Between(5000, 5010), DNAT("2001:db8:1::2", 0)),
			}},
			{Name: "postrouting", Type: NATChain, Hook: Postrouting, Priority: "srcnat", Rules: []Rule{
				R(OIFName.In("uplinks"), IPSaddr.Is("192.168.0.0/16"), Statement{Masquerade: &Masquerading{FullyRandom: true}}),
			}},
		},
	}}}
}
