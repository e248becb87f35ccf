#!/bin/bash
# fail2ban 1.0.2 and nft 1.0.6 (Debian 12), action `nftables`: two addresses are banned, another program flushes the ruleset, a third address is banned.
# Expected: fail2ban sees that its table is gone, makes it again, and the set holds all three: its own status lists all three.
# Seen: the set holds the third alone. The first two stand as banned in `fail2ban-client status`, and nothing is refused to them: each comes back only
# when it is caught once more, or the service starts anew.
source "$(dirname "$0")/lib.sh"
if outside; then
	command -v python3 >/dev/null || { echo "needs python3"; exit 2; }
	debian "${nft_pinned[@]}" fail2ban=1.0.2-2
fi
in_namespace
export PYTHONPATH="$dir/root/usr/lib/python3/dist-packages"
mkdir "$dir/etc"
cp -r "$dir/root/etc/fail2ban/." "$dir/etc"
touch "$dir/watched"
rm -rf "$dir/etc/jail.d"
printf '[Definition]\ndbfile = :memory:\n' >"$dir/etc/fail2ban.local"
cat >"$dir/etc/jail.local" <<JAIL
[door]
enabled = true
backend = polling
logpath = $dir/watched
filter = sshd
banaction = nftables
action = nftables[name=door, port=22, protocol=tcp]
bantime = 1h
JAIL
client() { python3 "$dir/root/usr/bin/fail2ban-client" -c "$dir/etc" -s "$dir/sock" -p "$dir/pid" "$@"; }
python3 "$dir/root/usr/bin/fail2ban-server" -f -c "$dir/etc" -s "$dir/sock" -p "$dir/pid" --logtarget="$dir/log" start >"$dir/out" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null || true' EXIT
# until_true WHAT...: wait for a command to hold, for thirty seconds at most.
until_true() { for _ in $(seq 150); do "$@" && return; sleep 0.2; done; echo "never: $*"; cat "$dir/out" "$dir/log"; exit 2; }
held() { nft list set inet f2b-table addr-set-door 2>/dev/null | grep -oE '203\.0\.113\.[0-9]+' | sort | tr '\n' ' ' || true; }
holds() { [ "$(held)" = "$1" ]; }
ready() { client ping >/dev/null 2>&1 && client status door >/dev/null 2>&1; }

until_true ready
client --version | head -1
client set door banip 203.0.113.1 203.0.113.2 >/dev/null
until_true holds "203.0.113.1 203.0.113.2 "
nft flush ruleset
client set door banip 203.0.113.3 >/dev/null
has3() { held | grep -q '203.0.113.3'; }
until_true has3
same "the set, after a flush and a third ban" "$(held)" "203.0.113.3 "
same "fail2ban's status" "$(client status door | grep -oE 'Banned IP list:.*' | tr -s '\t ' ' ')" "Banned IP list: 203.0.113.1 203.0.113.2 203.0.113.3"
client set door banip 203.0.113.1 >/dev/null
has1() { held | grep -q '203.0.113.1'; }
until_true has1
same "the set, after the first was banned once more" "$(held)" "203.0.113.1 203.0.113.3 "
