package kernel

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
)

// FuzzParseSessions reads any text as /proc/net/pppoe, and joins what it says with a PPP device.
func FuzzParseSessions(f *testing.F) {
	const heading = "Id       Address              Device\n"
	for _, lines := range []string{
		"", "00000100 02:00:00:00:00:01     eth1\n", "00000100 02:00:00:00:00:01     eth1\n00003412 02:00:00:00:00:02 eth1.7890\n",
		"00000100 02:00:00:00:00:01  a\u2003b c\n", "00000100 02:00:00:00:00:01      a\nb\n", "00000100 02:00:00:00:00:01     eth1\nthis is too long for a name\n",
	} {
		f.Add(heading + lines)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, o := range bothOrders() {
			bounded(t, len(text), func() {
				sessions, err := parseSessions(o, text)
				if malformed(t, err) {
					return
				}
				links := []flowtable.Link{{Index: 1, Name: "eth1"}, {Index: 2, Name: "ppp0", Kind: "ppp"}}
				for _, s := range sessions {
					if len(s.Device) > flowtable.MaxDevice || !strings.Contains(text, s.Device) {
						t.Fatalf("a session runs over %q", s.Device)
					}
				}
				joinSessions(links, sessions)
				if device := links[1].PPPoE.Device; device != "" && device != "eth1" || links[0].PPPoE != (flowtable.PPPoE{}) {
					t.Fatalf("ppp0 runs over %q", device)
				}
			})
		}
	})
}

// FuzzFindInode reads any text as /proc/net/netlink.
func FuzzFindInode(f *testing.F) {
	const heading = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"
	f.Add(heading+"0000000000000000 12  1234       00000000 0        0        0     2        0        5678\n", uint32(1234))
	f.Add(heading+"0000000000000000 12  1234       00000000 0        0        0     2        0        5678", uint32(1))
	f.Add(heading+"0000000000000000 12  1234       00000000 0        0        0     2        0        ../x\n", uint32(1234))
	f.Fuzz(func(t *testing.T, text string, port uint32) {
		bounded(t, len(text), func() {
			inode := findInode(strings.NewReader(text), unix.NETLINK_NETFILTER, port)
			if inode == "" {
				return
			}
			if _, err := strconv.ParseUint(inode, 10, 64); err != nil || !strings.Contains(text, strconv.FormatUint(uint64(port), 10)) {
				t.Fatalf("the socket with port %d has inode %q", port, inode)
			}
		})
	})
}
