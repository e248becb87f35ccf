#!/bin/bash
# nft 1.0.6 (Debian 12), Linux 6.1 to 7.2: a comment for a table or chain that is there already.
# Expected: it is set, or refused; a policy or `flags dormant`, said in the same way, are set.
# Seen: success, and no comment. The kernel reads a comment where it creates a table or chain, and passes over it in updates.
# Whoever marks what belongs to him by a comment has to mark it when he makes it.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
uname -r
printf 'table inet t {\n chain c {\n type filter hook forward priority filter\n policy accept\n }\n}\n' | nft -f -
printf 'table inet t {\n comment "mine"\n chain c {\n comment "mine too"\n type filter hook forward priority filter\n policy drop\n }\n}\n' | nft -f -
same "listed" "$(nft list ruleset)" 'table inet t {
	chain c {
		type filter hook forward priority filter; policy drop;
	}
}'
