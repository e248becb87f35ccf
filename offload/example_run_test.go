package offload_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// The devices of a router are named by what they are to it; Run lists what packets come in by, and says how it got there.
func ExampleManager_Statuses() {
	kernel := offloadtest.New(nil, &flowtable.Target{Kernel: flowtable.KernelOf("6.12.0"), Links: []flowtable.Link{
		{Index: 1, Name: "br-lan", Kind: "bridge", Up: true},
		{Index: 2, Name: "lan1", Master: 1, Up: true},
		{Index: 3, Name: "wan", Up: true},
		{Index: 4, Name: "wan.7", Kind: "vlan", Parent: 3, Up: true, VLAN: flowtable.VLAN{ID: 7, Protocol: "802.1Q"}},
		{Index: 5, Name: "ppp0", Kind: "ppp", Up: true, PPPoE: flowtable.PPPoE{Device: "wan.7", Session: 1}},
	}})
	ctx, cancel := context.WithCancel(context.Background())
	m, err := offload.Open(ctx, &offload.Config{Kernel: kernel})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx, routerSpec()) }()
	for status := range m.Statuses(ctx) {
		if status.Phase != offload.PhaseSteady {
			continue // Err says what is wrong, Retry when it is tried again
		}
		for _, d := range status.Devices {
			fmt.Printf("%s %s (%s)\n", d.Device, d.State, strings.Join(d.Trace, "; "))
		}
		break
	}
	cancel() // the ruleset stays in force
	fmt.Println(<-ended)
	// Output:
	// lan1 bound (br-lan -> lan1: port of the bridge)
	// wan bound (ppp0 -> wan.7 -> wan: PPPoE session 1 over VLAN 7)
	// context canceled
}

// The kill switch needs no Spec: it takes connections back to the classic path, and plans leave flowtables out while it is on.
func ExampleManager_Off() {
	ctx := context.Background()
	m, err := offload.Open(ctx, &offload.Config{Kernel: offloadtest.New(nil, offloadtest.Linux612("br-lan", "ppp0"))})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Reconcile(ctx, routerSpec()); err != nil {
		log.Fatal(err)
	}
	if err := m.Off(ctx, ""); err != nil {
		log.Fatal(err)
	}
	if _, err := m.Reconcile(ctx, routerSpec()); err != nil {
		log.Fatal(err)
	}
	off, is, err := m.IsOff(ctx, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("off:", off.Owner, is)
	if err := m.On(ctx, ""); err != nil {
		log.Fatal(err)
	}
	plan, err := m.Plan(ctx, routerSpec())
	if err != nil {
		log.Fatal(err)
	}
	for _, op := range plan.Operations() {
		if op.Kind == ruleset.KindFlowtable {
			fmt.Println("it comes back:", op.Name)
		}
	}
	// Output:
	// off: fastpath true
	// it comes back: fast
}

// Observe looks and writes nothing.
func ExampleRunConfig() {
	kernel := offloadtest.New(nil, offloadtest.Linux612("br-lan"))
	ctx, cancel := context.WithCancel(context.Background())
	m, err := offload.Open(ctx, &offload.Config{Kernel: kernel, Run: offload.RunConfig{Observe: true}})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx, routerSpec()) }()
	for status := range m.Statuses(ctx) {
		if status.Phase == offload.PhaseObserving {
			fmt.Println(status.Pending[0])
			fmt.Println(status.Devices[1].Device, status.Devices[1].State)
			break
		}
	}
	cancel()
	fmt.Println(<-ended)
	// Output:
	// create table inet router { comment "managed by fastpath"; }
	// ppp0 missing
	// context canceled
}

// routerSpec offloads between a bridge and a PPPoE session.
func routerSpec() *ruleset.Spec {
	return &ruleset.Spec{Tables: []ruleset.Table{{
		Name:       "router",
		Flowtables: []flowtable.Spec{{Name: "fast", Devices: []flowtable.Selector{{Name: "br-lan"}, {Name: "ppp0"}}}},
		Offload:    []ruleset.Policy{{Flowtable: "fast"}},
	}}}
}
