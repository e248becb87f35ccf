#!/bin/bash
# nft 1.0.6 (Debian 12), `nft -o`: rules that ask for bits, of a connection's mark (as Calico, kube-proxy and flowtable announcements use it) and of its status.
# Expected: rules with different masks stay two rules, and what `ct status` asks for stays a bit: after -o the same packets match.
# Seen: `ct mark & 0x1 == 0x1` and `ct mark & 0x2 == 0x2` become one look-up under the first mask, where the second value can never be found.
# `ct status assured` and `ct status dnat` become a set that the whole status must equal. Packets that both pairs counted are counted no more.
source "$(dirname "$0")/lib.sh"
if outside; then
	command -v python3 >/dev/null || { echo "needs python3"; exit 2; }
	debian "${nft_pinned[@]}" "${conntrack_pinned[@]}"
fi
in_namespace
nft --version
cat >"$dir/rules" <<'NFT'
table inet t {
	chain marked {
		ct mark & 0x1 == 0x1 counter
		ct mark & 0x2 == 0x2 counter
	}
	chain known {
		ct status assured counter
		ct status dnat counter
	}
	chain begin {
		type filter hook output priority mangle; policy accept;
		ct mark set 0x2
	}
	chain input {
		type filter hook input priority filter; policy accept;
		udp dport 9 jump marked
	}
	chain output {
		type filter hook output priority filter; policy accept;
		udp sport 10 jump known
	}
}
NFT
# One packet of a connection that is confirmed, answered and assured.
conntrack -I -p udp -s 127.0.0.1 -d 127.0.0.1 --sport 10 --dport 9 -t 300 -u SEEN_REPLY,ASSURED >/dev/null 2>&1
send() { python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 10)); s.sendto(b"x", ("127.0.0.1", 9))'; }
counted() { nft list chain inet t "$1" | grep -oE 'packets [0-9]+' | awk '{ sum += $2 } END { print sum }'; }
rules() { nft list chain inet t "$1" | grep counter | sed -E 's/^\s+//; s/ counter.*//'; }

nft -f "$dir/rules"
send
same "packets counted by mark" "$(counted marked)" 1
same "packets counted by status" "$(counted known)" 1
nft delete table inet t
nft -o -f "$dir/rules" >/dev/null 2>&1
send
same "what -o makes of the rules on the mark" "$(rules marked)" "ct mark & 0x00000001 == { 0x00000001, 0x00000002 }"
same "packets counted by mark" "$(counted marked)" 0
same "what -o makes of the rules on the status" "$(rules known)" "ct status { assured, dnat }"
same "packets counted by status" "$(counted known)" 0
