#!/bin/bash
# nft 1.0.6 (Debian 12): `ct state != established,related drop`, to keep out what is neither.
# Expected: the opposite of `ct state established,related`, which matches what is in either state.
# Seen: the state is compared with both bits together, which no packet has. So the rule drops everything, established connections too. `!= { established,
# related }` and `ct state ! established,related` do what is meant. It is the same with `tcp flags != syn,ack` and `ct status != snat,dnat`.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version
nft -f - <<-'NFT'
	table inet t {
		chain c {
			type filter hook input priority filter; policy accept;
			udp dport 9 ct state != established,related counter comment "comma"
			udp dport 9 ct state != { established, related } counter comment "set"
			udp dport 9 ct state ! established,related counter comment "bang"
			udp dport 9 ct state established,related counter comment "either"
		}
	}
NFT
# A socket that answers itself: what it sends is received at the other end of the same connection, and the third packet is established.
python3 - <<-'PY'
	import socket
	a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
	b.bind(("127.0.0.1", 9))
	a.connect(("127.0.0.1", 9))
	a.send(b"1")
	_, who = b.recvfrom(9)
	b.sendto(b"2", who)
	a.recv(9)
	for _ in range(5):
	    a.send(b"3")
	    b.recv(9)
PY
counted() { nft list chain inet t c | awk -v c="\"$1\"" '$NF == c { for (i = 1; i < NF; i++) if ($i == "packets") print $(i + 1) }'; }
same "of six packets, five of them established, match ct state established,related" "$(counted either)" "5"
same "match ct state != { established, related }" "$(counted set)" "1"
same "match ct state ! established,related" "$(counted bang)" "1"
same "match ct state != established,related" "$(counted comma)" "6"
