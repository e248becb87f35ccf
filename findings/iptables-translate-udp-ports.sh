#!/bin/bash
# iptables 1.8.9 (Debian 12): iptables-translate and the ports of UDP.
# Expected: nft rules that match what the iptables rules match, or a comment where there is none.
# Seen: `! --dport FIRST:LAST` loses its negation (`! --sport` does not, nor does TCP), and all ports, `0:65535`, become no match at all: not even the protocol
# is left, so that a rule about UDP drops everything.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}" "${iptables_pinned[@]}"; fi
in_namespace
iptables-translate --version
translated() { iptables-translate -A INPUT "$@" | sed "s/nft '\(.*\)'/\1/"; }
same "-p udp ! --sport 1:1023" "$(translated -p udp ! --sport 1:1023 -j DROP)" "add rule ip filter INPUT udp sport != 1-1023 counter drop"
same "-p udp ! --dport 1:1023" "$(translated -p udp ! --dport 1:1023 -j DROP)" "add rule ip filter INPUT udp dport 1-1023 counter drop"
all="$(translated -p udp --dport 0:65535 -j DROP)"
same "-p udp --dport 0:65535" "$all" "add rule ip filter INPUT counter drop"

# What the last one drops, by either program: a connection of TCP.
reached() { timeout 2 bash -c ': </dev/tcp/127.0.0.1/9' 2>/dev/null && echo accepted && return; [ $? = 124 ] && echo nothing || echo refused; }
iptables-nft -A INPUT -p udp --dport 0:65535 -j DROP
same "TCP to a closed port, with the rule of iptables, is" "$(reached)" "refused"
nft delete table ip filter
printf 'add table ip filter\nadd chain ip filter INPUT { type filter hook input priority filter; }\n%s\n' "$all" | nft -f -
same "with its translation it gets" "$(reached)" "nothing"
