package kernel

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/internal/testns"
)

var update = flag.Bool("update", false, "capture testdata anew from this machine's kernel")

// capturedMessages are what a Linux 6.18 answered and announced, little endian: what it was about, type, flags and data of a message a
// line. TestCaptured writes them with -update.
//
//go:embed testdata/linux-6.18.txt
var capturedMessages string

// A captured message is one that a real kernel sent.
type captured struct {
	about string
	nlmsg.Message
}

func allCaptured(tb testing.TB) []captured {
	tb.Helper()
	var all []captured
	lines := bufio.NewScanner(strings.NewReader(capturedMessages))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var c captured
		var digits string
		_, err := fmt.Sscanf(lines.Text(), "%s %x %x %s", &c.about, &c.Type, &c.Flags, &digits)
		require.NoError(tb, err, lines.Text())
		c.Data, err = hex.DecodeString(digits)
		require.NoError(tb, err)
		all = append(all, c)
	}
	require.NoError(tb, lines.Err())
	require.NotEmpty(tb, all)
	return all
}

// about are the captured messages about some things.
func about(tb testing.TB, what ...string) []nlmsg.Message {
	tb.Helper()
	var list []nlmsg.Message
	for _, c := range allCaptured(tb) {
		for _, w := range what {
			if c.about == w {
				list = append(list, c.Message)
			}
		}
	}
	require.NotEmpty(tb, list, "captured about %v", what)
	return list
}

// datagramOf is how the kernel sends messages.
func datagramOf(o nlmsg.Order, messages ...nlmsg.Message) []byte {
	b := nlmsg.NewBuilder(o, nil)
	var d []byte
	for _, m := range messages {
		b.Reset()
		b.Begin(m.Type, m.Flags, m.Seq)
		b.Raw(m.Data)
		b.End()
		d = append(d, b.Bytes()...)
	}
	return d
}

// TestCaptured decodes what the kernel said, and finds what was made there. With -update it writes the file anew.
func TestCaptured(t *testing.T) {
	if *update {
		captureAnew(t)
		t.Log("written; the next build has it")
		return
	}
	o := nlmsg.LittleEndian
	names := map[string]string{}
	indexes := map[string]int{}
	for _, m := range about(t, "link") {
		l, err := parseLink(o, m.Data)
		require.NoError(t, err)
		names[l.Name], indexes[l.Name] = l.Kind, l.Index
	}
	assert.Subset(t, names, map[string]string{"lo": "", "br0": "bridge", "lan0": "veth", "wan0": "veth"})

	s := newSurveyor()
	for _, m := range about(t, "neighbour", "route") {
		for _, dump := range s.dumps() {
			require.NoError(t, dump.take(o, m))
		}
	}
	survey := s.done()
	assert.Equal(t, "02:00:00:00:00:99", survey.Neighbours[Hop{indexes["wan0"], netip.MustParseAddr("192.0.2.9")}])
	assert.Equal(t, "02:00:00:00:00:99", survey.Neighbours[Hop{indexes["wan0"], netip.MustParseAddr("2001:db8:1::9")}])
	assert.Equal(t, indexes["lan0"], survey.Ports[Station{Bridge: indexes["br0"], Address: "02:00:00:00:00:77"}])
	assert.Equal(t, []int{indexes["wan0"]}, survey.Routes[netip.MustParsePrefix("0.0.0.0/0")].Devices)

	hop, err := parseHop(o, about(t, "way")[0].Data, netip.MustParseAddr("198.51.100.7"))
	require.NoError(t, err)
	assert.Equal(t, Hop{indexes["wan0"], netip.MustParseAddr("192.0.2.9")}, hop)

	place, found, err := findString(o, about(t, "strings")[0].Data, tcOffload)
	require.NoError(t, err)
	require.True(t, found)
	for _, m := range about(t, "features") {
		index, feature, err := parseFeature(o, m.Data, place)
		require.NoError(t, err)
		assert.Contains(t, indexes, nameOf(indexes, index))
		assert.Equal(t, "off [fixed]", feature)
	}
}

func nameOf(indexes map[string]int, index int) string {
	for name, i := range indexes {
		if i == index {
			return name
		}
	}
	return ""
}

// captureAnew writes the file, from a namespace with generic names.
func captureAnew(t *testing.T) {
	ns, k := openT(t)
	w := &capture{t: t, k: k, ctx: testContext(t), file: &strings.Builder{}, seen: map[string]bool{}}
	w.announced(func() { furnish(t, ns) })
	for _, dump := range []struct {
		about   string
		request uint16
		header  []byte
	}{
		{"link", unix.RTM_GETLINK, []byte{linkHeader - 1: 0}},
		{"neighbour", unix.RTM_GETNEIGH, []byte{unix.AF_INET, neighbourHeader - 1: 0}},
		{"neighbour", unix.RTM_GETNEIGH, []byte{unix.AF_INET6, neighbourHeader - 1: 0}},
		{"neighbour", unix.RTM_GETNEIGH, []byte{unix.AF_BRIDGE, neighbourHeader - 1: 0}},
		{"route", unix.RTM_GETROUTE, []byte{unix.AF_INET, routeHeader - 1: 0}},
		{"route", unix.RTM_GETROUTE, []byte{unix.AF_INET6, routeHeader - 1: 0}},
		{"rule", unix.RTM_GETRULE, []byte{unix.AF_INET, routeHeader - 1: 0}},
	} {
		b := nlmsg.NewBuilder(nlmsg.Native(), nil)
		b.Begin(dump.request, nlmsg.FlagRequest|nlmsg.FlagDump, 0)
		b.Raw(dump.header)
		b.End()
		w.dump(unix.NETLINK_ROUTE, dump.about, b.Bytes())
	}
	w.ways("198.51.100.7", "2001:db8:2::7", "203.0.113.7", "127.0.0.1")
	w.generic()
	for m, err := range k.Dump(w.ctx) {
		require.NoError(t, err)
		w.add("ruleset", nlmsg.Message{Type: m.Type, Flags: m.Flags, Data: m.Data})
	}
	head := "# What Linux 6.18 answers and announces in a namespace: what it is about, type, flags, data. `go test -run TestCaptured ./internal/kernel -update` writes it.\n"
	require.NoError(t, os.WriteFile("testdata/linux-6.18.txt", []byte(head+w.file.String()), 0o644))
}

// furnish makes devices, routes, neighbours and a ruleset.
func furnish(t *testing.T, ns *testns.Namespace) {
	t.Helper()
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx,
		"link add wan0 address 02:00:00:00:00:01 type veth peer name far0 address 02:00:00:00:00:02",
		"link add lan0 address 02:00:00:00:00:03 type veth peer name far1 address 02:00:00:00:00:04",
		"link add br0 address 02:00:00:00:00:05 type bridge", "link set lan0 master br0", "link set wan0 group 7",
		"link set lo up", "link set wan0 up", "link set far0 up", "link set lan0 up", "link set far1 up", "link set br0 up",
		"addr add 192.0.2.1/24 dev wan0", "addr add 2001:db8:1::1/64 dev wan0 nodad", "addr add 10.0.0.1/24 dev br0",
		"neigh add 192.0.2.9 lladdr 02:00:00:00:00:99 dev wan0", "neigh add 2001:db8:1::9 lladdr 02:00:00:00:00:99 dev wan0", "neigh add 192.0.2.8 dev wan0 nud none",
		"route add default via 192.0.2.9", "route add 198.51.100.0/24 via 192.0.2.9 metric 5", "route add 198.51.100.0/24 via 192.0.2.10 metric 6",
		"route add 2001:db8:2::/64 via 2001:db8:1::9", "route add 203.0.113.0/24 nexthop via 192.0.2.9 nexthop via 10.0.0.9",
		"route add 192.88.99.0/24 via inet6 2001:db8:1::9 dev wan0", "route add unreachable 10.9.0.0/16", "rule add fwmark 1 lookup 100",
		"link set far1 name peer1", "link del peer1",
	))
	require.NoError(t, ns.IP(ctx, "link add lan0 address 02:00:00:00:00:03 type veth peer name far1 address 02:00:00:00:00:04",
		"link set lan0 master br0", "link set lan0 up", "link set far1 up",
	))
	_, err := ns.Run(ctx, "", "bridge", "fdb", "replace", "02:00:00:00:00:77", "dev", "lan0", "master", "static")
	require.NoError(t, err)
	require.NoError(t, ns.NFT(ctx, `table inet fw {
	comment "managed by fastpath"
	set s { type ipv4_addr; flags interval; elements = { 192.0.2.0/28, 198.51.100.1 }; }
	chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; iifname "lan0" ip saddr @s counter accept; }
	chain other { counter drop; }
}
table netdev edge { chain in { type filter hook ingress device "wan0" priority 0; }; }
`))
}

// A capture writes what a kernel says into a file.
type capture struct {
	t    *testing.T
	k    *Kernel
	ctx  context.Context
	file *strings.Builder
	seen map[string]bool
}

// add keeps one message of each type and length: others like it teach nothing.
func (w *capture) add(about string, m nlmsg.Message) {
	kind := fmt.Sprintf("%s %x %d", about, m.Type, len(m.Data))
	if about == "announced" && w.seen[kind] {
		return
	}
	w.seen[kind] = true
	fmt.Fprintf(w.file, "%s %x %x %x\n", about, m.Type, m.Flags, m.Data)
}

func (w *capture) socket(protocol int, cfg nlsock.Config) *nlsock.Socket {
	sock, err := w.k.ns.Dial(protocol, cfg)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { sock.Close() })
	return sock
}

func (w *capture) dump(protocol int, about string, request []byte) {
	for m, err := range w.socket(protocol, nlsock.Config{}).Dump(w.ctx, request) {
		require.NoError(w.t, err)
		w.add(about, m)
	}
}

// announced adds what the kernel announces while something is done.
func (w *capture) announced(do func()) {
	links := w.socket(unix.NETLINK_ROUTE, nlsock.Config{Groups: []uint32{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_NEIGH}, ReadBuffer: eventBuffer})
	rules, err := w.k.listenToRuleset().dial()
	require.NoError(w.t, err)
	defer rules.Close()
	do()
	for about, sock := range map[string]*nlsock.Socket{"announced": links, "generation": rules} {
		for m, err := range sock.Queued(w.ctx) {
			require.NoError(w.t, err)
			w.add(about, m)
		}
	}
}

// ways adds the routes to addresses.
func (w *capture) ways(addrs ...string) {
	sock := w.socket(unix.NETLINK_ROUTE, nlsock.Config{})
	for _, a := range addrs {
		for _, flags := range []uint32{0, fibMatch} {
			answer, err := routeTo(w.ctx, sock, netip.MustParseAddr(a), flags)
			require.NoError(w.t, err)
			for _, data := range answer {
				w.add("way", nlmsg.Message{Type: unix.RTM_NEWROUTE, Data: data})
			}
		}
	}
}

// generic adds what genetlink says of ethtool's family, of the names of features, and of the features of devices.
func (w *capture) generic() {
	sock := w.socket(unix.NETLINK_GENERIC, nlsock.Config{})
	family, _, err := w.k.ethtool.ask(w.ctx, sock)
	require.NoError(w.t, err)
	ask := func(about string, request []byte) {
		answer, err := sock.Do(w.ctx, request)
		require.NoError(w.t, err)
		for _, m := range answer {
			w.add(about, m)
		}
	}
	ask("family", familyRequest("ethtool"))
	ask("strings", stringsRequest(family))
	w.dump(unix.NETLINK_GENERIC, "features", featuresRequest(family))
}
