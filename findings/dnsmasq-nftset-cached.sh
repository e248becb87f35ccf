#!/bin/bash
# dnsmasq 2.90 and nft 1.0.6 (Debian 12), `nftset=/example.org/4#inet#filter#v4`: put the addresses of answers into a set, which is then flushed or made anew.
# Expected: the next answer that a client gets for the name fills the set again.
# Seen: answers from the cache touch no set. The client gets its address, the set stays empty, and nothing is logged, until the record's time to live is
# over. With a TTL of a day a firewall that was reloaded treats the name's connections as a stranger's for a day.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}" dnsmasq-base=2.90-4~deb12u2 libnetfilter-conntrack3=1.0.9-3; fi
in_namespace
dnsmasq --version | head -1
nft add table inet filter
nft add set inet filter v4 '{ type ipv4_addr; }'

common=(--keep-in-foreground --no-resolv --no-hosts --user=root --bind-interfaces --listen-address=127.0.0.1)
dnsmasq --conf-file=/dev/null --pid-file="$dir/1" "${common[@]}" --port=5300 --host-record=example.org,203.0.113.1 --local-ttl=86400 2>"$dir/log1" &
upstream=$!
dnsmasq --conf-file=/dev/null --pid-file="$dir/2" "${common[@]}" --port=5301 --server=127.0.0.1#5300 --nftset=/example.org/4#inet#filter#v4 --log-queries --log-facility=- 2>"$dir/log2" &
resolver=$!
trap 'kill $upstream $resolver' EXIT

# until WHAT...: wait for a command to hold, for ten seconds at most.
until_true() { for _ in $(seq 100); do "$@" && return; sleep 0.1; done; echo "never: $*"; cat "$dir"/log?; exit 2; }
ask() { printf '\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01' >/dev/udp/127.0.0.1/5301; }
answers() { grep -cE "$1 example.org is 203.0.113.1" "$dir/log2" || true; }
held() { nft list set inet filter v4 | grep -oE 'elements = .*' || echo empty; }
answered() { ask; [ "$(answers "$1")" -ge 1 ]; }
filled() { [ "$(held)" != empty ]; }

until_true answered reply
until_true filled
same "after the first answer" "$(held)" "elements = { 203.0.113.1 }"
nft flush set inet filter v4
until_true answered cached
# What it does for an answer it does before it waits for the next question: a second cached answer says that the first was dealt with.
before=$(answers cached); ask; later() { [ "$(answers cached)" -gt "$before" ]; }
until_true later
same "after the set was flushed and cached answers were given" "$(held)" "empty"
