package flowtable_test

import (
	"fmt"

	"github.com/go-fastpath/fastpath/flowtable"
)

// homeRouter is a bridge on the one side, and PPPoE over VLAN 7 on the other.
func homeRouter() *flowtable.Target {
	return &flowtable.Target{
		Kernel: flowtable.KernelOf("6.12.117"),
		Links: []flowtable.Link{
			{Index: 2, Name: "eth1"}, {Index: 3, Name: "lan1", Master: 5}, {Index: 4, Name: "lan2", Master: 5},
			{Index: 5, Name: "br-lan", Kind: "bridge"},
			{Index: 6, Name: "eth1.7", Kind: "vlan", Parent: 2, VLAN: flowtable.VLAN{ID: 7}},
			{Index: 7, Name: "wan-ppp", Kind: "ppp", PPPoE: flowtable.PPPoE{Device: "eth1.7", Session: 5}},
		},
		DefaultRoutes: []int{7},
	}
}

// Whoever declares a flowtable names what he knows, the bridge and the default route, and not which layer kernels want.
func ExampleSpec_Bind_layers() {
	fast := flowtable.Spec{Name: "fast", Devices: []flowtable.Selector{{Name: "br-lan"}, {DefaultRoute: true}}}
	for _, b := range fast.Bind(homeRouter()) {
		fmt.Printf("%s is %s: %s\n", b.Device, b.State, b.Why)
		for _, way := range b.Trace {
			fmt.Println("  " + way)
		}
	}
	// Output:
	// eth1 is bound: wan-ppp stands on it
	//   default route -> wan-ppp -> eth1.7 -> eth1: PPPoE session 5 over VLAN 7
	// lan1 is bound: br-lan stands on it
	//   br-lan -> lan1: port of the bridge
	// lan2 is bound: br-lan stands on it
	//   br-lan -> lan2: port of the bridge
}

func ExampleTarget_Lower() {
	fmt.Println(homeRouter().Lower("wan-ppp"), homeRouter().Lower("br-lan"))
	fmt.Println(homeRouter().Above("eth1"))
	// Output:
	// [eth1] [lan1 lan2]
	// [eth1 eth1.7 wan-ppp]
}

func ExampleTarget_Mermaid() {
	fmt.Print(homeRouter().Mermaid())
	// Output:
	// flowchart TD
	//     n0["br-lan<br/>bridge"]
	//     n1["eth1"]
	//     n2["eth1.7<br/>vlan"]
	//     n3["lan1"]
	//     n4["lan2"]
	//     n5["wan-ppp<br/>ppp"]
	//     n0 -->|"port"| n3
	//     n0 -->|"port"| n4
	//     n2 -->|"VLAN 7"| n1
	//     n5 -->|"PPPoE session 5"| n2
}

func ExampleTarget_DOT() {
	small := &flowtable.Target{Links: []flowtable.Link{{Index: 1, Name: "eth0"}, {Index: 2, Name: "eth0.7", Kind: "vlan", Parent: 1, VLAN: flowtable.VLAN{ID: 7}}}}
	fmt.Print(small.DOT())
	// Output:
	// digraph topology {
	//     node [shape=box];
	//     n0 [label="eth0"];
	//     n1 [label="eth0.7\nvlan"];
	//     n1 -> n0 [label="VLAN 7"];
	// }
}
