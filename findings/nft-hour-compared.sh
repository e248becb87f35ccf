#!/bin/bash
# nft 1.0.6 (Debian 12): `meta hour < "13:00"`, or `>=`, where the clock is not that of Greenwich.
# Expected: it matches when the local clock, which nft writes and lists hours by, is before that hour.
# Seen: the hour is turned into UTC and compared with the hour in UTC, and the local day does not begin at midnight UTC. So part of the day is on the wrong side:
# in Tokyo `< "09:00"` never matches and `>= "09:00"` always. Ranges (`"00:00"-"09:00"`) are right. West of Greenwich the listing of a range
# over midnight UTC can be such that nft refuses it.
source "$(dirname "$0")/lib.sh"
if outside; then debian "${nft_pinned[@]}"; fi
in_namespace
nft --version

# A zone in which the clock is past midnight now, or in the first half of UTC's day one in which it is before midnight.
hour=$(date -u +%-H)
if [ "$hour" -ge 12 ]; then zone="EAST-$((24 - hour))" compare='< "13:00"' range='"00:00"-"12:59"'; else zone="WEST+$((hour + 2))" compare='>= "10:00"' range='"10:00"-"23:59"'; fi
in_zone() { TZ=$zone "$@"; }
echo "at $(in_zone date +%H:%M) by the local clock, $(date -u +%H:%M) UTC: meta hour $compare"
in_zone nft -f - <<-NFT
	table inet t {
		chain c {
			type filter hook output priority filter; policy accept;
			udp dport 9 meta hour $compare counter comment "compared"
			udp dport 9 meta hour $range counter comment "range"
		}
	}
NFT
echo once >/dev/udp/127.0.0.1/9
counted() { nft list chain inet t c | awk -v c="\"$1\"" '$NF == c { for (i = 1; i < NF; i++) if ($i == "packets") print $(i + 1) }'; }
same "listed" "$(in_zone nft list chain inet t c | grep -c "meta hour $compare ")" "1"
same "packets matched by the range of these hours" "$(counted range)" "1"
same "packets matched by the comparison" "$(counted compared)" "0"

nft delete table inet t
tokyo() { TZ=JST-9 nft --debug=netlink -c "add table inet t; add chain inet t c; add rule inet t c meta hour $1" | grep -oE 'cmp (lt|gte) reg 1 0x[0-9a-f]+'; }
same 'in Tokyo, < "09:00" is' "$(tokyo '< "09:00"')" 'cmp lt reg 1 0x00000000'
same 'in Tokyo, >= "09:00" is' "$(tokyo '>= "09:00"')" 'cmp gte reg 1 0x00000000'

printf 'table inet t {\n chain c {\n meta hour "22:00"-"06:00" counter\n }\n}\n' | TZ=EST+5 nft -f -
TZ=EST+5 nft list ruleset >"$dir/saved"
same "in New York in winter, \"22:00\"-\"06:00\" is listed as" "$(grep -oE 'meta hour [^ ]+' "$dir/saved")" 'meta hour "1193044:28:16"-"06:00"'
same "which nft" "$(TZ=EST+5 nft -c -f "$dir/saved" >/dev/null 2>&1 && echo takes || echo refuses)" "refuses"
