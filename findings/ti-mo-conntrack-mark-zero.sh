#!/bin/bash
# github.com/ti-mo/conntrack v0.6.0: Update of a flow that was read, with its Mark set to 0.
# Expected: mark 0: Mark is documented among what an update considers, and another mark is set so.
# Seen: the mark stays, without an error: a mark of 0 is not sent. So a mark that steers or counts a connection can be
# given and changed, and never taken back whole.
source "$(dirname "$0")/lib.sh"
if outside; then
	command -v go >/dev/null || { echo "needs Go"; exit 2; }
	debian "${nft_pinned[@]}" "${conntrack_pinned[@]}"
	modules github.com/ti-mo/conntrack@v0.6.0 <<'GO'
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/ti-mo/conntrack"
)

func main() {
	c, err := conntrack.Dial(nil)
	if err != nil {
		panic(err)
	}
	flows, err := c.Dump(nil)
	if err != nil {
		panic(err)
	}
	mark, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	for _, f := range flows {
		f.Mark = uint32(mark)
		fmt.Println(c.Update(f))
	}
}
GO
fi
in_namespace
tracked
conntrack --version
conntrack -I -p udp -s 192.0.2.1 -d 192.0.2.2 --sport 1001 --dport 53 -t 300 -u SEEN_REPLY,ASSURED -m 5 >/dev/null 2>&1
mark() { conntrack -L 2>/dev/null | grep -oE 'mark=[0-9]+'; }
same "before" "$(mark)" "mark=5"
same "update to 6" "$("$dir/program" 6)" "<nil>"
same "after" "$(mark)" "mark=6"
same "update to 0" "$("$dir/program" 0)" "<nil>"
same "after" "$(mark)" "mark=6"
conntrack -U -s 192.0.2.1 -m 0 >/dev/null 2>&1
same "conntrack -U -m 0" "$(mark)" "mark=0"
