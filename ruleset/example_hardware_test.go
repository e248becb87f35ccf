package ruleset_test

import (
	"fmt"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Three devices feed a flowtable, and the drivers of two take flows: those between the two are carried by hardware, those of the
// third in software.
func ExampleSpec_Resolve_hardwareAuto() {
	spec := ruleset.Spec{Tables: []ruleset.Table{{
		Name: "fw",
		Flowtables: []flowtable.Spec{{
			Name: "fast", Hardware: flowtable.HardwareAuto, Devices: []flowtable.Selector{{Name: "lan"}, {Name: "wan"}, {Name: "wlan"}},
		}},
		Offload: []ruleset.Policy{{Flowtable: "fast"}},
	}}}
	target := &flowtable.Target{
		Kernel: flowtable.KernelOf("6.12.117"),
		Links:  []flowtable.Link{{Name: "lan"}, {Name: "wan"}, {Name: "wlan"}},
		Hardware: []flowtable.Answer{
			{Device: "lan", Result: flowtable.Accepted}, {Device: "wan", Result: flowtable.Accepted}, {Device: "wlan", Result: flowtable.FixedOff},
		},
	}
	resolved, err := spec.Resolve(target)
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := ruleset.Diff(nil, resolved)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(plan)
	for _, b := range resolved.Bindings() {
		fmt.Println(b.Device, b.State, b.Hardware)
	}
	// Output:
	// create table inet fw { comment "managed by fastpath"; }
	// add chain inet fw offload-fast { type filter hook forward priority filter + 10; policy accept; }
	// add flowtable inet fw fast { hook ingress priority filter; devices = { "lan", "wan", "wlan" }; counter; }
	// add rule inet fw offload-fast ct state established meta l4proto { tcp, udp } flow add @fast comment "offload to fast"
	// create table inet fw_hw { comment "managed by fastpath"; }
	// add chain inet fw_hw offload-fast { type filter hook forward priority filter + 9; policy accept; }
	// add flowtable inet fw_hw fast { hook ingress priority filter; devices = { "lan", "wan" }; flags offload; counter; }
	// add rule inet fw_hw offload-fast iifname != { "lan", "wan" } return comment "software: in by another device"
	// add rule inet fw_hw offload-fast oifname != { "lan", "wan" } return comment "software: out by another device"
	// add rule inet fw_hw offload-fast ct state established meta l4proto { tcp, udp } flow add @fast comment "offload to fast"
	// lan bound true
	// wan bound true
	// wlan bound false
}
