package conntrack_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log"
	"net/netip"

	"github.com/go-fastpath/fastpath/conntrack"
)

// Every flow that a flowtable carries, with its counters.
func ExampleWatcher_Entries() {
	ctx := context.Background()
	w, err := conntrack.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	for e, err := range w.Entries(ctx, conntrack.Match{Paths: []conntrack.Path{conntrack.Software, conntrack.Hardware}}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Path(), e.Orig, e.Sent.Bytes+e.Received.Bytes)
	}
}

// Flows of one subnet, from now on.
func ExampleWatcher_Changes() {
	ctx := context.Background()
	w, err := conntrack.Open(ctx, &conntrack.Config{NetNS: "router"})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	for c, err := range w.Changes(ctx, conntrack.Match{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")}}) {
		if err != nil {
			log.Fatal(err)
		}
		switch c.Kind {
		case conntrack.PathChanged:
			fmt.Println(c.Entry.Orig, "went from", c.From, "to", c.Entry.Path())
		case conntrack.Destroyed:
			fmt.Println(c.Entry.Orig, "ended after", c.Entry.Sent.Packets, "packets")
		case conntrack.Overrun:
			fmt.Println("some news was lost; differences follow")
		}
	}
}

// What a 6.12 kernel sent for a UDP flow on the software path, behind masquerade.
func ExampleDecode() {
	message, _ := hex.DecodeString("" +
		"0a0000004c0001802c0001801400030020010db80001000000000000000000021400040020010db80002000000000000000000021c000280" +
		"050001001100000006000200ee1a0000060003001b5f00004c0002802c0001801400030020010db800020000000000000000000214000400" +
		"20010db80002000000000000000000011c0002800500010011000000060002001b5f000006000300ee1a0000080003000000419a08000800" +
		"0000000008000c00a29a3cab08000b00000000021c0009800c00010000000000000000050c00020000000000000002e41c000a800c000100" +
		"00000000000000050c00020000000000000002e4100014800c00010018ea5f4aaade07f1")
	e, err := conntrack.Decode(binary.LittleEndian, message)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(e)
	if to, ok := e.SNAT(); ok {
		fmt.Println("source as the server sees it:", to)
	}
	fmt.Println("timeout known:", e.HasTimeout)
	// Output:
	// udp      17 src=2001:db8:1::2 dst=2001:db8:2::2 sport=60954 dport=7007 packets=5 bytes=740 src=2001:db8:2::2 dst=2001:db8:2::1 sport=7007 dport=60954 packets=5 bytes=740 [OFFLOAD] mark=0 use=2 id=2728017067
	// source as the server sees it: [2001:db8:2::1]:60954
	// timeout known: false
}

func ExampleStatus_Path() {
	fmt.Println(conntrack.Assured.Path())
	fmt.Println((conntrack.Assured | conntrack.Offload).Path())
	fmt.Println((conntrack.Assured | conntrack.Offload | conntrack.HWOffload).Path())
	// Output:
	// slow
	// software
	// hardware
}
