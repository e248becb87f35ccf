package offload

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
)

// The devices of a scene, by index.
const (
	bridge = iota + 1
	portA
	portB
	guest // a VLAN on the bridge
	plainWAN
	session
)

var (
	client = netip.MustParseAddr("192.0.2.2")
	server = netip.MustParseAddr("198.51.100.2")
)

// sceneOf is a router with a bridge, a VLAN on it, a plain device and a PPPoE session, where a client is known.
func sceneOf(change func(*scene)) *scene {
	s := &scene{
		Survey: &Survey{
			Neighbours: map[Hop]string{{Device: bridge, Addr: client}: "02:00:00:00:00:02", {Device: plainWAN, Addr: server}: "02:00:00:00:00:03"},
			Ports:      map[Station]int{{Bridge: bridge, Address: "02:00:00:00:00:02"}: portA},
			Routes: map[netip.Prefix]Route{
				netip.MustParsePrefix("192.0.2.0/24"): {Text: "bridge", Devices: []int{bridge}},
				netip.MustParsePrefix("0.0.0.0/0"):    {Text: "wan", Devices: []int{plainWAN}},
			},
		},
		links: map[int]flowtable.Link{}, direct: map[int]bool{},
	}
	for _, l := range []flowtable.Link{
		{Index: bridge, Name: "br0", Kind: "bridge"}, {Index: portA, Name: "a", Kind: "veth", Master: bridge}, {Index: portB, Name: "b", Kind: "veth", Master: bridge},
		{Index: guest, Name: "br0.5", Kind: "vlan", Parent: bridge}, {Index: plainWAN, Name: "wan0"}, {Index: session, Name: "ppp0", Kind: "ppp", PPPoE: flowtable.PPPoE{Device: "wan0", Session: 1}},
	} {
		l.MTU, l.Address = 1500, "02:00:00:00:00:01"
		s.links[l.Index] = l
	}
	for i := range s.links {
		s.direct[i] = s.copies(i)
	}
	if change != nil {
		change(s)
	}
	return s
}

// judged is what is said of a flow from the client to the server after a change.
func judged(before, after *scene) string {
	c := after.changeSince(before)
	e := conntrack.Entry{Orig: conntrack.Tuple{Src: netip.AddrPortFrom(client, 1), Dst: netip.AddrPortFrom(server, 2)},
		Reply: conntrack.Tuple{Src: netip.AddrPortFrom(server, 2), Dst: netip.AddrPortFrom(client, 1)}}
	hops := map[netip.Addr]Hop{client: {Device: bridge, Addr: client}, server: {Device: plainWAN, Addr: server}}
	return c.staleOf([]conntrack.Entry{e}, hops, after, nil)[e.Key()].Why
}

func TestDevicesThatCopyTheWay(t *testing.T) {
	s := sceneOf(nil)
	assert.Equal(t, map[int]bool{bridge: true, portA: false, portB: false, guest: true, plainWAN: false, session: true}, s.direct)
	s.links[guest] = flowtable.Link{Index: guest, Kind: "vlan", Parent: guest}
	assert.False(t, s.copies(guest), "a loop ends")
	assert.False(t, s.copies(99))
}

func TestChangesThatMakeStale(t *testing.T) {
	setMTU := func(s *scene, index, mtu int) {
		l := s.links[index]
		l.MTU = mtu
		s.links[index] = l
	}
	for name, c := range map[string]struct {
		change func(*scene)
		want   string
	}{
		"nothing":       {func(*scene) {}, ""},
		"address":       {func(s *scene) { s.Neighbours[Hop{Device: bridge, Addr: client}] = "02:00:00:00:00:09" }, "the neighbour 192.0.2.2 on br0 was 02:00:00:00:00:02 and is 02:00:00:00:00:09"},
		"plain address": {func(s *scene) { s.Neighbours[Hop{Device: plainWAN, Addr: server}] = "02:00:00:00:00:09" }, ""},
		"port":          {func(s *scene) { s.Ports[Station{Bridge: bridge, Address: "02:00:00:00:00:02"}] = portB }, "02:00:00:00:00:02 was behind port a of br0 and is behind b"},
		"MTU":           {func(s *scene) { setMTU(s, bridge, 1280) }, "the MTU of br0 was 1500 and is 1280"},
		"plain MTU":     {func(s *scene) { setMTU(s, plainWAN, 1280) }, ""},
		"new route to the session": {func(s *scene) {
			s.Routes[netip.PrefixFrom(server, 32)] = Route{Text: "ppp", Devices: []int{session}}
		}, "the route to 198.51.100.2/32 changed"},
		"route from one plain device to itself": {func(s *scene) {
			s.Routes[netip.PrefixFrom(server, 32)] = Route{Text: "other", Devices: []int{plainWAN}}
		}, ""},
		"route gone": {func(s *scene) { delete(s.Routes, netip.MustParsePrefix("192.0.2.0/24")) }, "the route to 192.0.2.0/24 changed"},
		"default route, behind another": {func(s *scene) {
			s.Routes[netip.PrefixFrom(server, 32)] = Route{Text: "wan", Devices: []int{plainWAN}}
			s.Routes[netip.MustParsePrefix("0.0.0.0/0")] = Route{Text: "ppp", Devices: []int{session}}
		}, ""},
		"default route": {func(s *scene) {
			s.Routes[netip.MustParsePrefix("0.0.0.0/0")] = Route{Text: "ppp", Devices: []int{session}}
		}, "the route to 0.0.0.0/0 changed"},
		"route of others": {func(s *scene) {
			s.Routes[netip.MustParsePrefix("203.0.113.0/24")] = Route{Text: "ppp", Devices: []int{session}}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, judged(sceneOf(nil), sceneOf(c.change)))
		})
	}
	assert.Empty(t, judged(nil, sceneOf(nil)), "the first look learns")
}

// A neighbour whose entry was collected, and who comes back with another address, is not forgotten meanwhile.
func TestNeighboursAreRemembered(t *testing.T) {
	hop := Hop{Device: bridge, Addr: client}
	first := sceneOf(nil)
	gone := sceneOf(func(s *scene) { delete(s.Neighbours, hop); clear(s.Ports) })
	gone.remember(first)
	require.Equal(t, "02:00:00:00:00:02", gone.Neighbours[hop])
	assert.Empty(t, judged(first, gone))
	back := sceneOf(func(s *scene) { s.Neighbours[hop] = "02:00:00:00:00:09" })
	back.remember(gone)
	assert.Contains(t, judged(gone, back), "is 02:00:00:00:00:09")
	assert.Equal(t, portA, gone.Ports[Station{Bridge: bridge, Address: "02:00:00:00:00:02"}])
}

// On strict kernels a plain neighbour that is not known is enough, as long as it is not; other findings last.
func TestUnknownNeighbours(t *testing.T) {
	strict := sceneOf(func(s *scene) { s.strict = true; delete(s.Neighbours, Hop{Device: plainWAN, Addr: server}) })
	strict.remember(nil)
	assert.Contains(t, judged(strict, strict), "the neighbour 198.51.100.2 on wan0 is not known")
	known := sceneOf(func(s *scene) { s.strict = true })
	assert.Empty(t, judged(strict, known))
	strict.strict = false
	assert.Empty(t, judged(strict, strict))

	e := conntrack.Entry{ID: 7, Orig: conntrack.Tuple{Src: netip.AddrPortFrom(client, 1)}, Reply: conntrack.Tuple{Src: netip.AddrPortFrom(server, 2)}}
	marks := map[conntrack.Key]staleMark{e.Key(): {StaleFlow: StaleFlow{Why: "moved"}, lasting: true}}
	none := change{}
	assert.Len(t, none.staleOf([]conntrack.Entry{e}, nil, known, marks), 1)
	assert.Empty(t, none.staleOf(nil, nil, known, marks), "it left the fast path")
	marks[e.Key()] = staleMark{StaleFlow: StaleFlow{Why: "not known"}}
	assert.Empty(t, none.staleOf([]conntrack.Entry{e}, nil, known, marks), "the neighbour answered")
}
