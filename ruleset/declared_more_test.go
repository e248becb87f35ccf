package ruleset

import "github.com/go-fastpath/fastpath/flowtable"

func kernelDocsHardware() *Spec {
	f := uncounted("way", "0", "lan0", "wan0")
	f[0].Hardware = flowtable.HardwareOn
	return &Spec{Tables: []Table{{Name: "small", Flowtables: f}}}
}

func kernelSelftest() *Spec {
	return &Spec{Tables: []Table{
		{Name: "watch", Flowtables: uncounted("seen", "0", "left0", "right0"), Chains: []Chain{
			{Name: "through", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
				R(OIFName.Is("right0"), TCPDport.Is(7777), FlowAdd("seen"), Counter()),
				R(TCPFlags.Is("fin", "rst"), CTMark.Set(0, 1<<32-1), Accept()),
				R(CTMark.Is(1), TCPSport.Is(7777), Counter(), Log("seen too late "), Drop()),
				R(established(), Accept()),
				R(NFProto.Is("ipv6"), L4Proto.Is("icmpv6"), Accept()),
				R(NFProto.Is("ipv4"), L4Proto.Is("icmp"), Accept()),
			}},
		}},
		{Family: IP, Name: "bend", Chains: []Chain{
			{Name: "in", Type: NATChain, Hook: Prerouting, Rules: []Rule{
				R(IIFName.Is("left0"), IPDaddr.Is("192.0.2.80"), TCPDport.Is(8080), Counter(), DNAT("198.51.100.80", 7777)),
			}},
			{Name: "out", Type: NATChain, Hook: Postrouting, Rules: []Rule{R(OIFName.Is("right0"), Counter(), Masquerade())}},
		}},
	}}
}

func nftVariables() *Spec {
	s := &Spec{}
	for _, names := range [][2]string{{"first", "self-a"}, {"second", "self-b"}, {"third", "self-c"}, {"fourth", "self-d"}} {
		s.Tables = append(s.Tables, Table{Family: IP, Name: names[0], Flowtables: fast(names[1], "filter", "lo")})
	}
	return s
}

func kubeProxy() *Spec {
	return &Spec{Tables: []Table{{
		Name: "services", Flowtables: uncounted("long-lived", "filter + 5", "pods0"),
		Sets: []Set{{Name: "pod-devices", Type: IfName, Elements: []string{"pods0"}}},
		Chains: []Chain{{Name: "watch", Hook: Forward, Priority: "mangle", Rules: []Rule{
			R(OIFName.NotIn("pod-devices"), Return()),
			R(IIFName.NotIn("pod-devices"), Return()),
			R(CTPackets.AtLeast(21), CTState.Is(Established), FlowAdd("long-lived"), Counter()),
		}}},
	}}}
}

func phragma() *Spec {
	return &Spec{Tables: []Table{{
		Name: "walled", Flowtables: uncounted("swift", "0", "lan0", "wan0"),
		Chains: []Chain{
			{Name: "local", Hook: Input, Rules: []Rule{
				R(CTState.Is(Invalid), Drop()), R(established(), Accept()), R(IIFName.Is("lo"), Accept()),
			}},
			{Name: "through", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
				R(established(), Counter(), FlowAdd("swift"), Accept()).Note("swift"),
				R(CTState.Is(Invalid), Drop()),
				R(established(), Accept()),
				R(IIFName.Is("lan0"), OIFName.Is("wan0"), Counter(), Accept()).Note("no. 3, staff to the world"),
				R(Counter()).Note("all the rest"),
			}},
		},
	}}}
}

func bananaPi() *Spec {
	f := uncounted("ports", "0", "net0", "sw0", "sw1", "sw2", "sw3")
	f[0].Hardware = flowtable.HardwareOn
	return &Spec{Tables: []Table{
		{Name: "board", Flowtables: f, Chains: []Chain{
			{Name: "local", Hook: Input, Policy: VerdictDrop, Rules: []Rule{
				R(IIFName.Is("lo"), Accept()).Note("the board to itself"),
				R(IIFName.Is("br-home"), Accept()).Note("home to the board"),
				R(IIFName.Is("net0"), established(), Accept()).Note("answers to the board"),
				R(IIFName.Is("net0"), Counter(), Drop()).Note("nobody asked"),
			}},
			{Name: "through", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
				R(NFProto.Is("ipv4"), L4Proto.Is(TCP, UDP), FlowAdd("ports")),
				R(IIFName.Is("net0"), OIFName.Is("br-home"), established(), Accept()).Note("answers come back"),
				R(IIFName.Is("br-home"), OIFName.Is("net0"), Accept()).Note("home goes out"),
			}},
		}},
		{Family: IP, Name: "board_nat", Chains: []Chain{
			{Name: "leave", Type: NATChain, Hook: Postrouting, Priority: "100", Rules: []Rule{R(OIFName.Is("net0"), Masquerade())}},
		}},
	}}
}

func zapret() *Spec {
	return &Spec{Tables: []Table{{
		Name: "inspect", Flowtables: uncounted("short", "-1", "br-home", "ppp-net"),
		Sets: []Set{
			{Name: "out4", Type: IfName, Elements: []string{"ppp-net"}},
			{Name: "out6", Type: IfName, Elements: []string{"ppp-net"}},
			{Name: "plain-hosts", Type: IPv4Addr, Interval: true},
		},
		Chains: []Chain{
			{Name: "begin", Hook: Forward, Priority: "filter - 1", Rules: []Rule{
				R(OIFName.In("out6"), Jump("short_way")), R(OIFName.In("out4"), Jump("short_way")),
			}},
			{Name: "short_way", Rules: []Rule{
				R(TCPDport.Is(443), CTOriginalPackets.AtLeast(1), CTOriginalPackets.Below(7), IPDaddr.NotIn("plain-hosts"), Return()).
					Note("the inspector wants the first ones"),
				R(TCPDport.Is(80), IPDaddr.NotIn("plain-hosts"), Return()).Note("the inspector wants these all"),
				R(L4Proto.Is(TCP, UDP), FlowAdd("short")),
				R(L4Proto.Is(TCP, UDP), Counter()).Note("few while the short way works"),
			}},
		},
	}}}
}

func nftQoS() *Spec {
	return &Spec{Tables: []Table{{
		Name: "shaper", Flowtables: uncounted("unshaped", "filter", "lan0", "wan0"),
		Sets: []Set{{Name: "too_much_up", Type: IPv4Addr}, {Name: "too_much_down", Type: IPv4Addr}},
		Chains: []Chain{
			{Name: "up", Hook: Prerouting, Rules: []Rule{R(IPSaddr.In("too_much_up"), Drop())}},
			{Name: "down", Hook: Postrouting, Rules: []Rule{R(IPDaddr.In("too_much_down"), Drop())}},
			{Name: "through", Hook: Forward, Rules: []Rule{R(NFProto.Is("ipv4"), L4Proto.Is(TCP, UDP), FlowAdd("unshaped"))}},
		},
	}}}
}

func nixosN100() *Spec {
	return &Spec{Tables: []Table{{
		Family: IP, Name: "small_box", Flowtables: uncounted("tcp-only", "0", "ens1", "ens2", "ens3", "ens4"),
		Chains: []Chain{{Name: "through", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
			R(L4Proto.Is(TCP), FlowAdd("tcp-only")).Note("TCP goes fast"),
			R(IIFName.Is("br-watch"), IPSaddr.Is("192.168.77.20"), OIFName.Is("ens1"), Accept()).Note("the recorder"),
			R(IIFName.Is("br-watch"), OIFName.Is("ens1"), UDPDport.Is(853), Accept()).Note("names for cameras"),
			R(IIFName.Is("br-home", "things"), OIFName.Is("ens1"), Accept()).Note("out"),
			R(IIFName.Is("ens1"), OIFName.Is("br-watch", "br-home", "things"), established(), Accept()).Note("and back"),
			R(CTStatus.Is("dnat"), Accept()).Note("forwarded ports"),
		}}},
	}}}
}

func unreachable() *Spec {
	return &Spec{Tables: []Table{{
		Name: "lesson", Flowtables: uncounted("never", "0", "left0", "right0"),
		Chains: []Chain{{Name: "through", Hook: Forward, Rules: []Rule{
			R(established(), Accept()), R(NFProto.Is("ipv4"), L4Proto.Is(TCP, UDP), FlowAdd("never")),
		}}},
	}}}
}

func inputChain() *Spec {
	return &Spec{Tables: []Table{{
		Name: "board", Flowtables: uncounted("ports", "filter", "lo", "net0", "br-home", "sw0", "sw1", "sw2", "sw3"),
		Chains: []Chain{{Name: "local", Hook: Input, Policy: VerdictDrop, Rules: []Rule{
			R(NFProto.Is("ipv4"), L4Proto.Is(TCP, UDP), FlowAdd("ports")),
			R(IIFName.Is("net0"), established(), Accept()).Note("answers to the board"),
			R(IIFName.Is("br-home"), Accept()).Note("home to the board"),
		}}},
	}}}
}
