#!/bin/bash
# conntrack-tools 1.4.7 (Debian 12) on Linux 6.18: a connection ends, and another begins between the same addresses and
# ports.
# Expected: another id (`-o id`, CTA_ID): programs take it for the identity of one connection, and delete by it.
# Seen: often the same one. The kernel makes it of the original direction's tuple, the namespace and where the connection
# lies in memory (nf_ct_get_id), and the next one on that processor takes the place that became free. So an id beside a
# tuple does not tell a connection from the one before; a start (nf_conntrack_timestamp) does.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}" "${conntrack_pinned[@]}"; fi
in_namespace
tracked
conntrack --version
uname -r
sysctl -qw net.netfilter.nf_conntrack_timestamp=1
one() { taskset -c "$cpu" conntrack "$@" -p udp -s 192.0.2.1 -d 192.0.2.2 --sport 1001 --dport 53 2>/dev/null; }
cpu=$(taskset -cp $$ | grep -oE '[0-9]+$')
begin() { one -I -t 300 -u SEEN_REPLY,ASSURED >/dev/null; }
seen=
for _ in $(seq 200); do
	begin
	first=$(one -L -o id | grep -oE '\bid=[0-9]+')
	one -D >/dev/null
	begin
	second=$(one -L -o id | grep -oE '\bid=[0-9]+')
	one -D >/dev/null
	if [ "$first" = "$second" ]; then seen=yes; break; fi
done
echo "$first, $second"
same "two connections with one id, within 200 pairs" "$seen" yes
