#!/bin/bash
# conntrack-tools 1.4.7 (Debian 12), `conntrack -I -m 5 -u SEEN_REPLY,ASSURED`: a connection with a mark and a status.
# Expected: mark 5, whichever of the two options stands first.
# Seen: with -u behind -m the mark is 6, the bits of the status (SEEN_REPLY 2, ASSURED 4), without an error; the other way round it is 5.
# With -U it is the same: -u ASSURED behind -m 9 makes mark 4.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}" "${conntrack_pinned[@]}"; fi
in_namespace
tracked
conntrack --version
insert() { conntrack -I -p udp -s 192.0.2.1 -d 192.0.2.2 --sport "$1" --dport 53 -t 300 "${@:2}" >/dev/null 2>&1; }
mark() { conntrack -L -p udp --sport "$1" 2>/dev/null | grep -oE 'mark=[0-9]+'; }
insert 1001 -u SEEN_REPLY,ASSURED -m 5
insert 1002 -m 5 -u SEEN_REPLY,ASSURED
same "inserted with -u ... -m 5" "$(mark 1001)" mark=5
same "inserted with -m 5 -u ..." "$(mark 1002)" mark=6
conntrack -U -s 192.0.2.1 -m 9 -u ASSURED >/dev/null 2>&1
same "updated with -m 9 -u ASSURED" "$(mark 1001)" mark=4
