#!/bin/bash
# conntrack-tools 1.4.7 (Debian 12), `conntrack -L -o save` and `conntrack --load-file`.
# Expected: a connection that is saved and loaded has its mark again: rulesets steer and account by it.
# Seen: the saved line has no mark, and the connection comes back with mark 0. Zones, status and translations are kept.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}" "${conntrack_pinned[@]}"; fi
in_namespace
tracked
conntrack --version
conntrack -I -p udp -s 192.0.2.1 -d 192.0.2.2 --sport 1001 --dport 53 -t 300 -u SEEN_REPLY,ASSURED -m 5 --reply-zone 8 >/dev/null 2>&1
conntrack -L -o save 2>/dev/null >"$dir/saved"
cat "$dir/saved"
state() { conntrack -L 2>/dev/null | grep -oE 'mark=[0-9]+|zone-reply=[0-9]+|\[ASSURED\]' | sort | tr '\n' ' '; }
same "before" "$(state)" "[ASSURED] mark=5 zone-reply=8 "
conntrack -F >/dev/null 2>&1
conntrack --load-file "$dir/saved" >/dev/null 2>&1
same "saved and loaded" "$(state)" "[ASSURED] mark=0 zone-reply=8 "
