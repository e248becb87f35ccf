#!/bin/bash
# keepalived 2.2.7 (Debian 12), `no_accept` and `nftables`: whoever holds the virtual address must not answer packets to it, which a table of keepalived's own drops.
# Then another program flushes the ruleset, as `systemctl reload nftables` does with Debian's /etc/nftables.conf.
# Expected: the table comes back, at the next change to MASTER at the latest, or a reload brings it, or at least an error is logged.
# Seen: none of it. keepalived makes the table when it first needs it and remembers that it did; the address it adds to the set at a later change goes to
# nobody, in silence. The host answers packets to the address for as long as keepalived runs.
source "$(dirname "$0")/lib.sh"
if outside; then
	debian "${nft_pinned[@]}" keepalived=1:2.2.7-1+b2 libnl-3-200=3.7.0-0.2+b1 libnl-genl-3-200=3.7.0-0.2+b1 libsnmp40=5.9.3+dfsg-2+deb12u1 libglib2.0-0=2.74.6-2+deb12u9 \
		libpci3=1:3.9.0-4 libsensors5=1:3.6.0-7.1 libwrap0=7.6.q-32
fi
in_namespace
export LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$dir/root/lib/$(uname -m)-linux-gnu"
keepalived --version 2>&1 | sed -n 1p
ip link add lan0 type veth peer name lan1
ip link set lan1 up
ip link set lan0 up
ip address add 192.0.2.2/24 dev lan0
cat >"$dir/conf" <<-'CONF'
	global_defs {
		nftables keepalived
		vrrp_version 3
	}
	vrrp_instance a {
		state BACKUP
		interface lan0
		virtual_router_id 7
		priority 100
		advert_int 0.1
		no_accept
		virtual_ipaddress {
			192.0.2.1/24
		}
	}
CONF
keepalived --dont-fork --log-console --vrrp --use-file "$dir/conf" --pid "$dir/pid" --vrrp_pid "$dir/vrrp.pid" >"$dir/log" 2>&1 &
pid=$!
trap 'kill $pid; wait $pid || true' EXIT

# until_true WHAT...: wait for a command to hold, for twenty seconds at most.
until_true() { for _ in $(seq 200); do "$@" && return; sleep 0.1; done; echo "never: $*"; cat "$dir/log"; exit 2; }
logged() { [ "$(grep -c "$1" "$dir/log")" -ge "$2" ]; }
holds() { ip address show lan0 | grep -q 'inet 192.0.2.1/'; }
gone() { ! holds; }
answer() { # what a connection to a port that nobody listens at gets
	timeout 2 bash -c ': </dev/tcp/192.0.2.1/9' 2>/dev/null && echo accepted && return
	[ $? = 124 ] && echo nothing || echo refused
}

until_true logged 'Entering MASTER STATE' 1
until_true holds
same "a packet to the virtual address gets" "$(answer)" "nothing"
nft flush ruleset
ip link set lan0 down
until_true gone
ip link set lan0 up
until_true logged 'Entering MASTER STATE' 2
until_true holds
same "after a flush, and another change to MASTER, it gets" "$(answer)" "refused"
kill -HUP "$pid"
until_true logged 'Reload complete' 1
until_true holds
same "after a reload of keepalived it gets" "$(answer)" "refused"
same "tables" "$(nft list tables)" ""
same "errors in the log" "$(grep -ciE 'nftables|netlink error|fail|ENOENT' "$dir/log" || true)" "0"
