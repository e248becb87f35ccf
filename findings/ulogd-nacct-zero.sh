#!/bin/bash
# ulogd 2.0.8 (Debian 12), input NFCT and output NACCT: a line for each connection that ended, with its packets and bytes.
# Expected: the packets and bytes that the kernel counted, as ulogd's JSON and its log of flows have them.
# Seen: 0 and 0, for every connection. Input and output are of one package; the lines are there, with times, addresses and
# ports, so that accounting goes on and counts nothing.
source "$(dirname "$0")/lib.sh"
if outside; then
	command -v python3 >/dev/null || { echo "needs python3"; exit 2; }
	debian "${nft_pinned[@]}" "${conntrack_pinned[@]}" ulogd2=2.0.8-1 ulogd2-json=2.0.8-1 libnfnetlink0=1.0.2-2 \
		libnetfilter-acct1=1.0.3-3 libnetfilter-log1=1.0.2-3 libjansson4=2.14-2
fi
in_namespace
tracked
sysctl -qw net.netfilter.nf_conntrack_acct=1
{
	printf '[global]\nlogfile="%s/log"\n' "$dir"
	for plugin in inpflow_NFCT filter_IP2STR output_NACCT output_JSON; do
		printf 'plugin="%s/ulogd/ulogd_%s.so"\n' "$LD_LIBRARY_PATH" "$plugin"
	done
	printf 'stack=ct1:NFCT,str1:IP2STR,nacct1:NACCT\nstack=ct1:NFCT,str1:IP2STR,json1:JSON\n'
	printf '[ct1]\nhash_enable=0\nevent_mask=0x00000004\n[nacct1]\nfile="%s/nacct"\nsync=1\n[json1]\nfile="%s/json"\nsync=1\n' "$dir" "$dir"
} >"$dir/conf"
ulogd --version | head -1
ulogd -c "$dir/conf" >"$dir/out" 2>&1 &
daemon=$!
trap 'kill $daemon; wait' EXIT
# until_true WHAT...: wait for a command to hold, for twenty seconds at most.
until_true() { for _ in $(seq 200); do "$@" && return; sleep 0.1; done; echo "never: $*"; cat "$dir/log" "$dir/out"; exit 2; }
# Connections of three packets, each from another port, until ulogd listens and has told of one that ended.
port=20000
end_one() {
	port=$((port + 1))
	python3 - "$port" <<-'PY'
		import socket, sys
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind(("127.0.0.1", int(sys.argv[1])))
		for _ in range(3):
		    s.sendto(b"x" * 72, ("127.0.0.1", 9))
	PY
	conntrack -D -p udp --sport "$port" >/dev/null 2>&1
	grep -q '"orig.l4.dport": 9' "$dir/json" 2>/dev/null && grep -qP '\t9\t' "$dir/nacct"
}
until_true end_one
same "JSON" "$(grep -m1 '"orig.l4.dport": 9,' "$dir/json" | grep -oE '"orig.raw.pkt[a-z]*": [0-9]+')" '"orig.raw.pktlen": 300
"orig.raw.pktcount": 3'
same "NACCT (protocol, destination, its port, packets, bytes)" "$(grep -m1 -P '\t9\t' "$dir/nacct" | cut -f 2,5-8 | tr '\t' ' ')" "17 127.0.0.1 9 0 0"
