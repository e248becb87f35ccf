#!/bin/bash
# nft 1.0.6 (Debian 12): `ip dscp . ip saddr { cs1 . 192.0.2.1 }`, or a verdict map of them, listed and loaded again.
# Expected: the same rule.
# Seen: the listing shows the shift that nft put in for the field's place, `ip dscp >> 2 . ip saddr`, and loads as a field that is shifted
# twice: after a restart with the saved ruleset the rule matches nothing, without an error. Each save and load adds one more. JSON does the same.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
nft -f - <<'NFT'
table ip t {
	chain c {
		type filter hook output priority 0; policy accept;
		ip dscp . ip daddr { cs1 . 127.0.0.1 } counter
	}
}
NFT
key() { nft list chain ip t c | grep -oE 'ip dscp.*ip daddr'; }
matched() {
	exec 3<>/dev/udp/127.0.0.1/9
	printf x >&3 || true
	exec 3>&-
	nft -j list chain ip t c | grep -oE '"packets": [0-9]+'
}
# What leaves is marked cs1 by another chain, before this one.
nft 'add chain ip t first { type filter hook output priority -10; }; add rule ip t first udp dport 9 ip dscp set cs1'
same "listed" "$(key)" "ip dscp >> 2 . ip daddr"
same "matched" "$(matched)" '"packets": 1'
again() { nft -s list ruleset >"$dir/text" && nft flush ruleset && nft -f "$dir/text"; }
again
same "listed, after a reload" "$(key)" "ip dscp >> 2 >> 2 . ip daddr"
same "matched, after a reload" "$(matched)" '"packets": 0'
again
same "listed, after two" "$(key)" "ip dscp >> 2 >> 2 >> 2 . ip daddr"
nft -j list ruleset >"$dir/json" && nft flush ruleset && nft -j -f "$dir/json"
same "listed, after two and one by JSON" "$(key)" "ip dscp >> 2 >> 2 >> 2 >> 2 . ip daddr"
