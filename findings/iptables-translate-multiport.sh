#!/bin/bash
# iptables 1.8.9 (Debian 12): `iptables-translate -m multiport ! --ports 1,2,3:5`, packets neither from nor to these ports.
# Expected: a rule that such packets match, with port 4 among those that it leaves alone.
# Seen: the negation is gone, so that the rule matches what it should leave alone, and the range 3:5 is its two ends.
# `--dports` is translated right, negated or not.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${iptables_pinned[@]}" "${nft_pinned[@]}"; fi
in_namespace
iptables-translate --version
got=$(iptables-translate -A FORWARD -p tcp -m multiport ! --ports 1,2,3:5 -j DROP)
echo "$got"
same "negations in it" "$(grep -c '!=' <<<"$got" || true)" 0
same "ports in it" "$(grep -oE '0-65535 \. [0-9-]+' <<<"$got" | tr '\n' ',')" "0-65535 . 1,0-65535 . 2,0-65535 . 3,0-65535 . 5,"
same "of --dports" "$(iptables-translate -A FORWARD -p tcp -m multiport ! --dports 1,2,3:5 -j DROP)" \
	"nft 'add rule ip filter FORWARD ip protocol tcp tcp dport != { 1, 2, 3-5 } counter drop'"
