#!/bin/bash
# nft 1.0.6 (Debian 12): `nft -j list ruleset` of a chain at ingress, given back to `nft -j -f`.
# Expected: the chain is there again.
# Seen: the JSON has no device of the chain, and nft refuses it: "Missing `device' in this chain definition". The text form keeps it.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
printf 'table netdev t {\n chain c {\n type filter hook ingress device "lo" priority -500; policy accept;\n }\n}\n' | nft -f -
nft -j list ruleset >"$dir/json"
nft list ruleset >"$dir/text"
same "device in the JSON" "$(grep -c '"dev' "$dir/json" || true)" 0
nft delete table netdev t
same "JSON loaded" "$(nft -j -f "$dir/json" 2>&1 | grep -oE 'Missing .*' || true)" "Missing \`device' in this chain definition"
nft -f "$dir/text"
same "text loaded" "$(nft list chains | grep -c 'hook ingress device "lo"')" 1
