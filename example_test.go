package fastpath_test

import (
	"context"
	"fmt"
	"os"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
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

// Run keeps a ruleset as declared: a device that comes later is bound when it comes. The kernel is one in memory, so this runs anywhere.
func Example_run() {
	kernel := offloadtest.New(nil, offloadtest.Linux612("lan0"))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	manager, err := offload.Open(ctx, &offload.Config{Kernel: kernel})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer manager.Close()
	spec := &Spec{Tables: []Table{{
		Name:       "router",
		Flowtables: []flowtable.Spec{{Name: "fast", Devices: []flowtable.Selector{{Name: "lan0"}, {Name: "wan0"}}}},
		Offload:    []Policy{{Flowtable: "fast"}},
	}}}
	told := map[string]flowtable.State{}
	report := func(phase offload.Phase, device string, state flowtable.State, why string) {
		if phase != offload.PhaseSteady || told[device] == state {
			return
		}
		told[device] = state
		fmt.Println(device, state)
		switch {
		case state == flowtable.Missing:
			kernel.AddLink(flowtable.Link{Name: device, Up: true})
		case device == "wan0":
			cancel()
		}
	}
	ended := make(chan error, 1)

	go func() { ended <- manager.Run(ctx, spec) }() // until ctx ends; what it applied stays in force
	for status := range manager.Statuses(ctx) {     // the newest, and then every newer one
		for _, d := range status.Devices {
			report(status.Phase, d.Device, d.State, d.Why) // wan0 is missing, and bound when it appears
		}
	}
	fmt.Println(<-ended)
	// Output:
	// lan0 bound
	// wan0 missing
	// wan0 bound
	// context canceled
}
