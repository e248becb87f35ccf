#!/bin/bash
# nft 1.0.6 (Debian 12): a set with `flags interval,timeout` and `auto-merge`, as lists of banned networks are kept. An element is added that touches one
# that is there.
# Expected: each keeps its own time; elements with different times are not merged.
# Seen: one element comes of both, with the time and the comment of the new one. A permanent element goes away ten seconds after its neighbour was added for ten
# seconds; one that was to go stays for ever if a permanent neighbour comes. Nothing is said.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
nft add table inet t
elements() { nft list set inet t "$1" | tr -d '\n' | grep -oE 'elements = \{[^}]*\}' | tr -s ' \t' ' ' | sed -E 's/expires [0-9a-z]+/expires .../g'; }
for set in forever soon; do nft add set inet t "$set" '{ type ipv4_addr; flags interval,timeout; auto-merge; }'; done

nft add element inet t forever '{ 198.51.100.0/25 comment "permanent" }'
nft add element inet t forever '{ 198.51.100.128/25 timeout 2s }'
same "a permanent element, and its neighbour for two seconds" "$(elements forever)" 'elements = { 198.51.100.0/24 timeout 2s expires ... }'
nft add element inet t soon '{ 198.51.100.0/25 timeout 1h }'
nft add element inet t soon '{ 198.51.100.128/25 }'
same "an element for an hour, and its permanent neighbour" "$(elements soon)" 'elements = { 198.51.100.0/24 }'
gone() { [ -z "$(elements forever)" ]; }
for _ in $(seq 100); do gone && break; sleep 0.1; done
same "the first set after these seconds" "$(elements forever)" ""
