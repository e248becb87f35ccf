package ruleset

import "github.com/go-fastpath/fastpath/flowtable"

func kernelDocsHardware() *Spec {
	f := uncounted("f", "0", "eth0", "eth1")
	f[0].Hardware = flowtable.HardwareOn
	return &Spec{Tables: []Table{{Name: "x", Flowtables: f}}}
}

func kernelSelftest() *Spec {
	return &Spec{Tables: []Table{
		{Name: "filter", Flowtables: uncounted("f1", "0", "veth0", "veth1"), Chains: []Chain{
			{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
				R(OIFName.Is("veth1"), TCPDport.Is(12345), FlowAdd("f1"), Counter()),
				R(TCPFlags.Is("fin", "rst"), CTMark.Set(0, 1<<32-1), Accept()),
				R(TCPSport.Is(12345), CTMark.Is(1), Counter(), Log("mark failure "), Drop()),
				R(established(), Accept()),
				R(NFProto.Is("ipv4"), L4Proto.Is("icmp"), Accept()),
				R(NFProto.Is("ipv6"), L4Proto.Is("icmpv6"), Accept()),
			}},
		}},
		{Family: IP, Name: "nat", Chains: []Chain{
			{Name: "prerouting", Type: NATChain, Hook: Prerouting, Rules: []Rule{
				R(IIFName.Is("veth0"), IPDaddr.Is("10.6.6.6"), TCPDport.Is(1666), Counter(), DNAT("10.0.2.99", 12345)),
			}},
			{Name: "postrouting", Type: NATChain, Hook: Postrouting, Rules: []Rule{R(OIFName.Is("veth1"), Counter(), Masquerade())}},
		}},
	}}
}

func nftVariables() *Spec {
	s := &Spec{}
	for _, n := range []string{"1", "2", "3", "4"} {
		s.Tables = append(s.Tables, Table{Family: IP, Name: "filter" + n, Flowtables: fast("Main_ft"+n, "filter", "lo")})
	}
	return s
}

func kubeProxy() *Spec {
	return &Spec{Tables: []Table{{
		Name: "test-table", Flowtables: uncounted("test-flowtable", "filter + 5", "dummy0"),
		Sets: []Set{{Name: "test-set", Type: IfName, Elements: []string{"dummy0"}}},
		Chains: []Chain{{Name: "test-chain", Hook: Forward, Priority: "mangle", Rules: []Rule{
			R(IIFName.NotIn("test-set"), Return()),
			R(OIFName.NotIn("test-set"), Return()),
			R(CTState.Is(Established), CTPackets.AtLeast(21), FlowAdd("test-flowtable"), Counter()),
		}}},
	}}}
}

func phragma() *Spec {
	return &Spec{Tables: []Table{{
		Name: "openngfw", Flowtables: uncounted("fastpath", "0", "eth0", "eth1"),
		Chains: []Chain{
			{Name: "input", Hook: Input, Rules: []Rule{
				R(IIFName.Is("lo"), Accept()), R(established(), Accept()), R(CTState.Is(Invalid), Drop()),
			}},
			{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
				R(established(), Counter(), FlowAdd("fastpath"), Accept()).Note("flow-offload"),
				R(established(), Accept()),
				R(CTState.Is(Invalid), Drop()),
				R(IIFName.Is("eth1"), OIFName.Is("eth0"), Counter(), Accept()).Note("rule:lan-to-wan id=rule-lan-to-wan-a7feb9a32169"),
				R(Counter()).Note("default-drop"),
			}},
		},
	}}}
}

func bananaPi() *Spec {
	f := uncounted("f", "0", "wan", "lan0", "lan1", "lan2", "lan3")
	f[0].Hardware = flowtable.HardwareOn
	return &Spec{Tables: []Table{
		{Name: "filter", Flowtables: f, Chains: []Chain{
			{Name: "input", Hook: Input, Policy: VerdictDrop, Rules: []Rule{
				R(IIFName.Is("br-lan"), Accept()).Note("Allow local network to access the router"),
				R(IIFName.Is("wan"), established(), Accept()).Note("Allow established traffic"),
				R(IIFName.Is("wan"), Counter(), Drop()).Note("Drop all other unsolicited traffic from wan"),
				R(IIFName.Is("lo"), Accept()).Note("Accept everything from loopback interface"),
			}},
			{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
				R(NFProto.Is("ipv4"), L4Proto.Is(TCP, UDP), FlowAdd("f")),
				R(IIFName.Is("br-lan"), OIFName.Is("wan"), Accept()).Note("Allow trusted LAN to WAN"),
				R(IIFName.Is("wan"), OIFName.Is("br-lan"), established(), Accept()).Note("Allow established back to LANs"),
			}},
		}},
		{Family: IP, Name: "nat", Chains: []Chain{
			{Name: "postrouting", Type: NATChain, Hook: Postrouting, Priority: "100", Rules: []Rule{R(OIFName.Is("wan"), Masquerade())}},
		}},
	}}
}

func zapret() *Spec {
	const note = "direct flow offloading exemption"
	return &Spec{Tables: []Table{{
		Name: "zapret", Flowtables: uncounted("ft", "-1", "br-lan", "pppoe-wan"),
		Sets: []Set{
			{Name: "wanif", Type: IfName, Elements: []string{"pppoe-wan"}},
			{Name: "wanif6", Type: IfName, Elements: []string{"pppoe-wan"}},
			{Name: "nozapret", Type: IPv4Addr, Interval: true},
		},
		Chains: []Chain{
			{Name: "forward", Hook: Forward, Priority: "filter - 1", Rules: []Rule{
				R(OIFName.In("wanif"), Jump("flow_offload")), R(OIFName.In("wanif6"), Jump("flow_offload")),
			}},
			{Name: "flow_offload", Rules: []Rule{
				R(TCPDport.Is(80), IPDaddr.NotIn("nozapret"), Return()).Note(note),
				R(TCPDport.Is(443), CTOriginalPackets.AtLeast(1), CTOriginalPackets.Below(7), IPDaddr.NotIn("nozapret"), Return()).Note(note),
				R(L4Proto.Is(TCP, UDP), FlowAdd("ft")),
				R(L4Proto.Is(TCP, UDP), Counter()).Note("if offload works here must not be too much traffic"),
			}},
		},
	}}}
}

func nftQoS() *Spec {
	return &Spec{Tables: []Table{{
		Name: "nft-qos-static", Flowtables: uncounted("fastnat", "filter", "eth0", "eth1"),
		Sets: []Set{{Name: "limit_ul", Type: IPv4Addr}, {Name: "limit_dl", Type: IPv4Addr}},
		Chains: []Chain{
			{Name: "upload", Hook: Prerouting, Rules: []Rule{R(IPSaddr.In("limit_ul"), Drop())}},
			{Name: "download", Hook: Postrouting, Rules: []Rule{R(IPDaddr.In("limit_dl"), Drop())}},
			{Name: "forward", Hook: Forward, Rules: []Rule{R(NFProto.Is("ipv4"), L4Proto.Is(TCP, UDP), FlowAdd("fastnat"))}},
		},
	}}}
}

func nixosN100() *Spec {
	return &Spec{Tables: []Table{{
		Family: IP, Name: "filter", Flowtables: uncounted("f", "0", "enp1s0", "enp2s0", "enp3s0", "enp4s0"),
		Chains: []Chain{{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
			R(L4Proto.Is(TCP), FlowAdd("f")).Note("Offload tcp/udp established traffic"),
			R(CTStatus.Is("dnat"), Accept()).Note("Allow NAT through interfaces"),
			R(IIFName.Is("br-cams"), OIFName.Is("enp1s0"), UDPDport.Is(123), Accept()).Note("Allow NTP extenal access"),
			R(IIFName.Is("br-cams"), IPSaddr.Is("10.1.1.10"), OIFName.Is("enp1s0"), Accept()).Note("Allow NTP extenal access"),
			R(IIFName.Is("br-lan", "iot-10"), OIFName.Is("enp1s0"), Accept()).Note("Allow trusted LAN to enp1s0"),
			R(IIFName.Is("enp1s0"), OIFName.Is("br-lan", "iot-10", "br-cams"), established(), Accept()).Note("Allow established back to LANs"),
		}}},
	}}}
}

func unreachable() *Spec {
	return &Spec{Tables: []Table{{
		Name: "filter", Flowtables: uncounted("f", "0", "vethA-r", "vethB-r"),
		Chains: []Chain{{Name: "forward", Hook: Forward, Rules: []Rule{
			R(established(), Accept()), R(NFProto.Is("ipv4"), L4Proto.Is(TCP, UDP), FlowAdd("f")),
		}}},
	}}}
}

func inputChain() *Spec {
	return &Spec{Tables: []Table{{
		Name: "filter", Flowtables: uncounted("f", "filter", "br-lan", "lan0", "lan1", "lan2", "lan3", "lo", "wan"),
		Chains: []Chain{{Name: "input", Hook: Input, Policy: VerdictDrop, Rules: []Rule{
			R(NFProto.Is("ipv4"), L4Proto.Is(TCP, UDP), FlowAdd("f")),
			R(IIFName.Is("br-lan"), Accept()).Note("Allow local network to access the router"),
			R(IIFName.Is("wan"), established(), Accept()).Note("Allow established traffic"),
		}}},
	}}}
}
