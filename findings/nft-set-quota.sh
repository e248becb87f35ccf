#!/bin/bash
# nft 1.0.6 (Debian 12): a set that gives each of its elements a quota, `nft list ruleset` given back to `nft -f`.
# Expected: the same set.
# Seen: refused, a syntax error at `quota`: an element is listed with what is left of its quota, and that cannot be read. So the whole file
# of a saved ruleset is refused at the next start. With a counter or a limit in its place it loads.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
reload() {
	nft flush ruleset
	printf 'table inet t {\n set s {\n type ipv4_addr\n flags dynamic\n %s\n elements = { 192.0.2.1 }\n }\n}\n' "$1" | nft -f -
	nft list ruleset >"$dir/text"
	nft flush ruleset
	if nft -f "$dir/text" 2>"$dir/why"; then echo "the same"; else grep -oE 'Error.*' "$dir/why"; fi
}
same "a counter each" "$(reload counter)" "the same"
same "a limit each" "$(reload 'limit rate 5/second')" "the same"
same "a quota each" "$(reload 'quota 5 mbytes')" "Error: syntax error, unexpected quota, expecting comma or '}'"
