#!/bin/bash
# nft 1.0.6 (Debian 12): a rule with an anonymous set of device names, of which one ends in "*" and the next is its neighbour in the alphabet:
# iifname { "eth0*", "eth1" }.
# Expected: `nft list ruleset` prints the names, and `nft -f` takes what it printed.
# Seen: the kernel holds the right ranges, and nft joins what touches, also where the end of a range is no name: it prints { ""-"" } in place of
# both names, in JSON a range of two empty texts, and refuses its own listing. With a letter between ("eth0*", "eth2"), and in a named set, the
# names are printed.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
saved="$dir/saved.nft"
# listed NAMES: the rule with these names, as nft lists it.
listed() {
	nft flush ruleset
	nft "add table inet t; add chain inet t c; add rule inet t c iifname { $1 } accept"
	nft list ruleset >"$saved"
	sed -n 's/^\t*\(iifname\)/\1/p' "$saved"
}
same "names apart" "$(listed '"eth0*", "eth2"')" 'iifname { "eth0*", "eth2" } accept'
same "loaded again" "$(nft -f "$saved" 2>&1)" ""
same "neighbours" "$(listed '"eth0*", "eth1"')" 'iifname { ""-"" } accept'
same "in JSON" "$(nft -j list ruleset | grep -o '{"set": .*\]}\]}' | head -c 60)" '{"set": [{"range": ["", ""]}]}'
same "ends in the kernel" "$(nft --debug=netlink list ruleset 2>/dev/null | grep -c 'element [0-9a-f]* ')" 3
same "loaded again" "$(nft -f "$saved" 2>&1 | head -1 | sed 's/.*Error/Error/')" "Error: Empty string is not allowed"
nft flush ruleset
nft 'add table inet t; add set inet t s { type ifname; flags interval; elements = { "eth0*", "eth1" }; }'
same "in a named set" "$(nft list set inet t s | tr -d '\n\t' | grep -o 'elements = {[^}]*}' | tr -s ' ')" 'elements = { "eth0*", "eth1" }'
