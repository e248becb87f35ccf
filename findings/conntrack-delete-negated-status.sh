#!/bin/bash
# conntrack-tools 1.4.7 (Debian 12), `conntrack -D -u '!ASSURED'`.
# Expected: what `conntrack -L -u '!ASSURED'` lists is deleted: the one of three connections that is not assured.
# Seen: all three are. -L has the kernel compare the bit under a mask; -D compares by itself, and takes a negated status as no condition.
# `-D -u ASSURED`, without the negation, deletes what it says.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}" "${conntrack_pinned[@]}"; fi
in_namespace
tracked
conntrack --version
add() { conntrack -I -p udp -s 192.0.2.1 -d 192.0.2.2 --sport "$1" --dport 53 -t 300 -u "$2" >/dev/null 2>&1; }
add 1001 SEEN_REPLY,ASSURED
add 1002 SEEN_REPLY,ASSURED
add 1003 SEEN_REPLY
ports() { grep -o 'sport=100[0-9]' | sort -u | tr '\n' ' '; }
same "listed by -L -u !ASSURED" "$(conntrack -L -u '!ASSURED' 2>/dev/null | ports)" "sport=1003 "
same "deleted by -D -u !ASSURED" "$(conntrack -D -u '!ASSURED' 2>/dev/null | ports)" "sport=1001 sport=1002 sport=1003 "
same "left" "$(conntrack -L 2>/dev/null | ports)" ""
