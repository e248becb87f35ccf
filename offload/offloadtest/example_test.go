package offloadtest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

func routerSpec(hardware flowtable.Hardware) *ruleset.Spec {
	return &ruleset.Spec{Tables: []ruleset.Table{{
		Name: "fw",
		Flowtables: []flowtable.Spec{{
			Name: "fast", Hardware: hardware, Devices: []flowtable.Selector{{Name: "lan0"}, {Name: "wan0"}},
		}},
		Chains: []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{
			ruleset.R(ruleset.CTState.Is(ruleset.Established), ruleset.FlowAdd("fast")),
		}}},
	}}}
}

// A controller's test: a device is missing, then a driver refuses, then a flow takes the fast path. In a test of your own,
// give New the *testing.T.
func Example() {
	ctx := context.Background()
	kernel := offloadtest.New(nil, offloadtest.Linux612("lan0"))
	m, err := offload.Open(ctx, &offload.Config{Kernel: kernel})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	plan, err := m.Plan(ctx, routerSpec(flowtable.HardwareOff))
	if err != nil {
		log.Fatal(err)
	}
	for _, b := range plan.Bindings() {
		fmt.Println(b.Device, b.State)
	}
	if _, err := m.Apply(ctx, plan); err != nil {
		log.Fatal(err)
	}
	fmt.Print(kernel.Ruleset())

	kernel.AddLink(flowtable.Link{Name: "wan0"})
	kernel.Refuse("wan0")
	plan, err = m.Plan(ctx, routerSpec(flowtable.HardwareOn))
	if err != nil {
		log.Fatal(err)
	}
	_, err = m.Apply(ctx, plan)
	fmt.Println("refused:", errors.Is(err, offload.ErrHardwareRefused))

	kernel.AddFlow(conntrack.Entry{
		Orig: conntrack.Tuple{
			Proto: conntrack.TCP,
			Src:   netip.MustParseAddrPort("192.168.1.2:40000"),
			Dst:   netip.MustParseAddrPort("203.0.113.2:443"),
		},
		Status:   conntrack.SeenReply | conntrack.Assured | conntrack.Offload,
		Sent:     conntrack.Counters{Packets: 10, Bytes: 1000, OK: true},
		Received: conntrack.Counters{Packets: 20, Bytes: 20000, OK: true},
	})
	w, err := conntrack.Open(ctx, &conntrack.Config{Source: kernel.Conntrack()})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	report, err := m.Report(ctx, w)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(report)
	// Output:
	// lan0 bound
	// wan0 missing
	// table inet fw { # managed by fastpath
	// 	flowtable fast { hook ingress priority 0; devices = { lan0 }; counter; }
	// 	chain forward {
	// 		type filter hook forward priority 0; policy accept;
	// 		ct, bitwise, cmp, flow add @fast
	// 	}
	// }
	// refused: true
	// PATH      PROTOCOL  FAMILY  FLOWS  COUNTED  PACKETS  BYTES
	// software  tcp       ipv4    1      1        30       21000
	// total                       1      1        30       21000
}
