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
		Name: "x", Flowtables: uncounted("f", "0", "eth0", "eth1"),
		Chains: []Chain{{Name: "y", Hook: Forward, Rules: []Rule{
			R(NFProto.Is("ipv4"), L4Proto.Is(TCP), FlowAdd("f")),
			R(Counter()),
		}}},
	}}}
}

func vyosTwo() *Spec {
	return &Spec{Tables: []Table{{
		Name: "vyos_offload",
		Flowtables: []flowtable.Spec{
			{Name: "VYOS_FLOWTABLE_hardware", Priority: "filter - 2", Devices: named("eth0", "eth1"), Hardware: flowtable.HardwareOn},
			{Name: "VYOS_FLOWTABLE_software", Priority: "filter - 1", Devices: named("eth2", "eth3"), Hardware: flowtable.HardwareOn},
		},
		Chains: []Chain{
			{Name: "VYOS_FLOWTABLE_hardware", Hook: Forward, Priority: "filter - 2", Rules: []Rule{
				R(established(), L4Proto.Is(TCP, UDP), FlowAdd("VYOS_FLOWTABLE_hardware")),
			}},
			{Name: "VYOS_OFFLOAD_software", Hook: Forward, Priority: "filter - 1", Rules: []Rule{
				R(established(), L4Proto.Is(TCP, UDP), FlowAdd("VYOS_FLOWTABLE_software")),
			}},
		},
	}}}
}

func vyosFT01() *Spec {
	const name = "VYOS_FLOWTABLE_FT01"
	return &Spec{Tables: []Table{
		{Family: IP, Name: "vyos_filter", Flowtables: fast(name, "0", "eth0", "eth1"), Chains: []Chain{
			{Name: "VYOS_FORWARD_filter", Hook: Forward, Rules: []Rule{
				R(established(), Counter(), FlowAdd(name)).Note("ipv4-FWD-filter-10"),
				R(established(), Counter(), Accept()).Note("ipv4-FWD-filter-20"),
				R(IPDaddr.Is("192.0.2.100"), TCPDport.Is(1122), IIFName.Is("eth0"), Counter(), Accept()).Note("ipv4-FWD-filter-110"),
				R(Counter(), Drop()).Note("FWD-filter default-action drop"),
			}},
		}},
		{Family: IP6, Name: "vyos_filter", Flowtables: fast(name, "0", "eth0", "eth1")},
	}}
}

func calico() *Spec {
	return &Spec{Tables: []Table{{
		Family: IP, Name: "calico",
		Flowtables: fast("calico", "filter", "cali1234", "cali5678", "vxlan.calico"),
		Sets:       []Set{{Name: "cali40no-flow-offload", Type: IPv4Addr, Elements: []string{"10.65.0.3"}}},
		Chains: []Chain{
			{Name: "filter-FORWARD", Hook: Forward, Rules: []Rule{R(Jump("cali-FORWARD"))}},
			{Name: "cali-FORWARD", Rules: []Rule{
				R(established(), IPSaddr.NotIn("cali40no-flow-offload"), IPDaddr.NotIn("cali40no-flow-offload"), Counter(), FlowAdd("calico")).
					Note("Offload established Calico flows."),
				R(MetaMark.Set(0, 0x10000)),
			}},
		},
	}}}
}

func firewalld() *Spec {
	return &Spec{Tables: []Table{{
		Name: "firewalld", Flowtables: uncounted("fastpath", "filter + 10", "eth0", "eth1"),
		Chains: []Chain{{Name: "filter_FORWARD", Hook: Forward, Priority: "filter + 10", Rules: []Rule{
			R(established(), L4Proto.Is(TCP, UDP), FlowAdd("fastpath")),
			R(established(), Accept()),
		}}},
	}}}
}

func openWrt() *Spec {
	return &Spec{Tables: []Table{{
		Name: "fw4", Flowtables: fast("ft", "0", "eth0", "eth1"),
		Chains: []Chain{{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
			R(L4Proto.Is(TCP, UDP), CTOriginalPackets.AtLeast(30), FlowAdd("ft")),
			R(CTState.Is(Established), Accept()).Note("!fw4: Handle forwarded flows"),
			R(CTState.Is(Related), Accept()).Note("!fw4: Handle forwarded flows"),
		}}},
	}}}
}

func pppWildcard() *Spec {
	return &Spec{Tables: []Table{{
		Name:       "filter",
		Flowtables: []flowtable.Spec{{Name: "fastnat", Devices: append(named("eth0"), flowtable.Selector{Prefix: "ppp"}), NoCounter: true}},
		Chains: []Chain{{Name: "forward", Hook: Forward, Rules: []Rule{
			R(NFProto.Is("ipv4"), L4Proto.Is(TCP, UDP), FlowAdd("fastnat")),
		}}},
	}}}
}

func nixos() *Spec {
	inner := []string{"guest", "wifi", "wired", "camera", "mgnt", "wan", "wg0"}
	outer := []string{"ppp0", "wan", "mobile"}
	return &Spec{Tables: []Table{
		{Family: IP, Name: "filter", Flowtables: uncounted("fastnat", "", "wifi", "wired", "camera", "mgnt", "wan"), Chains: []Chain{
			{Name: "output", Hook: Output, Priority: "100"},
			{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
				R(L4Proto.Is(TCP, UDP), FlowAdd("fastnat")),
				R(IIFName.Is(inner...), OIFName.Is(outer...), Counter(), Accept()),
				R(IIFName.Is(outer...), OIFName.Is(inner...), established(), Counter(), Accept()),
				R(IIFName.Is(inner[1:]...), OIFName.Is(inner[1:]...), Counter(), Accept()),
				R(IPSaddr.Is("172.26.0.0/16"), Accept()),
				R(IPSaddr.Is("172.23.0.0/16"), Accept()),
			}},
		}},
		{Family: IP, Name: "nat", Chains: []Chain{
			{Name: "postrouting", Type: NATChain, Hook: Postrouting, Rules: []Rule{
				R(OIFName.Is("ppp0"), Masquerade()),
				R(OIFName.Is("wan"), Masquerade()),
				R(OIFName.Is("mobile"), Masquerade()),
			}},
		}},
	}}
}

func antrea() *Spec {
	const local = "10.244.2.0/24"
	peers := Set{Name: "peer-pod-cidr", Type: IPv4Addr, Interval: true, Elements: []string{"10.244.0.0/24", "10.244.1.0/24"}}
	peers6 := Set{Name: "peer-pod-cidr", Type: IPv6Addr, Interval: true, Elements: []string{"fd00:10:244::/64", "fd00:10:244:1::/64"}}
	return &Spec{Tables: []Table{
		{Family: IP, Name: "antrea", Sets: []Set{peers}, Flowtables: uncounted("fastpath", "filter", "antrea-gw0", "eth0"), Chains: []Chain{
			{Name: "forward", Hook: Forward, Rules: []Rule{
				R(IIFName.Is("antrea-gw0"), IPSaddr.Is(local), OIFName.Is("eth0"), IPDaddr.In("peer-pod-cidr"), FlowAdd("fastpath"), Counter()).
					Note("Accelerate IPv4 connections: local Pod CIDR to remote Pod CIDRs"),
				R(IIFName.Is("eth0"), IPSaddr.In("peer-pod-cidr"), OIFName.Is("antrea-gw0"), IPDaddr.Is(local), FlowAdd("fastpath"), Counter()).
					Note("Accelerate IPv4 connections: remote Pod CIDRs to local Pod CIDR"),
			}},
		}},
		{Family: IP6, Name: "antrea", Sets: []Set{peers6}},
	}}
}

func openNDS() *Spec {
	return &Spec{Tables: []Table{
		{Name: "nds_mangle", Flowtables: uncounted("ndsftINC", "-100", "eth0.2"), Chains: []Chain{
			{Name: "ndsPOST", Hook: Forward, Priority: "-100", Rules: []Rule{R(Jump("ndsINC"))}},
			{Name: "ndsINC", Rules: []Rule{R(OIFName.Is("br-lan"), Counter(), Jump("nds_ft_INC"))}},
			{Name: "nds_ft_INC", Rules: []Rule{R(L4Proto.Is(TCP, UDP), FlowAdd("ndsftINC"), Counter()), R(Counter(), Return())}},
		}},
		{Name: "nds_filter", Flowtables: uncounted("ndsftOUT", "-100", "br-lan"), Chains: []Chain{
			{Name: "ndsFWD", Hook: Forward, Priority: "-100", Rules: []Rule{R(IIFName.Is("br-lan"), Jump("nds_ft_OUT"))}},
			{Name: "nds_ft_OUT", Rules: []Rule{R(L4Proto.Is(TCP, UDP), FlowAdd("ndsftOUT"), Counter()), R(Counter(), Return())}},
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
