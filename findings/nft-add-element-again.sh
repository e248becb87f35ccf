#!/bin/bash
# nft 1.0.6 (Debian 12) on Linux 6.18 and 7.2: `add element` of an element that is there, with a timeout, once more without.
# Expected: nothing, as for anything else that `add` meets (on Linux 6.1 nothing happens).
# Seen: the element has no timeout any more and stays for good; in a set with a default timeout its own is replaced by that.
# So who adds addresses to a set that others give an end to makes them permanent.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
uname -r
printf 'table inet t {\n set plain {\n type ipv4_addr\n flags timeout\n }\n set hourly {\n type ipv4_addr\n timeout 1h\n }\n}\n' | nft -f -
element() { nft list set inet t "$1" | sed -n 's/.*elements = { \(.*\) }.*/\1/p' | sed 's/ expires.*//'; }
for set in plain hourly; do nft add element inet t "$set" '{ 192.0.2.1 timeout 5m }'; done
same "plain, first" "$(element plain)" "192.0.2.1 timeout 5m"
same "hourly, first" "$(element hourly)" "192.0.2.1 timeout 5m"
for set in plain hourly; do nft add element inet t "$set" '{ 192.0.2.1 }'; done
same "plain, added again" "$(element plain)" "192.0.2.1"
same "hourly, added again" "$(element hourly)" "192.0.2.1"
nft -j list set inet t hourly | grep -oE '"(timeout|expires)": [0-9]+' | head -2 # the set's default, and what the element has left
