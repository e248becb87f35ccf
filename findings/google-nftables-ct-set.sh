#!/bin/bash
# github.com/google/nftables v0.3.0: GetRules of `ct mark set`, `ct zone set` and the like.
# Expected: an expr.Ct whose SourceRegister is true and whose Register says from where, as the library's own code writes
# it; a copied rule loads.
# Seen: SourceRegister is false and Register 0, the same as for a rule that reads the mark: the register that is written
# from is not read. The kernel refuses the copy, EINVAL, and a program that looks for rules that set the mark finds none.
source "$(dirname "$0")/lib.sh"
if outside; then
	command -v go >/dev/null || { echo "needs Go"; exit 2; }
	debian "${nft_pinned[@]}"
	modules github.com/google/nftables@v0.3.0 <<'GO'
package main

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

func main() {
	c, err := nftables.New()
	if err != nil {
		panic(err)
	}
	t := &nftables.Table{Family: nftables.TableFamilyINet, Name: "t"}
	chain := &nftables.Chain{Table: t, Name: "c"}
	c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: []expr.Any{
		&expr.Immediate{Register: 1, Data: []byte{5, 0, 0, 0}}, // little-endian
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1, SourceRegister: true},
	}})
	if err := c.Flush(); err != nil {
		panic(err)
	}
	rules, err := c.GetRules(t, chain)
	if err != nil {
		panic(err)
	}
	for _, r := range rules {
		ct := r.Exprs[1].(*expr.Ct)
		c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: r.Exprs})
		fmt.Println("sets:", ct.SourceRegister, "register:", ct.Register, "copied:", !errors.Is(c.Flush(), syscall.EINVAL))
	}
}
GO
fi
in_namespace
nft --version
printf 'table inet t {\n chain c {\n ct mark set meta mark\n }\n}\n' | nft -f -
same "read back, of nft and of its own" "$("$dir/program")" "sets: false register: 0 copied: false
sets: false register: 0 copied: false"
same "rules, by nft" "$(nft list chain inet t c | grep 'ct mark' | tr -d '\t')" "ct mark set meta mark
ct mark set 0x00000005"
