#!/bin/bash
# nft 1.0.6 (Debian 12): a prefix of whole bytes on `ct original saddr` in a table of family ip, listed.
# Expected: the listing says 127.0.0.0/8 as the rule did, and may be loaded again.
# Seen: `ct original ip saddr 0.0.0.127`. What the kernel holds is right (one byte is compared, packets match), but the listing, saved and loaded, is
# another rule, which nothing matches. In a table of family inet, or with a prefix such as /20, the listing is right.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
printf 'table ip t {\n chain c {\n type filter hook output priority filter; policy accept;\n udp dport 9 ct original saddr 127.0.0.0/8 counter\n }\n}\n' | nft -f -
matched() { echo once >/dev/udp/127.0.0.1/9; nft list chain ip t c | grep -oE 'packets [0-9]+'; }
same "packets matched" "$(matched)" "packets 1"
nft -s list ruleset >"$dir/saved"
same "listed" "$(grep -oE 'ct original.*' "$dir/saved")" "ct original ip saddr 0.0.0.127 counter"
nft delete table ip t
nft -f "$dir/saved"
same "packets matched by what was listed" "$(matched)" "packets 0"
