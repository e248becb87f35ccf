#!/bin/bash
# nft 1.0.6 (Debian 12): `nft -j list ruleset` given back to `nft -j -f`, with a table that sleeps (`flags dormant`).
# Expected: the table sleeps.
# Seen: the JSON has no flags of tables, so that the table is awake: its chains meet packets again, here one that drops. The text form keeps it.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
nft -f - <<'NFT'
table inet t {
	flags dormant
	chain out {
		type filter hook output priority filter; policy drop;
	}
}
NFT
sent() { if (printf x >/dev/udp/127.0.0.1/9) 2>/dev/null; then echo sent; else echo dropped; fi; }
flags() { nft list ruleset | grep -oE 'flags.*' || echo none; }
same "before" "$(flags), $(sent)" "flags dormant, sent"
nft list ruleset >"$dir/text"
nft -j list ruleset >"$dir/json"
nft flush ruleset
nft -j -f "$dir/json"
same "loaded as JSON" "$(flags), $(sent)" "none, dropped"
nft flush ruleset
nft -f "$dir/text"
same "loaded as text" "$(flags), $(sent)" "flags dormant, sent"
