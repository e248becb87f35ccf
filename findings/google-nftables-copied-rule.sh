#!/bin/bash
# github.com/google/nftables v0.3.0: GetRules of a chain, and AddRule of what it gives, to copy or to restore rules.
# Expected: the same rules, or an error for a rule that the library cannot read.
# Seen: expressions it cannot read are left out, without an error, and Byteorder, Socket and TProxy are among them, though
# all three can be written. A range is compared in the wrong order of bytes; `socket transparent 1` becomes a comparison
# with the port that was loaded before; `tproxy` is gone.
source "$(dirname "$0")/lib.sh"
if outside; then
	command -v go >/dev/null || { echo "needs Go"; exit 2; }
	debian "${nft_pinned[@]}"
	modules github.com/google/nftables@v0.3.0 <<'GO'
package main

import "github.com/google/nftables"

func main() {
	c, err := nftables.New()
	if err != nil {
		panic(err)
	}
	rules, err := c.GetRules(&nftables.Table{Family: nftables.TableFamilyINet, Name: "n"}, &nftables.Chain{Name: "c"})
	if err != nil {
		panic(err)
	}
	to := &nftables.Table{Family: nftables.TableFamilyINet, Name: "g"}
	for _, r := range rules {
		c.AddRule(&nftables.Rule{Table: to, Chain: &nftables.Chain{Name: "c"}, Exprs: r.Exprs, UserData: r.UserData})
	}
	if err := c.Flush(); err != nil {
		panic(err)
	}
}
GO
fi
in_namespace
nft --version
nft -f - <<'NFT'
table inet n {
	chain c {
		type filter hook prerouting priority mangle; policy accept;
		udp dport 9 meta length 20-100 counter
		tcp dport 80 socket transparent 1 accept
		tcp dport 80 tproxy ip to :8080
	}
}
table inet g {
	chain c {
		type filter hook prerouting priority mangle; policy accept;
	}
}
NFT
"$dir/program"
echo once >/dev/udp/127.0.0.1/9
rules() { nft -s list chain inet "$1" c | grep 'dport' | sed -E 's/^\s+//'; }
counted() { nft list chain inet "$1" c | grep -oE 'packets [0-9]+'; }
same "rules" "$(rules n)" "udp dport 9 meta length 20-100 counter
tcp dport 80 socket transparent 1 accept
tcp dport 80 tproxy ip to :8080"
same "copied" "$(rules g)" "udp dport 9 meta length 335544320-1677721600 counter
tcp dport 80 tcp dport 256/8 accept
tcp dport 80"
same "a packet of 33 bytes, counted by the rule" "$(counted n)" "packets 1"
same "and by its copy" "$(counted g)" "packets 0"
