package kernel

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// announcedAs are captured announcements of some types.
func announcedAs(f *testing.F, types ...uint16) (list []nlmsg.Message) {
	for _, m := range about(f, "announced") {
		for _, typ := range types {
			if m.Type == typ {
				list = append(list, m)
			}
		}
	}
	return list
}

func FuzzParseLink(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 3, 0, 'l', 'o', 0, 0})
	f.Add(encodeLink(encodeVLAN))
	f.Add(encodeLink(encodeUserPort))
	addData(f, about(f, "link"))
	addData(f, announcedAs(f, unix.RTM_NEWLINK, unix.RTM_DELLINK))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, o := range bothOrders() {
			bounded(t, len(data), func() {
				l, err := parseLink(o, data)
				if malformed(t, err) {
					return
				}
				isName(t, l.Name)
				for _, index := range []int{l.Index, l.Parent, l.Master, l.Conduit, l.MTU} {
					isIndex(t, index)
				}
				isAddress(t, l.Address)
				isAddress(t, l.Remote)
				if l.Index == 0 || l.VLAN.ID > maxVLAN || len(l.Kind) > maxKind || len(l.State) > len("LOWERLAYERDOWN") {
					t.Fatalf("a link is %+v", l)
				}
			})
		}
	})
}

func FuzzParseNeighbour(f *testing.F) {
	f.Add(encodeNeighbour(unix.AF_INET, []byte{192, 0, 2, 9}, []byte{2, 0, 0, 0, 0, 9}))
	f.Add(encodeNeighbour(unix.AF_BRIDGE, nil, []byte{2, 0, 0, 0, 0, 9}))
	f.Add(encodeNeighbour(unix.AF_INET6, make([]byte, 16), nil))
	addData(f, about(f, "neighbour"))
	addData(f, announcedAs(f, unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, o := range bothOrders() {
			bounded(t, len(data), func() {
				n, place, err := parseNeighbour(o, data)
				if malformed(t, err) || n == (neighbour{}) {
					return
				}
				isIndex(t, n.link)
				isAddress(t, n.mac)
				isAddress(t, place)
				if n.addr.IsValid() == (n.mac != "") {
					t.Fatalf("a neighbour has the addresses %v and %q", n.addr, n.mac)
				}
				isSaid(t, n.says(place))
			})
		}
	})
}

// FuzzLinkWatch has one watch hear many announcements, those of links before those that name them and after.
func FuzzLinkWatch(f *testing.F) {
	all := about(f, "announced")
	f.Add(datagramOf(nlmsg.Native(), all...))
	for _, m := range all {
		f.Add(datagramOf(nlmsg.Native(), m, m))
	}
	f.Fuzz(func(t *testing.T, datagram []byte) {
		messages := messagesIn(nlmsg.Native(), datagram)
		w := newLinkWatch()
		bounded(t, len(datagram), func() {
			for _, m := range messages {
				e, news, err := w.read(m)
				if malformed(t, err) && news {
					t.Fatal("an error is no news")
				}
				if !news {
					continue
				}
				isSaid(t, e.What)
				if e.Device != "" {
					isName(t, e.Device)
				}
				if e.Kind != EventLinks && e.Kind != EventRoutes {
					t.Fatalf("an event is about %q", e.Kind)
				}
			}
		})
		if n := len(w.links) + len(w.neighbours); n > len(messages) {
			t.Fatalf("%d messages made it remember %d things", len(messages), n)
		}
	})
}
