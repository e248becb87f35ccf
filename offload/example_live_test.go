package offload_test

import (
	"context"
	"fmt"
	"log"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A live set keeps addresses off the fast path from one moment to the next; their flows are evicted.
func ExampleManager_AddElements() {
	kernel := offloadtest.New(nil, offloadtest.Linux612("lan0", "wan0"))
	m, err := offload.Open(context.Background(), &offload.Config{Kernel: kernel})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &ruleset.Spec{Tables: []ruleset.Table{{
		Name:       "accel",
		Flowtables: []flowtable.Spec{{Name: "fast", Devices: []flowtable.Selector{{Name: "lan0"}, {Name: "wan0"}}}},
		Sets:       []ruleset.Set{{Name: "slow", Type: ruleset.IPv4Addr, Live: true}},
		Chains: []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{
			ruleset.R(ruleset.IPSaddr.In("slow"), ruleset.Return()),
			ruleset.R(ruleset.IPDaddr.In("slow"), ruleset.Return()),
			ruleset.R(ruleset.CTState.Is(ruleset.Established), ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.FlowAdd("fast")),
		}}},
	}}}
	if _, err := m.Reconcile(context.Background(), spec); err != nil {
		log.Fatal(err)
	}
	slow := offload.LiveSet{Table: "accel", Set: "slow"}
	if _, err := m.AddElements(context.Background(), slow, "192.0.2.7"); err != nil {
		log.Fatal(err)
	}
	again, err := m.Reconcile(context.Background(), spec)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("nothing to do:", again.Plan.Empty())
	// Output: nothing to do: true
}
