package fastpath_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
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

// Changes tells each step of a connection, and a Ledger sums up what subscribers use. The kernel is one in memory, so this runs anywhere.
func Example_follow() {
	kernel := offloadtest.New(nil, offloadtest.Linux612("lan0", "wan0"))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watcher, err := conntrack.Open(ctx, &conntrack.Config{Source: kernel.Conntrack(), Poll: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer watcher.Close()
	flow := kernel.AddFlow(conntrack.Entry{
		Orig: conntrack.Tuple{
			Src: netip.MustParseAddrPort("192.168.1.2:40000"), Dst: netip.MustParseAddrPort("203.0.113.2:443"), Proto: conntrack.TCP,
		},
		Status: conntrack.Assured,
		Sent:   conntrack.Counters{Packets: 3, Bytes: 180, OK: true}, Received: conntrack.Counters{Packets: 2, Bytes: 120, OK: true},
	})
	show := func(c conntrack.Change) {
		fmt.Println(c.Kind, c.Entry.Path(), c.Delta.Sent.Bytes, c.Delta.Received.Bytes)
		switch c.Kind {
		case conntrack.Synced: // a flowtable takes the connection, which nothing announces
			flow.Status |= conntrack.Offload
			flow.Sent.Bytes += 1000
			kernel.SetFlow(flow)
		case conntrack.PathChanged:
			kernel.DelFlow(flow.Key())
		case conntrack.Destroyed:
			cancel()
		}
	}

	ledger := conntrack.NewLedger(conntrack.ByInside(netip.MustParsePrefix("192.168.1.0/24"))) // by subscriber; End.UpDown for either side
	for change, err := range watcher.Changes(ctx, conntrack.Match{}) {
		if err != nil {
			break // ctx ended, or the kernel refuses; losses are changes too
		}
		ledger.Add(change)
		show(change)
	}
	for subscriber, account := range ledger.All() {
		up, down := subscriber.UpDown(account)
		fmt.Println(subscriber.Addr, account.Flows, up.Bytes, down.Bytes)
	}
	// Output:
	// new slow 180 120
	// synced slow 0 0
	// path changed software 1000 0
	// destroyed software 0 0
	// 192.168.1.2 1 1180 120
}
