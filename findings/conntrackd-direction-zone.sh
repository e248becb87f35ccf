#!/bin/bash
# conntrackd 1.4.7 (Debian 12), two nodes that tell each other of connections: one in zone 5, and one in zone 5 of the
# original direction only (`ct original zone set 5`, which routers use whose tenants share addresses), are told to the
# other node, and put into its kernel there (`conntrackd -c`, failover).
# Expected: the zones are kept.
# Seen: `zone=5` is, `zone-orig=5` is not: the connection is in zone 0 of the other kernel, where no packet of it is
# looked up. It begins anew there.
source "$(dirname "$0")/lib.sh"
if outside; then
	debian "${nft_pinned[@]}" "${conntrack_pinned[@]}" conntrackd=1:1.4.7-1+b2 \
		libnetfilter-cthelper0=1.0.1-1 libnetfilter-queue1=1.0.5-3 libnfnetlink0=1.0.2-2
fi
in_namespace
unshare --net sleep 300 &
peer=$!
daemons=()
trap 'kill "${daemons[@]}" $peer 2>/dev/null; wait' EXIT
there() { nsenter --target "$peer" --net "$@"; }
# until_true WHAT...: wait for a command to hold, for twenty seconds at most.
until_true() { for _ in $(seq 200); do "$@" && return; sleep 0.1; done; echo "never: $*"; cat "$dir"/*.log; exit 2; }
elsewhere() { [ "$(readlink "/proc/$peer/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
until_true elsewhere
ip link add sync1 type veth peer name sync2 netns "$peer"
ip addr add 192.0.2.1/24 dev sync1
ip link set sync1 up
there ip addr add 192.0.2.2/24 dev sync2
there ip link set sync2 up
tracked
for node in 1 2; do
	cat >"$dir/$node.conf" <<-CONF
		Sync {
			Mode NOTRACK {
				CommitTimeout 180
			}
			UDP {
				IPv4_address 192.0.2.$node
				IPv4_Destination_Address 192.0.2.$((3 - node))
				Port 3780
				Interface sync$node
			}
		}
		General {
			LockFile $dir/$node.lock
			LogFile $dir/$node.log
			UNIX {
				Path $dir/$node.sock
			}
			Filter From Userspace {
				Protocol Accept {
					TCP
				}
			}
		}
	CONF
done
conntrackd -v | head -1
conntrackd -C "$dir/1.conf" >/dev/null 2>&1 & daemons+=($!)
nsenter --target "$peer" --net conntrackd -C "$dir/2.conf" >/dev/null 2>&1 & daemons+=($!)
runs() { conntrackd -C "$dir/1.conf" -s >/dev/null 2>&1 && there conntrackd -C "$dir/2.conf" -s >/dev/null 2>&1; }
until_true runs
add() { conntrack -I -p tcp -s 198.51.100.1 -d 203.0.113.1 --sport "$1" --dport 80 \
	--state ESTABLISHED -t 300 -u SEEN_REPLY,ASSURED "${@:2}" >/dev/null 2>&1; }
add 1001 -w 5
add 1002 --orig-zone 5
told() { [ "$(there conntrackd -C "$dir/2.conf" -e | grep -c 'sport=100')" = 2 ]; }
until_true told
there conntrackd -C "$dir/2.conf" -c >/dev/null 2>&1
listed() { # COMMAND...: ports and zones, as the command sees the table
	"$@" conntrack -L -p tcp 2>/dev/null |
		awk '{ out = ""; for (i = 1; i <= NF; i++) if ($i ~ /^(sport=100|zone)/) out = out " " $i; print substr(out, 2) }' | sort
}
committed() { [ "$(listed there | wc -l)" = 2 ]; }
until_true committed
same "connections on the one node" "$(listed env)" "sport=1001 zone=5
sport=1002 zone-orig=5"
same "on the other" "$(listed there)" "sport=1001 zone=5
sport=1002"
