package kernel

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/internal/testns"
)

func TestParseSessions(t *testing.T) {
	const heading = "Id       Address              Device\n"
	got, err := parseSessions(nlmsg.LittleEndian, heading+"00000100 02:00:00:00:00:01     eth1\n00003412 02:00:00:00:00:02 eth1.7\n")
	require.NoError(t, err)
	assert.Equal(t, []flowtable.PPPoE{{Device: "eth1", Session: 1}, {Device: "eth1.7", Session: 0x1234}}, got)
	got, err = parseSessions(nlmsg.BigEndian, heading+"00000001 02:00:00:00:00:01     eth1\n")
	require.NoError(t, err)
	assert.Equal(t, []flowtable.PPPoE{{Device: "eth1", Session: 1}}, got)
	for _, text := range []string{"", heading} {
		got, err := parseSessions(nlmsg.LittleEndian, text)
		require.NoError(t, err)
		assert.Empty(t, got)
	}
	for _, line := range []string{"0001", "x 02:00:00:00:00:01 eth1", "00010000 02:00:00:00:00:01     eth1", "1 2 3 4", "",
		"00000100 02:00:00:00:00:0x     eth1", "00000100 02:00:00:00:00:01_    eth1", "00000100 02:00:00:00:00:01 sixteen.letters."} {
		_, err := parseSessions(nlmsg.LittleEndian, heading+line+"\n")
		require.ErrorIs(t, err, nlmsg.ErrMalformed, line)
	}
}

// Kernels print a name as it is, whatever is in it.
func TestParseSessionsOfOddNames(t *testing.T) {
	for _, name := range []string{"eth1", "a\u2003b", "\u2003wan", "wan\u2028", "wan\u0085x", "a b", "eight  8", "nine spaces.9", "a\nb", "a\n", "a\n\nb\n", "\x1b[2J", "\xff\xfe", "0000000 0200000"} {
		text := fmt.Sprintf("Id       Address              Device\n00000100 02:00:00:00:00:01 %s\n00000200 02:00:00:00:00:02     eth2\n", padded(name))
		got, err := parseSessions(nlmsg.LittleEndian, text)
		require.NoError(t, err, "%q", name)
		assert.Equal(t, []flowtable.PPPoE{{Device: name, Session: 1}, {Device: "eth2", Session: 2}}, got)
	}
}

// padded fills a name up to eight bytes, as the kernel does; fmt counts characters.
func padded(name string) string { return strings.Repeat(" ", max(0, 8-len(name))) + name }

// Sessions and devices are joined where that is certain, and not guessed.
func TestJoinSessions(t *testing.T) {
	on := func(device string, session uint16) flowtable.PPPoE {
		return flowtable.PPPoE{Device: device, Session: session}
	}
	for name, c := range map[string]struct {
		devices  int
		sessions []flowtable.PPPoE
		want     flowtable.PPPoE // of every PPP device
	}{
		"one and one":                    {1, []flowtable.PPPoE{on("eth1", 5)}, on("eth1", 5)},
		"no session":                     {1, nil, on("", 0)},
		"two over one device":            {2, []flowtable.PPPoE{on("eth1", 5), on("eth1", 6)}, on("eth1", 0)},
		"one that has no device yet":     {1, []flowtable.PPPoE{on("eth1", 5), on("eth1", 6)}, on("eth1", 0)},
		"two over two devices":           {2, []flowtable.PPPoE{on("eth1", 5), on("eth2", 6)}, on("", 0)},
		"a device of another kind":       {2, []flowtable.PPPoE{on("eth1", 5)}, on("", 0)},
		"over a device that was renamed": {1, []flowtable.PPPoE{on("eth9", 5)}, on("", 0)},
	} {
		links := []flowtable.Link{{Index: 1, Name: "eth1"}, {Index: 2, Name: "eth2"}}
		for i := range c.devices {
			links = append(links, flowtable.Link{Index: 3 + i, Name: "ppp", Kind: "ppp"})
		}
		joinSessions(links, c.sessions)
		for i, l := range links {
			want := c.want
			if i < 2 {
				want = flowtable.PPPoE{}
			}
			assert.Equal(t, want, l.PPPoE, "%s: links[%d]", name, i)
		}
	}
}

// TestTargetPPPoE reads a session of pppd over a VLAN.
func TestTargetPPPoE(t *testing.T) {
	testns.RequireFlowtables(t) // the VMs have PPPoE, too
	r := testns.NewRouterT(t, &testns.RouterConfig{WANStack: testns.PPPoEVLAN})
	k, err := Open(r.NS.Path())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, k.Close()) })
	target, err := k.Target(testContext(t))
	require.NoError(t, err)
	links := map[string]flowtable.Link{}
	for _, l := range target.Links {
		links[l.Name] = l
	}
	require.Contains(t, links, "ppp0")
	assert.Equal(t, "ppp", links["ppp0"].Kind)
	assert.Equal(t, "wan0.7", links["ppp0"].PPPoE.Device)
	assert.NotZero(t, links["ppp0"].PPPoE.Session)
	assert.Equal(t, flowtable.VLAN{ID: 7, Protocol: "802.1Q"}, links["wan0.7"].VLAN)
	assert.Equal(t, links["wan0"].Index, links["wan0.7"].Parent)
	assert.NoError(t, target.Validate())
}

// TestSessionsOfOddNames begins sessions over devices with names that a kernel takes, alternative ones too.
func TestSessionsOfOddNames(t *testing.T) {
	testns.RequireFlowtables(t) // the VMs have PPPoE, too
	ns, k := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add wan0 type veth peer name far0", "link set wan0 up", "link set far0 up"))
	_, err := ns.Run(ctx, "", "ip", "link", "add", "a\u2003b", "type", "veth", "peer", "name", "far1")
	require.NoError(t, err)
	_, err = ns.Run(ctx, "", "ip", "link", "set", "a\u2003b", "up")
	require.NoError(t, err)
	names := []string{"wan0", "a\u2003b", "x y", "x\ny", "fifteen letters"}
	for _, name := range names[2:] {
		require.NoError(t, addAltName(ctx, k, "wan0", name), "%q", name)
	}
	want := make([]flowtable.PPPoE, len(names))
	for i, name := range names {
		want[i] = flowtable.PPPoE{Device: name, Session: uint16(i + 1)}
		require.NoError(t, k.ns.Do(func() error {
			s, err := unix.Socket(unix.AF_PPPOX, unix.SOCK_STREAM, 0) // PX_PROTO_OE
			if err != nil {
				return err
			}
			t.Cleanup(func() { unix.Close(s) })
			return unix.Connect(s, &unix.SockaddrPPPoE{SID: want[i].Session, Remote: []byte{2, 0, 0, 0, 0, 1}, Dev: name})
		}), "%q", name)
	}
	got, err := k.sessions()
	require.NoError(t, err)
	assert.ElementsMatch(t, want, got)
}

// addAltName gives a device another name, which iproute2 is more particular about than the kernel.
func addAltName(ctx context.Context, k *Kernel, device, name string) error {
	sock, err := k.ns.Dial(unix.NETLINK_ROUTE, nlsock.Config{})
	if err != nil {
		return err
	}
	defer sock.Close()
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.Begin(unix.RTM_NEWLINKPROP, nlmsg.FlagRequest|nlmsg.FlagAck|nlmsg.FlagCreate|nlmsg.FlagAppend|nlmsg.FlagExcl, 0)
	b.Raw(make([]byte, linkHeader))
	b.String(unix.IFLA_IFNAME, device)
	list := b.Nest(unix.IFLA_PROP_LIST)
	b.String(unix.IFLA_ALT_IFNAME, name)
	b.EndNest(list)
	b.End()
	_, err = sock.Do(ctx, b.Bytes())
	return err
}
