#!/bin/bash
# nft 1.0.6 (Debian 12), `nft -c`, with any kernel from 6.1 to 7.2: a check of a rule on `ct packets` or `ct bytes`.
# Expected: a check changes nothing.
# Seen: net.netfilter.nf_conntrack_acct is 1 afterwards, and stays so: the kernel turns it on when it prepares the expression
# (nft_ct_get_init in net/netfilter/nft_ct.c) and does not turn it off when the batch is thrown away. The ruleset is empty as before.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
uname -r
nft add table inet t # conntrack's settings are there once something asks for them
sysctl -q -w net.netfilter.nf_conntrack_acct=0
acct() { cat /proc/sys/net/netfilter/nf_conntrack_acct; }
same "before" "$(acct)" 0
printf 'table inet t {\n chain c {\n type filter hook forward priority filter\n ct packets > 20 accept\n }\n}\n' >"$dir/rules"
nft -c -f "$dir/rules"
same "after nft -c" "$(acct)" 1
same "chains" "$(nft list chains)" "table inet t {
}"
