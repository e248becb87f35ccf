#!/bin/bash
# nft 1.0.6 (Debian 12): `nft -j list ruleset` given back to `nft -j -f`, with a policy of `ct timeout`.
# Expected: the same policy: UDP that was answered is kept for 15 seconds.
# Seen: the JSON has the policy; what loads has none, without an error, so that connections are kept for as long as the kernel's defaults say.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
nft -f - <<'NFT'
table inet t {
	ct timeout short {
		protocol udp;
		policy = { unreplied : 5, replied : 15 };
	}
}
NFT
policy() { nft list ruleset | grep -oE 'policy = .*'; }
same "policy before" "$(policy)" "policy = { unreplied : 5, replied : 15 }"
nft -j list ruleset >"$dir/json"
same "policy in the JSON" "$(grep -oE '"policy": [^}]*\}' "$dir/json")" '"policy": {"unreplied": 5, "replied": 15}'
nft flush ruleset
nft -j -f "$dir/json"
same "policy after" "$(policy)" "policy = {  }"
