#!/bin/bash
# iptables 1.8.9 and nft 1.0.6 (Debian 12): `iptables-translate -j CONNMARK --set-xmark 0x10/0xf0`, the usual way to set one field of a connection's mark.
# Expected: a rule that clears the bits 0xf0 and sets 0x10; MARK's `--set-xmark 0x10/0xf0` is translated so.
# Seen: `ct mark set ct mark xor 0x10 and 0xffffff0f`. In nft `and` binds closer, so that 0x10 is masked away: nft loads a rule that sets the mark to
# what it is, without a warning, and connections that were marked by iptables are not by its translation.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}" "${iptables_pinned[@]}"; fi
in_namespace
nft --version
iptables-translate --version
translated=$(iptables-translate -t mangle -A OUTPUT -j CONNMARK --set-xmark 0x10/0xf0)
same "translated" "$translated" "nft 'add rule ip mangle OUTPUT counter ct mark set ct mark xor 0x10 and 0xffffff0f'"
nft -f - <<'NFT'
add table ip mangle
add chain ip mangle OUTPUT { type route hook output priority mangle; policy accept; }
NFT
rule=${translated#nft \'}
nft "${rule%\'}"
same "loaded" "$(nft list chain ip mangle OUTPUT | grep -oE 'ct mark.*')" "ct mark set ct mark"
