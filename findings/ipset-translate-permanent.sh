#!/bin/bash
# ipset 7.17 and nft 1.0.6 (Debian 12): `ipset-translate restore` of a set with a timeout, in which one entry is permanent
# (`timeout 0`), and of a set of networks with an exception (`nomatch`).
# Expected: the permanent entry stays, and what is excepted does not match; or a warning of what cannot be said.
# Seen: `timeout 0s`, which nft and kernel take for no timeout of its own, so that the entry ends after that of the set:
# an allow-list is empty five minutes later. The exception becomes an element like the others, which nft refuses beside
# its network, and takes alone. No warning for either.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}" ipset=7.17-1 libipset13=7.17-1; fi
in_namespace
nft --version
ipset --version 2>/dev/null | head -1
cat >"$dir/guests" <<'IPSET'
create guests hash:ip timeout 300
add guests 192.0.2.1 timeout 60
add guests 192.0.2.3 timeout 0
IPSET
cat >"$dir/nets" <<'IPSET'
create nets hash:net
add nets 198.51.100.0/24
add nets 198.51.100.7/32 nomatch
IPSET
ipset restore <"$dir/guests"
ipset restore <"$dir/nets"
same "ipset's permanent entry" "$(ipset list guests | grep 192.0.2.3)" "192.0.2.3 timeout 0"
same "ipset's exception" "$(ipset test nets 198.51.100.7 >/dev/null 2>&1 && echo matches || echo 'does not match')" "does not match"
for set in guests nets; do
	ipset-translate restore <"$dir/$set" >"$dir/$set.nft" 2>"$dir/warnings"
	same "warnings for $set" "$(cat "$dir/warnings")" ""
done
nft -f "$dir/guests.nft"
entry() { nft list set inet global guests | grep -oE '192\.0\.2\.3 [^,}]*' | sed -E 's/expires [34]m.*/expires within 5 minutes/'; }
same "nft's permanent entry" "$(entry)" "192.0.2.3 expires within 5 minutes"
same "the exception, translated" "$(tail -1 "$dir/nets.nft")" "add element inet global nets { 198.51.100.7 }"
same "which nft" "$(nft -f "$dir/nets.nft" 2>&1 | grep -m1 -oE 'Error.*')" "Error: conflicting intervals specified"
