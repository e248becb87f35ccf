package fastpath_test

import (
	"fmt"
	"os"

	"github.com/go-fastpath/fastpath/flowtable"
	. "github.com/go-fastpath/fastpath/ruleset"
)

// A router's established TCP and UDP connections take the fast path between two devices. The machine is described by hand,
// so this runs anywhere: its kernel cannot list devices that do not exist yet, and there is no wan1.
func Example() {
	spec := &Spec{Tables: []Table{{
		Name: "router",
		Flowtables: []flowtable.Spec{{
			Name:    "fast",
			Devices: []flowtable.Selector{{Name: "lan0"}, {Name: "wan0"}, {Name: "wan1"}},
		}},
		Chains: []Chain{{
			Name: "forward",
			Hook: Forward,
			Rules: []Rule{
				R(CTState.Is(Established), L4Proto.Is(TCP, UDP), FlowAdd("fast")),
				R(Counter()).Note("stands still while the flowtable carries"),
			},
		}},
	}}}
	machine := &flowtable.Target{
		Kernel: flowtable.Kernel{Release: "6.12.0"},
		Links:  []flowtable.Link{{Name: "lan0", Up: true}, {Name: "wan0", Up: true}},
	}
	resolved, err := spec.Resolve(machine)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := resolved.WriteNFT(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// table inet router {
	// 	comment "managed by fastpath"
	//
	// 	flowtable fast {
	// 		hook ingress priority filter;
	// 		devices = { "lan0", "wan0" };
	// 		counter;
	// 		# left out: "wan1" missing: the device is not there, and this kernel refuses a flowtable with a missing device; plan again when it appears
	// 	}
	//
	// 	chain forward {
	// 		type filter hook forward priority filter; policy accept;
	// 		ct state established meta l4proto { tcp, udp } flow add @fast
	// 		counter comment "stands still while the flowtable carries"
	// 	}
	// }
}
