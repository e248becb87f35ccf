#!/bin/bash
# ulogd 2.0.8 (Debian 12), input NFCT, filter PRINTFLOW and output LOGEMU: the log of a ping, which is ICMP type 8, code
# 0, answered by type 0.
# Expected: TYPE=8 CODE=0.
# Seen: TYPE=0 CODE=8 in both directions: the two values stand under each other's name, so that every ping is logged as an
# echo reply with a code that there is not. ulogd's JSON has them right.
source "$(dirname "$0")/lib.sh"
if outside; then
	debian "${nft_pinned[@]}" "${conntrack_pinned[@]}" ulogd2=2.0.8-1 ulogd2-json=2.0.8-1 libnfnetlink0=1.0.2-2 \
		libnetfilter-acct1=1.0.3-3 libnetfilter-log1=1.0.2-3 libjansson4=2.14-2
fi
in_namespace
tracked
{
	printf '[global]\nlogfile="%s/log"\n' "$dir"
	for plugin in inpflow_NFCT filter_IP2STR filter_PRINTFLOW output_LOGEMU output_JSON; do
		printf 'plugin="%s/ulogd/ulogd_%s.so"\n' "$LD_LIBRARY_PATH" "$plugin"
	done
	printf 'stack=ct1:NFCT,str1:IP2STR,print1:PRINTFLOW,emu1:LOGEMU\nstack=ct1:NFCT,str1:IP2STR,json1:JSON\n'
	printf '[ct1]\nhash_enable=0\nevent_mask=0x00000001\n[emu1]\nfile="%s/emu"\nsync=1\n[json1]\nfile="%s/json"\nsync=1\n' "$dir" "$dir"
} >"$dir/conf"
ulogd --version | head -1
ulogd -c "$dir/conf" >"$dir/out" 2>&1 &
daemon=$!
trap 'kill $daemon; wait' EXIT
# until_true WHAT...: wait for a command to hold, for twenty seconds at most.
until_true() { for _ in $(seq 200); do "$@" && return; sleep 0.1; done; echo "never: $*"; cat "$dir/log" "$dir/out"; exit 2; }
# Connections, each with another identifier, until ulogd listens and has told of one.
id=0
begin_one() {
	id=$((id + 1))
	conntrack -I -p icmp -s 192.0.2.1 -d 192.0.2.2 --icmp-type 8 --icmp-code 0 --icmp-id "$id" -t 300 >/dev/null 2>&1
	grep -q icmp.type "$dir/json" 2>/dev/null && grep -q ICMP "$dir/emu"
}
until_true begin_one
same "the kernel's" "$(conntrack -L -p icmp --icmp-id 1 2>/dev/null | grep -oE 'type=8 code=0')" "type=8 code=0"
same "JSON" "$(head -1 "$dir/json" | grep -oE '"icmp\.[a-z]+": [0-9]+' | sort | paste -sd ' ')" '"icmp.code": 0 "icmp.type": 8'
same "LOGEMU" "$(head -1 "$dir/emu" | grep -oE 'TYPE=[0-9]+ CODE=[0-9]+')" "TYPE=0 CODE=8
TYPE=0 CODE=8"
