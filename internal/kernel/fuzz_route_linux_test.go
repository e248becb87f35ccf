package kernel

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

func FuzzParseRoute(f *testing.F) {
	f.Add([]byte{2, 0, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0, 8, 0, 4, 0, 1, 0, 0, 0})
	f.Add([]byte{2, 0, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0, 12, 0, 9, 0, 8, 0, 0, 0, 1, 0, 0, 0})
	f.Add([]byte{10, 0, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0, 20, 0, 1, 0, 32, 1, 13, 184, 31: 1}) // a default route with an address
	addData(f, about(f, "route", "way"))
	addData(f, announcedAs(f, unix.RTM_NEWROUTE, unix.RTM_DELROUTE))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, o := range bothOrders() {
			bounded(t, len(data), func() {
				r, err := parseRoute(o, data)
				if malformed(t, err) {
					return
				}
				for _, link := range r.links {
					isIndex(t, link)
				}
				if r.to.IsValid() != (r.family == unix.AF_INET || r.family == unix.AF_INET6) || r.isDefault() && r.far() {
					t.Fatalf("a route is %+v", r)
				}
			})
		}
	})
}

// FuzzParseHop decodes what the kernel answers to who asks for the way to an address, and rules on the way.
func FuzzParseHop(f *testing.F) {
	for _, m := range about(f, "way", "route", "rule") {
		f.Add(m.Data, []byte{198, 51, 100, 7})
		f.Add(m.Data, netip.MustParseAddr("2001:db8:2::7").AsSlice())
	}
	f.Fuzz(func(t *testing.T, data, to []byte) {
		addr, ok := netip.AddrFromSlice(to)
		if !ok {
			return
		}
		for _, o := range bothOrders() {
			bounded(t, len(data), func() {
				hop, err := parseHop(o, data, addr)
				if !malformed(t, err) {
					isIndex(t, hop.Device)
					if !hop.Addr.IsValid() {
						t.Fatal("the next hop has no address")
					}
				}
				device, own, err := parseWay(o, data)
				if !malformed(t, err) {
					isIndex(t, device)
					if own && data[7] != unix.RTN_LOCAL {
						t.Fatal("the address is not the machine's own")
					}
				}
				if isPlainRule(data) && data[4] == 0 {
					t.Fatal("a rule to no table is plain")
				}
			})
		}
	})
}

// FuzzSurvey makes a Survey of a datagram with what each of its dumps would take.
func FuzzSurvey(f *testing.F) {
	all := about(f, "neighbour", "route")
	f.Add(datagramOf(nlmsg.LittleEndian, all...))
	f.Add(datagramOf(nlmsg.BigEndian, all...))
	for _, m := range all {
		f.Add(datagramOf(nlmsg.LittleEndian, m, m))
	}
	f.Fuzz(func(t *testing.T, datagram []byte) {
		for _, o := range bothOrders() {
			var s *Survey
			messages := messagesIn(o, datagram)
			bounded(t, len(datagram), func() {
				maker := newSurveyor()
				for _, dump := range maker.dumps() {
					for _, m := range messages {
						malformed(t, dump.take(o, m))
					}
				}
				s = maker.done()
			})
			holdSurvey(t, s)
			if n := len(s.Neighbours) + len(s.Ports) + len(s.Routes); n > len(messages) {
				t.Fatalf("%d messages made %d things", len(messages), n)
			}
		}
	})
}

// holdSurvey fails where a Survey says what cannot be.
func holdSurvey(t *testing.T, s *Survey) {
	for hop, address := range s.Neighbours {
		isIndex(t, hop.Device)
		isAddress(t, address)
		if !hop.Addr.IsValid() {
			t.Fatal("a neighbour has no address")
		}
	}
	for station, port := range s.Ports {
		isIndex(t, port)
		isAddress(t, station.Address)
		if port == 0 || station.Bridge <= 0 || station.Address == "" {
			t.Fatalf("%+v is behind port %d", station, port)
		}
	}
	for prefix, route := range s.Routes {
		if !prefix.IsValid() || prefix != prefix.Masked() || route.Text == "" {
			t.Fatalf("the route to %v is %+v", prefix, route)
		}
		for _, device := range route.Devices {
			isIndex(t, device)
		}
	}
}
