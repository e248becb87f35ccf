#!/bin/bash
# github.com/google/nftables v0.3.0: expr.Ct with Direction, for a rule on packets of one direction.
# Expected: Direction 1 loads `ct reply packets > 20`.
# Seen: `ct packets > 20`, which counts both directions, without an error. And GetRules of a chain in which nft has put such a rule is an
# error, for all of its rules: the kernel keeps a direction in one byte, and four are looked for.
source "$(dirname "$0")/lib.sh"
if outside; then
	command -v go >/dev/null || { echo "needs Go"; exit 2; }
	debian "${nft_pinned[@]}"
	modules github.com/google/nftables@v0.3.0 <<'GO'
package main

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

func main() {
	c, err := nftables.New()
	if err != nil {
		panic(err)
	}
	t := c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "g"})
	chain := c.AddChain(&nftables.Chain{Table: t, Name: "c"})
	c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: []expr.Any{
		&expr.Ct{Register: 1, Key: expr.CtKeyPKTS, Direction: 1},
		&expr.Cmp{Op: expr.CmpOpGt, Register: 1, Data: []byte{20, 0, 0, 0, 0, 0, 0, 0}}, // little-endian
	}})
	if err := c.Flush(); err != nil {
		panic(err)
	}
	_, err = c.GetRules(&nftables.Table{Family: nftables.TableFamilyINet, Name: "n"}, &nftables.Chain{Name: "c"})
	fmt.Println(err)
}
GO
fi
in_namespace
printf 'table inet n {\n chain c {\n ct reply packets > 20\n }\n}\n' | nft -f -
same "nft's rule on replies, read by google/nftables" "$("$dir/program")" "netlink: attribute 3 is not a uint32; length: 1"
same "google/nftables's rule on replies, read by nft" "$(nft list chain inet g c | grep 'ct ' | tr -d '\t')" "ct packets > 20"
