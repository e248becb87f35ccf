package kernel

import (
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

const (
	neighbourHeader = 12 // struct ndmsg
	featuresChanged = 2  // IFLA_EVENT_FEATURES: the device is otherwise what it was

	// maxAnnounced bounds how many links are remembered, and as many neighbours: whoever owns the namespace can announce
	// any number. Where it is passed all are forgotten, and what is announced again is news once more.
	maxAnnounced = 1 << 16
)

// A linkWatch reads what rtnetlink announces, and tells what is news from what repeats what was announced before.
type linkWatch struct {
	links      map[int]flowtable.Link
	neighbours map[neighbour]string // their addresses of the link layer; of a bridge's, the port
}

// A neighbour is an address at a device, or a MAC behind a bridge.
type neighbour struct {
	family byte
	link   int
	addr   netip.Addr // of what is at a device
	mac    string     // of what is behind a bridge
}

// String is the address, or the MAC.
func (n neighbour) String() string {
	if n.mac != "" {
		return n.mac
	}
	return n.addr.String()
}

func newLinkWatch() *linkWatch {
	w := &linkWatch{}
	w.forget()
	return w
}

func (w *linkWatch) forget() {
	w.links, w.neighbours = map[int]flowtable.Link{}, map[neighbour]string{}
}

func (w *linkWatch) read(m nlmsg.Message) (Event, bool, error) {
	switch m.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return w.link(m)
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		return w.route(m)
	case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
		return w.neighbour(m)
	}
	return Event{}, false, nil
}

// link reads a link's announcement. A bridge announces its ports in a family of its own, beside what is told of every link.
func (w *linkWatch) link(m nlmsg.Message) (Event, bool, error) {
	o := nlmsg.Native()
	l, err := parseLink(o, m.Data)
	if err != nil || m.Data[0] != unix.AF_UNSPEC {
		return Event{}, false, err
	}
	before, known := w.links[l.Index]
	if m.Type == unix.RTM_DELLINK {
		delete(w.links, l.Index)
		return Event{Kind: EventLinks, Device: l.Name, What: "device gone"}, true, nil
	}
	if !known && len(w.links) == maxAnnounced {
		clear(w.links)
	}
	w.links[l.Index] = l
	occasion, err := inside(o, m.Data[linkHeader:], unix.IFLA_EVENT)
	if err != nil {
		return Event{}, false, err
	}
	features := len(occasion) >= 4 && o.Uint32(occasion) == featuresChanged
	if known && before == l && !features {
		return Event{}, false, nil
	}
	what := "device changed"
	switch {
	case !known && o.Uint32(m.Data[12:]) == 1<<32-1: // ifi_change of register_netdevice
		what = "new device"
	case known && before.Name != l.Name:
		what = "device renamed from " + flowtable.Spelled(before.Name)
	case known && before.Master != l.Master:
		what = "device has another master"
	case features:
		what = "features changed"
	}
	return Event{Kind: EventLinks, Device: l.Name, What: what}, true, nil
}

// route reads a route's announcement. Those of the machine's own addresses tell nothing about forwarding.
func (w *linkWatch) route(m nlmsg.Message) (Event, bool, error) {
	r, err := parseRoute(nlmsg.Native(), m.Data)
	if err != nil {
		return Event{}, false, err
	}
	if !r.to.IsValid() || r.cached || r.kind == unix.RTN_LOCAL || r.kind == unix.RTN_BROADCAST || r.kind == unix.RTN_ANYCAST || r.kind == unix.RTN_MULTICAST {
		return Event{}, false, nil
	}
	what := "route default"
	if r.to.Bits() > 0 {
		what = "route " + r.to.String()
	}
	if m.Type == unix.RTM_DELROUTE {
		what += " gone"
	}
	e := Event{Kind: EventRoutes, What: what}
	if len(r.links) == 1 {
		e.Device = w.links[r.links[0]].Name
	}
	return e, true, nil
}

// neighbour reads a neighbour's announcement: the state of most changes all the time, the address of the link layer seldom. That one is
// gone is news too: Linux 7.2 looks neighbours up for every packet of the fast path, and asks for none. Multicast addresses have entries
// without being neighbours.
func (w *linkWatch) neighbour(m nlmsg.Message) (Event, bool, error) {
	n, place, err := parseNeighbour(nlmsg.Native(), m.Data)
	if err != nil || n == (neighbour{}) || n.addr.IsMulticast() {
		return Event{}, false, err
	}
	before, known := w.neighbours[n]
	link := n.link
	if n.family == unix.AF_BRIDGE {
		link, _ = strconv.Atoi(place)
	}
	e := Event{Kind: EventRoutes, Device: w.links[link].Name, What: n.says(place)}
	if m.Type == unix.RTM_DELNEIGH {
		if n.family == unix.AF_BRIDGE && before != place { // it was told of its new port before
			return Event{}, false, nil
		}
		delete(w.neighbours, n)
		e.What = "neighbour " + n.String() + " gone"
		return e, !known || before != "", nil // "" was told
	}
	if !known && len(w.neighbours) == maxAnnounced {
		clear(w.neighbours)
	}
	w.neighbours[n] = place
	return e, !known || before != place, nil
}

// says puts into words where a neighbour is now.
func (n neighbour) says(place string) string {
	switch {
	case place == "":
		return "neighbour " + n.String() + " does not answer"
	case n.family == unix.AF_BRIDGE:
		return n.mac + " is behind the port with index " + place
	}
	return "neighbour " + n.String() + " is at " + place
}

// parseNeighbour decodes ndmsg and its attributes (include/uapi/linux/neighbour.h): who it is, and where: the address of the link layer,
// "" if it has none; for a MAC behind a bridge, the port's index. One of another family is the zero neighbour.
func parseNeighbour(o nlmsg.Order, data []byte) (n neighbour, place string, err error) {
	if len(data) < neighbourHeader {
		return n, "", fmt.Errorf("%w: a neighbour of %d bytes", nlmsg.ErrMalformed, len(data))
	}
	family, link := data[0], max(0, int(int32(o.Uint32(data[4:]))))
	if family != unix.AF_INET && family != unix.AF_INET6 && family != unix.AF_BRIDGE {
		return n, "", nil
	}
	var addr netip.Addr
	err = nlmsg.EachAttr(o, data[neighbourHeader:], func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case unix.NDA_DST:
			addr, _ = netip.AddrFromSlice(a.Data)
		case unix.NDA_LLADDR:
			place, err = hardwareAddress(a)
		}
		return err
	})
	switch {
	case err != nil:
	case family == unix.AF_BRIDGE && place != "":
		return neighbour{family: family, mac: place}, strconv.Itoa(link), nil
	case family == unix.AF_INET && addr.Is4() || family == unix.AF_INET6 && addr.Is6():
		return neighbour{family: family, link: link, addr: addr}, place, nil
	default:
		err = fmt.Errorf("%w: a neighbour of family %d without an address of it", nlmsg.ErrMalformed, family)
	}
	return neighbour{}, "", err
}
