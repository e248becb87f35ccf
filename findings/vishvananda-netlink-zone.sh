#!/bin/bash
# github.com/vishvananda/netlink v1.3.1: ConntrackUpdate of a flow that ConntrackTableList listed, in a zone other than 0,
# with another mark.
# Expected: that flow gets the mark. The library reads zones: the flow's Zone is 5.
# Seen: the zone is not sent. The connection in zone 0 with the same addresses and ports, another tenant's, gets the mark
# and the timeout, without an error; where there is none the error is ENOENT. ConntrackCreate puts what was listed in zone
# 5 into zone 0.
source "$(dirname "$0")/lib.sh"
if outside; then
	command -v go >/dev/null || { echo "needs Go"; exit 2; }
	debian "${nft_pinned[@]}" "${conntrack_pinned[@]}"
	modules github.com/vishvananda/netlink@v1.3.1 <<'GO'
package main

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func main() {
	flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
	if err != nil {
		panic(err)
	}
	for _, f := range flows {
		if f.Zone != 5 {
			continue
		}
		f.Mark = 7
		fmt.Println("update:", netlink.ConntrackUpdate(netlink.ConntrackTable, unix.AF_INET, f))
		f.Forward.SrcPort, f.Reverse.DstPort = 1002, 1002
		fmt.Println("create:", netlink.ConntrackCreate(netlink.ConntrackTable, unix.AF_INET, f))
	}
}
GO
fi
in_namespace
tracked
conntrack --version
add() { conntrack -I -p udp -s 192.0.2.1 -d 192.0.2.2 --sport 1001 --dport 53 -t 300 -u SEEN_REPLY,ASSURED "$@" >/dev/null 2>&1; }
add -m 1
add -m 2 -w 5
in_zone() { conntrack -L -w "$1" 2>/dev/null | grep -oE 'sport=1[0-9]+|mark=[0-9]+' | paste -sd ' \n' | sort; }
same "zone 0 before" "$(in_zone 0)" "sport=1001 mark=1"
same "zone 5 before" "$(in_zone 5)" "sport=1001 mark=2"
same "vishvananda/netlink, of the flow in zone 5" "$("$dir/program")" "update: <nil>
create: <nil>"
same "zone 0 after" "$(in_zone 0)" "sport=1001 mark=7
sport=1002 mark=7"
same "zone 5 after" "$(in_zone 5)" "sport=1001 mark=2"
