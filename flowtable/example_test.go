package flowtable_test

import (
	"fmt"

	"github.com/go-fastpath/fastpath/flowtable"
)

// A declaration is bound to two machines: an old kernel takes only devices that are there, a new one takes all names.
func ExampleSpec_Bind() {
	fast := flowtable.Spec{
		Name:    "fast",
		Devices: []flowtable.Selector{{Name: "lan0"}, {Name: "wan"}, {Prefix: "ppp"}},
	}
	links := []flowtable.Link{{Name: "lan0"}, {Name: "ppp0"}, {Name: "ppp1"}}
	for _, release := range []string{"6.12.117", "7.2.13"} {
		fmt.Println("Linux", release)
		target := &flowtable.Target{Kernel: flowtable.KernelOf(release), Links: links}
		for _, b := range fast.Bind(target) {
			fmt.Printf("  %-5s %s\n", b.Device, b.State)
		}
	}
	// Output:
	// Linux 6.12.117
	//   lan0  bound
	//   ppp0  bound
	//   ppp1  bound
	//   wan   missing
	// Linux 7.2.13
	//   lan0  bound
	//   ppp*  bound
	//   wan   pending
}

// Every mistake is told at once, each with its path and what to do.
func ExampleSpec_Validate() {
	err := flowtable.Spec{
		Name:     "offload",
		Devices:  []flowtable.Selector{{Prefix: "eth"}, {Name: "eth0"}},
		Priority: "mangle",
	}.Validate()
	fmt.Println(err)
	// Output:
	// name: nft cannot spell the name "offload", a reserved word; choose another, such as "offload_"
	// devices[1]: "eth0" is already picked by "eth*"; remove one, the kernel refuses both
	// priority: nft knows no priority "mangle" at ingress; write "filter" with an offset, or the number "-150"
}

func ExamplePriority_Int32() {
	v, err := flowtable.Priority("filter - 10").Int32()
	fmt.Println(v, err)
	// Output:
	// -10 <nil>
}
