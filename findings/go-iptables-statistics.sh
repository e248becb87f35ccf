#!/bin/bash
# github.com/coreos/go-iptables v0.8.0 and iptables 1.8.9 (Debian 12): Stats and StructuredStats, to account by the
# counters of rules.
# Expected: one entry for each rule of the chain.
# Seen: one rule with a negated address (`! -s 192.0.2.0/24`), and StructuredStats of the whole chain is an error. A rule
# without a target, which is how one counts, has its columns moved by one in Stats: the destination is where the source
# should be, and the protocol is its target.
source "$(dirname "$0")/lib.sh"
if outside; then
	command -v go >/dev/null || { echo "needs Go"; exit 2; }
	debian "${nft_pinned[@]}" "${iptables_pinned[@]}"
	modules github.com/coreos/go-iptables@v0.8.0 <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/coreos/go-iptables/iptables"
)

func main() {
	ipt, err := iptables.New(iptables.Path(os.Args[1]))
	if err != nil {
		panic(err)
	}
	for _, chain := range []string{"INPUT", "FORWARD"} {
		stats, err := ipt.StructuredStats("filter", chain)
		fmt.Println(chain, "entries:", len(stats), "failed:", err != nil)
	}
	rows, err := ipt.Stats("filter", "OUTPUT")
	if err != nil {
		panic(err)
	}
	for _, row := range rows {
		fmt.Printf("target %q, protocol %q, from %s to %s\n", row[2], row[3], row[7], row[8])
	}
}
GO
fi
in_namespace
iptables-nft --version
iptables-nft -A INPUT -s 192.0.2.0/24 -j ACCEPT
iptables-nft -A FORWARD -s 198.51.100.0/24 -j ACCEPT
iptables-nft -A FORWARD ! -s 192.0.2.0/24 -j DROP
iptables-nft -A OUTPUT -s 192.0.2.0/24 -d 198.51.100.7 -m comment --comment with -j ACCEPT
iptables-nft -A OUTPUT -s 192.0.2.0/24 -d 198.51.100.7 -m comment --comment without
same "go-iptables" "$("$dir/program" "$(command -v iptables-nft)")" 'INPUT entries: 1 failed: false
FORWARD entries: 0 failed: true
target "ACCEPT", protocol "0", from 192.0.2.0/24 to 198.51.100.7/32
target "0", protocol "--", from 198.51.100.7/32 to /*'
