#!/bin/bash
# nft 1.0.6 (Debian 12): `nft -j list ruleset` given back to `nft -j -f`, with a map of verdicts that jumps to a chain of its table.
# Expected: the same ruleset.
# Seen: refused, ENOENT: the map stands before the chain, and its elements are sent where it stands. The text form sends them last.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
nft -f - <<'NFT'
table inet t {
	map zones {
		type ifname : verdict
		elements = { "lan0" : jump from_lan }
	}
	chain from_lan {
		accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		iifname vmap @zones
	}
}
NFT
nft list ruleset >"$dir/text"
nft -j list ruleset >"$dir/json"
nft flush ruleset
same "JSON loaded" "$(nft -j -f "$dir/json" 2>&1 | grep -m1 -oE 'Error.*')" "Error: Could not process rule: No such file or directory"
same "tables there" "$(nft list tables)" ""
nft -f "$dir/text"
same "text loaded" "$(nft list ruleset | diff - "$dir/text" && echo "the same")" "the same"
