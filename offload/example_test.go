package offload_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Attach a flowtable to two devices of the network namespace "router". It needs CAP_NET_ADMIN, so it is not run here.
func Example() {
	ctx := context.Background()
	m, err := offload.Open(ctx, &offload.Config{NetNS: "router"})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &ruleset.Spec{Tables: []ruleset.Table{{
		Name:       "fw",
		Flowtables: []flowtable.Spec{{Name: "fast", Devices: []flowtable.Selector{{Name: "lan0"}, {Name: "wan0"}}}},
		Chains: []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{
			ruleset.R(ruleset.CTState.Is(ruleset.Established), ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.FlowAdd("fast")),
		}}},
	}}}
	plan, err := m.Plan(ctx, spec)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(plan) // nft commands, one a line
	generation, err := m.Apply(ctx, plan)
	var refused *offload.ApplyError
	switch {
	case errors.Is(err, offload.ErrConflict):
		log.Fatal("someone else was faster: plan again")
	case errors.As(err, &refused):
		log.Fatalf("%v was refused: %s", refused.Operation, refused.Next)
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println("applied at generation", generation)
}

func ExampleReport() {
	r := offload.Report{
		Accounting: true,
		Total:      offload.Sum{Flows: 3, Counted: 3, Packets: 10012, Bytes: 14000720},
		Rows: []offload.ReportRow{
			{Path: conntrack.Slow, Protocol: conntrack.UDP, Family: conntrack.IPv6, Sum: offload.Sum{Flows: 1, Counted: 1, Packets: 12, Bytes: 720}},
			{Path: conntrack.Software, Protocol: conntrack.TCP, Family: conntrack.IPv4, Sum: offload.Sum{Flows: 2, Counted: 2, Packets: 10000, Bytes: 14000000}},
		},
	}
	fmt.Print(r.String())
	// Output:
	// PATH      PROTOCOL  FAMILY  FLOWS  COUNTED  PACKETS  BYTES
	// slow      udp       ipv6    1      1        12       720
	// software  tcp       ipv4    2      2        10000    14000000
	// total                       3      3        10012    14000720
}
