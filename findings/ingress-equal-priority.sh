#!/bin/bash
# nft 1.0.6 (Debian 12) on Linux 6.18: two base chains of one hook and one priority, the common case of a flowtable beside a chain at ingress
# with priority filter.
# Expected: they run in the order in which they were made.
# Seen: the one that was made last runs first, at ingress as at input (nf_hook_entries_grow puts a new hook in front of its equals). So a reload of
# either program turns the order round.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
uname -r
try() { # FAMILY HOOK: which of the tables "earlier" and "later" sees the packet before the other marked it
	for table in earlier later; do
		printf 'table %s %s {\n chain c {\n type filter hook %s priority 0; policy accept;\n udp dport 9 meta mark 0 counter\n udp dport 9 meta mark set 1\n }\n}\n' \
			"$1" "$table" "$2" | nft -f -
	done
	echo once >/dev/udp/127.0.0.1/9
	nft list ruleset | awk '/^table/ { table = $3 } /counter packets 1 / { print table }'
	for table in earlier later; do nft delete table "$1" "$table"; done
}
same "runs first at ingress" "$(try netdev 'ingress device "lo"')" later
same "runs first at input" "$(try inet input)" later
