#!/bin/bash
# libnetfilter_conntrack 1.0.9 (Debian 12), the XML of `conntrack -L -o xml` for SCTP, and for ICMP.
# Expected: what the line of `conntrack -L` says.
# Seen: an SCTP connection that is ESTABLISHED has <state>FIN_WAIT</state>, for the name is looked up among the states of TCP. ICMP has
# an empty <layer4>: neither type nor identifier, so that two pings between the same hosts are the same but for <id>.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}" "${conntrack_pinned[@]}"; fi
in_namespace
tracked
conntrack --version
conntrack -I -p sctp -s 192.0.2.1 -d 192.0.2.2 --sport 1001 --dport 5060 -t 300 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2 >/dev/null 2>&1
conntrack -I -p icmp -s 192.0.2.1 -d 192.0.2.2 --icmp-type 8 --icmp-code 0 --icmp-id 77 -t 300 >/dev/null 2>&1
same "SCTP, as a line" "$(conntrack -L -p sctp 2>/dev/null | grep -o ESTABLISHED)" ESTABLISHED
same "SCTP, as XML" "$(conntrack -L -p sctp -o xml 2>/dev/null | grep -oE '<state>.*</state>')" "<state>FIN_WAIT</state>"
same "ICMP, as a line" "$(conntrack -L -p icmp 2>/dev/null | grep -oE 'type=8 code=0 id=77')" "type=8 code=0 id=77"
same "ICMP, as XML" "$(conntrack -L -p icmp -o xml 2>/dev/null | grep -oP '<layer4.*?</layer4>' | sort -u)" '<layer4 protonum="1" protoname="icmp"></layer4>'
