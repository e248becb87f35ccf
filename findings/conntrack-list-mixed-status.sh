#!/bin/bash
# conntrack-tools 1.4.7 (Debian 12), `conntrack -L -u 'ASSURED,!EXPECTED'`: so would one list flows in software alone, 'OFFLOAD,!HW_OFFLOAD'.
# Expected: connections that are assured and were not expected by another.
# Seen: none, ever. With a negation in the list the mask for the kernel holds the negated bits alone, so that no entry can
# equal the value under it. Either word alone lists what it should.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}" "${conntrack_pinned[@]}"; fi
in_namespace
tracked
conntrack --version
conntrack -I -p udp -s 192.0.2.1 -d 192.0.2.2 --sport 1001 --dport 53 -t 300 -u SEEN_REPLY,ASSURED >/dev/null 2>&1
count() { conntrack -L -u "$1" 2>/dev/null | wc -l; }
same "ASSURED" "$(count ASSURED)" 1
same "!EXPECTED" "$(count '!EXPECTED')" 1
same "ASSURED,!EXPECTED" "$(count 'ASSURED,!EXPECTED')" 0
