package ruleset_test

import (
	"fmt"
	"os"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A policy offloads what goes on for a while, but nothing to or from a set of addresses, which others keep.
func ExamplePolicy() {
	policy := ruleset.Elephants("fast")
	policy.Except.Sets = []string{"slow"}
	spec := ruleset.Spec{Tables: []ruleset.Table{{
		Name:       "accel",
		Flowtables: []flowtable.Spec{{Name: "fast", Devices: []flowtable.Selector{{Name: "lan0"}, {Name: "wan0"}}}},
		Sets:       []ruleset.Set{{Name: "slow", Type: ruleset.IPv4Addr, Live: true}},
		Offload:    []ruleset.Policy{policy},
	}}}
	for _, finding := range spec.Lint() {
		fmt.Println("#", finding.Path, finding.Code)
	}
	resolved, err := spec.Resolve(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := resolved.WriteNFT(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// # tables[0].offload[0] accounting
	// table inet accel {
	// 	comment "managed by fastpath"
	//
	// 	flowtable fast {
	// 		hook ingress priority filter;
	// 		devices = { "lan0", "wan0" };
	// 		counter;
	// 	}
	//
	// 	set slow {
	// 		type ipv4_addr
	// 	}
	//
	// 	chain offload-fast {
	// 		type filter hook forward priority filter + 10; policy accept;
	// 		ip saddr @slow return comment "except set slow: IPv4 source"
	// 		ip daddr @slow return comment "except set slow: IPv4 destination"
	// 		ct state established meta l4proto { tcp, udp } ct packets >= 20 flow add @fast comment "offload to fast"
	// 	}
	// }
}
