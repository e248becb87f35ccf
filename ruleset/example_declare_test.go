package ruleset_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A Spec in Go, bound to a machine whose kernel takes no missing devices, as an nft file.
func ExampleResolved_WriteNFT() {
	spec := &ruleset.Spec{Tables: []ruleset.Table{{
		Name: "edge",
		Flowtables: []flowtable.Spec{{
			Name:    "fast",
			Devices: []flowtable.Selector{{Name: "lan0"}, {Prefix: "ppp"}, {Name: "wan0"}},
		}},
		Sets: []ruleset.Set{{Name: "slow", Type: ruleset.IPv4Addr, Elements: []string{"192.0.2.7"}}},
		Chains: []ruleset.Chain{{
			Name: "forward", Hook: ruleset.Forward, Priority: "filter + 10",
			Rules: []ruleset.Rule{
				ruleset.R(ruleset.CTState.Is(ruleset.Established), ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP),
					ruleset.IPDaddr.NotIn("slow"), ruleset.FlowAdd("fast")).Note("all but the slow"),
			},
		}},
	}}}
	target := &flowtable.Target{
		Kernel: flowtable.KernelOf("6.12.117"),
		Links:  []flowtable.Link{{Name: "lan0"}, {Name: "ppp0"}},
	}
	resolved, err := spec.Resolve(target)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := resolved.WriteNFT(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// table inet edge {
	// 	comment "managed by fastpath"
	//
	// 	flowtable fast {
	// 		hook ingress priority filter;
	// 		devices = { "lan0", "ppp0" };
	// 		counter;
	// 		# left out: "wan0" missing: the device is not there, and this kernel refuses a flowtable with a missing device; plan again when it appears
	// 	}
	//
	// 	set slow {
	// 		type ipv4_addr
	// 		elements = { 192.0.2.7 }
	// 	}
	//
	// 	chain forward {
	// 		type filter hook forward priority filter + 10; policy accept;
	// 		ct state established meta l4proto { tcp, udp } ip daddr != @slow flow add @fast comment "all but the slow"
	// 	}
	// }
}

// Mistakes in the JSON form are told with their place in the text; Validate then tells all others at once, each with its path.
func ExampleParse() {
	_, err := ruleset.Parse(strings.NewReader(`{
  "tables": [{"name": "x", "flowtable": []}]
}`))
	fmt.Println(err)

	spec, err := ruleset.Parse(strings.NewReader(`{
  "tables": [{
    "name": "x",
    "flowtables": [{"name": "fast", "devices": [{"name": "eth0"}, {"prefix": "eth"}]}],
    "chains": [{"name": "in", "hook": "input", "rules": [{"do": [{"flowAdd": "fast"}]}]}]
  }]
}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(spec.Validate())
	// Output:
	// line 2, column 28: tables[0].flowtable: unknown field; known here: family, name, flowtables, sets, offload, chains
	// tables[0].flowtables[0].devices[1]: "eth*" is already picked by "eth0"; remove one, the kernel refuses both
	// tables[0].chains[0].rules[0].do[0].flowAdd: flow add works only in "forward", and this chain is at hook "input"; move the rule to a forward chain
}
