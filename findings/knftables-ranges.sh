#!/bin/bash
# sigs.k8s.io/knftables v0.0.22: ListElements of sets and maps that hold ranges, which nft made.
# Expected: the range as a key, as a prefix is, or an error.
# Seen: a key that is the empty text, without an error: every object of one word that is neither prefix nor concatenation
# is taken for a verdict. Who compares what is there with what should be finds an element "" that nobody declared, and
# cannot delete it. Ports such as 80-90 in a concatenation as well.
source "$(dirname "$0")/lib.sh"
if outside; then
	command -v go >/dev/null || { echo "needs Go"; exit 2; }
	debian "${nft_pinned[@]}"
	modules sigs.k8s.io/knftables@v0.0.22 <<'GO'
package main

import (
	"context"
	"fmt"

	"sigs.k8s.io/knftables"
)

func main() {
	nft, err := knftables.New(knftables.IPv4Family, "t")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"addresses", "services"} {
		elements, err := nft.ListElements(context.Background(), "set", name)
		if err != nil {
			panic(err)
		}
		for _, e := range elements {
			fmt.Printf("%s %q\n", name, e.Key)
		}
	}
	tx := nft.NewTransaction()
	tx.Delete(&knftables.Element{Set: "addresses", Key: []string{""}})
	fmt.Println("deleted:", nft.Run(context.Background(), tx) == nil)
}
GO
fi
in_namespace
nft --version
nft -f - <<'NFT'
table ip t {
	set addresses {
		type ipv4_addr
		flags interval
		elements = { 192.0.2.1-192.0.2.5, 198.51.100.0/24, 203.0.113.7 }
	}
	set services {
		type ipv4_addr . inet_service
		flags interval
		elements = { 192.0.2.1 . 80-90, 192.0.2.1 . 443 }
	}
}
NFT
same "nft's elements" "$(nft list ruleset | grep -oE '[0-9.]+[-/][0-9.]+|203[0-9.]+')" "192.0.2.1-192.0.2.5
198.51.100.0/24
203.0.113.7
80-90"
same "knftables's" "$("$dir/program")" 'addresses [""]
addresses ["198.51.100.0/24"]
addresses ["203.0.113.7"]
services ["192.0.2.1" ""]
services ["192.0.2.1" "443"]
deleted: false'
