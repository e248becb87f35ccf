#!/bin/bash
# github.com/ti-mo/conntrack v0.6.0: Delete of a flow that was listed, while the connection ended and another began
# between the same ports.
# Expected: its documentation says that a Flow's ID, where it is filled, must match, or the delete fails. The other
# connection stays.
# Seen: the other connection is deleted: the ID is never sent to the kernel. So somebody who evicts what was listed a
# moment ago ends connections that began since.
source "$(dirname "$0")/lib.sh"
if outside; then
	command -v go >/dev/null || { echo "needs Go"; exit 2; }
	debian "${nft_pinned[@]}"
	modules github.com/ti-mo/conntrack@v0.6.0 <<'GO'
package main

import (
	"fmt"
	"net/netip"

	"github.com/ti-mo/conntrack"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func main() {
	c := must(conntrack.Dial(nil))
	add := func(port uint16) conntrack.Flow {
		f := conntrack.NewFlow(17, conntrack.StatusSeenReply|conntrack.StatusAssured|conntrack.StatusConfirmed,
			netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), port, 53, 300, 0)
		if err := c.Create(f); err != nil {
			panic(err)
		}
		return must(c.Get(f))
	}
	first := add(1001)
	if err := c.Delete(first); err != nil {
		panic(err)
	}
	// The next connection of these ports can get the same ID, where it lies in the same memory: others take that place.
	second := add(1001)
	for port := uint16(1002); second.ID == first.ID && port < 1100; port++ {
		if err := c.Delete(second); err != nil {
			panic(err)
		}
		add(port)
		second = add(1001)
	}
	fmt.Println("same ID:", first.ID == second.ID)
	fmt.Println("delete of the first:", c.Delete(first))
	_, err := c.Get(second)
	fmt.Println("the second is left:", err == nil)
}
GO
fi
in_namespace
tracked
same "ti-mo/conntrack" "$("$dir/program")" "same ID: false
delete of the first: <nil>
the second is left: false"
