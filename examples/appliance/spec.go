//go:build linux

package main

import (
	"github.com/go-fastpath/fastpath/flowtable"
	. "github.com/go-fastpath/fastpath/ruleset"
)

// owner marks the router's table in the kernel.
const owner = "appliance"

// declare is the whole router: which devices, what passes, what is translated, and what takes the fast path.
func declare(house, internet string) *Spec {
	fast := flowtable.Spec{
		Name:    "fast",
		Devices: []flowtable.Selector{{Name: house}, {Name: internet}}, // those with addresses, as in the rules
	}
	forward := Chain{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
		R(CTState.Is(Established, Related), Accept()),
		R(CTState.Is(Invalid), Drop()),
		R(IIFName.Is(house), OIFName.Is(internet), Accept()).Note("from the house, everything"),
		R(Counter()).Note("from outside, nothing that nobody asked for"),
	}}
	srcnat := Chain{Name: "srcnat", Type: NATChain, Hook: Postrouting, Priority: "srcnat", Rules: []Rule{
		R(OIFName.Is(internet), NFProto.Is("ipv4"), Masquerade()),
	}}
	return &Spec{Owner: owner, Tables: []Table{{
		Name:       "home",
		Flowtables: []flowtable.Spec{fast},
		Chains:     []Chain{forward, srcnat},
		// Telephony stays where a shaper and a helper can see it; all else that is established takes the fast path.
		Offload: []Policy{{Flowtable: "fast", Except: Exclusions{Ports: []string{telephony}}}},
	}}}
}

// telephony is the port of SIP.
const telephony = "5060"
