package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
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
	for _, line := range []string{"0001", "x 02:00:00:00:00:01 eth1", "00010000 02:00:00:00:00:01 eth1", "1 2 3 4"} {
		_, err := parseSessions(nlmsg.LittleEndian, heading+line+"\n")
		require.ErrorIs(t, err, nlmsg.ErrMalformed, line)
	}
}

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
