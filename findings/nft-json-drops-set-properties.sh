#!/bin/bash
# nft 1.0.6 (Debian 12): `nft -j list ruleset` given back to `nft -j -f`, with a set that merges and comments.
# Expected: the same ruleset.
# Seen: no error, and `auto-merge`, the comments of table, chain and set are gone. An element that overlaps with one in the set, which the
# set took before, is refused afterwards: "interval overlaps with an existing one". The text form keeps all of it.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
printf '%s\n' 'table inet t {' ' comment "of the table"' ' set s {' ' comment "of the set"' ' type ipv4_addr' ' flags interval' ' auto-merge' \
	' elements = { 192.0.2.0/25 }' ' }' ' chain c {' ' comment "of the chain"' ' type filter hook forward priority filter; policy accept;' ' }' '}' | nft -f -
kept() { nft list ruleset | grep -cE 'comment|auto-merge' || true; }
overlap() { if nft add element inet t s '{ 192.0.2.0/24 }' 2>"$dir/why"; then echo taken; else grep -oE 'interval overlaps.*' "$dir/why"; fi; }
nft -j list ruleset >"$dir/json"
same "properties before" "$(kept)" 4
same "an overlapping element before" "$(overlap)" taken
nft delete table inet t
nft -j -f "$dir/json"
same "properties after" "$(kept)" 0
same "an overlapping element after" "$(overlap)" "interval overlaps with an existing one"
