package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
)

// Survey reads neighbours, the stations behind bridges, and routes. It needs no privilege.
func (k *Kernel) Survey(ctx context.Context) (*Survey, error) {
	var s *Survey
	err := retry(ctx, func() (err error) {
		s, err = k.survey(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list neighbours and routes of %s: %w", k.ns.Label(), err)
	}
	return s, nil
}

func (k *Kernel) survey(ctx context.Context) (*Survey, error) {
	sock, err := k.ns.Dial(unix.NETLINK_ROUTE, nlsock.Config{})
	if err != nil {
		return nil, err
	}
	defer sock.Close()
	s := newSurveyor()
	o := nlmsg.Native()
	for _, dump := range s.dumps() {
		b := nlmsg.NewBuilder(o, nil)
		b.Begin(dump.request, nlmsg.FlagRequest|nlmsg.FlagDump, 0)
		header := make([]byte, dump.header)
		header[0] = dump.family
		b.Raw(header)
		b.End()
		for m, err := range sock.Dump(ctx, b.Bytes()) {
			if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) {
				break // this kernel has no such family
			}
			if err == nil {
				err = dump.take(o, m)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return s.done(), nil
}

// A surveyDump is one dump that a Survey is made of, and what takes its messages.
type surveyDump struct {
	request, answer uint16
	family          byte
	header          int
	add             func(nlmsg.Order, []byte) error
}

func (s *surveyor) dumps() []surveyDump {
	return []surveyDump{
		{unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, unix.AF_INET, neighbourHeader, s.addNeighbour},
		{unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, unix.AF_INET6, neighbourHeader, s.addNeighbour},
		{unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, unix.AF_BRIDGE, neighbourHeader, s.addStation},
		{unix.RTM_GETROUTE, unix.RTM_NEWROUTE, unix.AF_INET, routeHeader, s.addRoute},
		{unix.RTM_GETROUTE, unix.RTM_NEWROUTE, unix.AF_INET6, routeHeader, s.addRoute},
	}
}

// take adds a message of the dump. Kernels that do not know a family send those of all.
func (d surveyDump) take(o nlmsg.Order, m nlmsg.Message) error {
	if m.Type != d.answer || len(m.Data) < d.header || m.Data[0] != d.family {
		return nil
	}
	return d.add(o, m.Data)
}

// A surveyor makes a Survey. The text of a prefix that several routes lead to grows in more: their number is whatever others like.
type surveyor struct {
	Survey
	more map[netip.Prefix][]byte
}

func newSurveyor() *surveyor {
	return &surveyor{
		Survey: Survey{Neighbours: map[Hop]string{}, Ports: map[Station]int{}, Routes: map[netip.Prefix]Route{}},
		more:   map[netip.Prefix][]byte{},
	}
}

// done is the Survey.
func (s *surveyor) done() *Survey {
	for prefix, text := range s.more {
		s.Routes[prefix] = Route{Text: string(text), Devices: s.Routes[prefix].Devices}
	}
	return &s.Survey
}

// addNeighbour notes where one is: kernels tell the address of the link layer of a valid one alone (neigh_fill_info, net/core/neighbour.c).
func (s *surveyor) addNeighbour(o nlmsg.Order, data []byte) error {
	n, address, err := parseNeighbour(o, data)
	if err == nil {
		s.Neighbours[Hop{Device: n.link, Addr: n.addr}] = address
	}
	return err
}

// addStation decodes an entry of a bridge's forwarding table.
func (s *surveyor) addStation(o nlmsg.Order, data []byte) error {
	port, station := int(int32(o.Uint32(data[4:]))), Station{}
	err := nlmsg.EachAttr(o, data[neighbourHeader:], func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case unix.NDA_LLADDR:
			station.Address, err = hardwareAddress(a)
		case unix.NDA_MASTER:
			station.Bridge, err = index(o, a)
		case unix.NDA_VLAN:
			if len(a.Data) >= 2 {
				station.VLAN = o.Uint16(a.Data)
			}
		}
		return err
	})
	own := o.Uint16(data[8:])&unix.NUD_PERMANENT != 0
	if err == nil && !own && port > 0 && station.Bridge != 0 && station.Address != "" {
		s.Ports[station] = port
	}
	return err
}

// addRoute decodes rtmsg and its attributes (include/uapi/linux/rtnetlink.h).
func (s *surveyor) addRoute(o nlmsg.Order, data []byte) error {
	if data[7] != unix.RTN_UNICAST || o.Uint32(data[8:])&unix.RTM_F_CLONED != 0 {
		return nil
	}
	var text, destination []byte
	var devices []int
	err := nlmsg.EachAttr(o, data[routeHeader:], func(a nlmsg.Attr) error {
		switch a.Type {
		case unix.RTA_DST:
			destination = a.Data
		case unix.RTA_OIF:
			device, err := index(o, a)
			devices = append(devices, device)
			text = fmt.Appendf(text, " device %d", device)
			return err
		case unix.RTA_GATEWAY, unix.RTA_VIA, unix.RTA_MULTIPATH, unix.RTA_TABLE, unix.RTA_PRIORITY, unix.RTA_METRICS, rtaNextHop:
			text = fmt.Appendf(text, " %d:%x", a.Type, a.Data)
		}
		return nil
	})
	if err != nil {
		return err
	}
	prefix, err := destinationOf(data[0], data[1], destination)
	if err != nil {
		return err
	}
	s.put(prefix, append(text, ';'), devices)
	return nil
}

// put adds what one route says to what others to the same prefix said.
func (s *surveyor) put(prefix netip.Prefix, text []byte, devices []int) {
	before, known := s.Routes[prefix]
	if !known {
		s.Routes[prefix] = Route{Text: string(text), Devices: devices}
		return
	}
	if s.more[prefix] == nil {
		s.more[prefix] = []byte(before.Text)
	}
	s.more[prefix] = append(s.more[prefix], text...)
	s.Routes[prefix] = Route{Devices: append(before.Devices, devices...)}
}

// rtaNextHop is RTA_NH_ID.
const rtaNextHop = 30

// NextHops tells where packets for each address go now, by a route to it alone: policy that looks at more is not asked. An address
// without a route is missing.
func (k *Kernel) NextHops(ctx context.Context, addrs []netip.Addr) (map[netip.Addr]Hop, error) {
	sock, err := k.ns.Dial(unix.NETLINK_ROUTE, nlsock.Config{})
	if err != nil {
		return nil, err
	}
	defer sock.Close()
	hops := map[netip.Addr]Hop{}
	for _, a := range addrs {
		if _, ok := hops[a]; ok {
			continue
		}
		hop, err := nextHop(ctx, sock, a)
		if err != nil {
			return nil, k.routeError(err)
		}
		if hop.Device != 0 {
			hops[a] = hop
		}
	}
	return hops, nil
}

func nextHop(ctx context.Context, sock *nlsock.Socket, a netip.Addr) (Hop, error) {
	hop := Hop{Addr: a}
	answer, err := routeTo(ctx, sock, a, 0)
	for _, data := range answer {
		if err == nil {
			hop, err = parseHop(nlmsg.Native(), data, a)
		}
	}
	return hop, err
}

// parseHop decodes the route to an address: the next hop, which is the address itself where no gateway is on the way.
func parseHop(o nlmsg.Order, data []byte, a netip.Addr) (Hop, error) {
	hop := Hop{Addr: a}
	if len(data) < routeHeader {
		return hop, fmt.Errorf("%w: a route of %d bytes", nlmsg.ErrMalformed, len(data))
	}
	err := nlmsg.EachAttr(o, data[routeHeader:], func(x nlmsg.Attr) (err error) {
		switch x.Type {
		case unix.RTA_OIF:
			hop.Device, err = index(o, x)
		case unix.RTA_GATEWAY:
			if gateway, ok := netip.AddrFromSlice(x.Data); ok {
				hop.Addr = gateway
			}
		case unix.RTA_VIA:
			if len(x.Data) > 2 {
				if gateway, ok := netip.AddrFromSlice(x.Data[2:]); ok {
					hop.Addr = gateway
				}
			}
		}
		return err
	})
	return hop, err
}
