//go:build linux

package main

import (
	"github.com/go-fastpath/fastpath/flowtable"
	. "github.com/go-fastpath/fastpath/ruleset"
)

// owner marks the demo's table in the kernel.
const owner = "demo"

// declare is the declaration that the demo applies: a table with two flowtables, the rules that fill them, and NAT. With
// hardware, drivers are asked to carry the second flowtable's connections.
func declare(hardware bool) *Spec {
	fast := flowtable.Spec{Name: "fast", Devices: []flowtable.Selector{{Name: "lan0"}, {Name: "wan0"}}}
	wired := flowtable.Spec{Name: "wired", Devices: []flowtable.Selector{{Name: "lan1"}, {Name: "wan1"}}}
	if hardware {
		wired.Hardware = flowtable.HardwareOn
	}
	forward := Chain{Name: "forward", Hook: Forward, Rules: []Rule{
		R(Counter()).Note("all that takes the classic path"),
		R(IIFName.Is("lan0", "wan0"), L4Proto.Is(TCP, UDP), CTOriginalPackets.AtLeast(6), FlowAdd("fast")),
		R(IIFName.Is("lan1", "wan1"), L4Proto.Is(TCP, UDP), CTOriginalPackets.AtLeast(6), FlowAdd("wired")),
	}}
	portForward := Chain{Name: "dstnat", Type: NATChain, Hook: Prerouting, Priority: "dstnat", Rules: []Rule{
		R(IIFName.Is("wan0"), TCPDport.Is(8080), DNAT("192.168.1.2", 7007)),
	}}
	masquerade := Chain{Name: "srcnat", Type: NATChain, Hook: Postrouting, Priority: "srcnat", Rules: []Rule{
		R(OIFName.Is("wan0"), NFProto.Is("ipv4"), Masquerade()),
	}}
	return &Spec{Owner: owner, Tables: []Table{{
		Name:       "demo",
		Flowtables: []flowtable.Spec{fast, wired},
		Chains:     []Chain{forward, portForward, masquerade},
	}}}
}
