package offload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsExample is the example of the kernel's page: a flowtable over eth0 and eth1 without counters, a rule for TCP, and a counter
// behind it that stands still once a connection is offloaded. Conntrack lists it as [OFFLOAD], without state and timeout.
func TestDocsExample(t *testing.T) {
	l := newLab(t, &testns.RouterConfig{LANDevice: "eth0", WANDevice: "eth1"})
	l.apply(t, ruleset.Spec{Tables: []ruleset.Table{{
		Name:       "x",
		Flowtables: []flowtable.Spec{{Name: "f", Priority: "0", Devices: names("eth0", "eth1"), NoCounter: true}},
		Chains: []ruleset.Chain{{
			Name: "y", Hook: ruleset.Forward, Priority: "0",
			Rules: []ruleset.Rule{
				ruleset.R(ruleset.NFProto.Is("ipv4"), ruleset.L4Proto.Is(ruleset.TCP), ruleset.FlowAdd("f")),
				ruleset.R(ruleset.Counter()),
			},
		}},
	}}})
	f := l.DialT(t, "tcp", testns.IPv4)
	talk(t, f, trips, 100)
	before := l.packetsIn(t, "inet", "x", "y")
	talk(t, f, 3*trips, 100)
	assert.Equal(t, before, l.packetsIn(t, "inet", "x", "y"), "the counter behind flow add stands still")
	assert.Less(t, before, 3+trips, "it saw the handshake and little more")

	e := l.tool(t, f)
	assert.Equal(t, testns.TagOffload, e.Tag)
	assert.False(t, e.HasTimeout, "%s", e.Text)
	assert.Empty(t, e.State, "%s", e.Text)
	ours := l.entry(t, f)
	assert.Equal(t, conntrack.Software, ours.Path())
	assert.False(t, ours.HasTimeout)
	assert.Zero(t, ours.State)
	assert.NotZero(t, ours.Status&conntrack.Assured, "an offloaded TCP connection is an assured one")
}

// TestDocsFlowtable declares hook, priority and two devices and reads them back: raw, and with nft.
func TestDocsFlowtable(t *testing.T) {
	l := newLab(t, nil)
	f := l.fast()
	f.Priority = "filter - 5"
	l.apply(t, accelerate(ruleset.Inet, f))

	list := flowtables(t, l.NS)
	require.Len(t, list, 1)
	assert.True(t, list[0].Counter())
	assert.False(t, list[0].Hardware())
	assert.Equal(t, ruleset.LoadedFlowtable{
		Family: ruleset.Inet, Table: "accel", Name: "fast", Priority: -5, Devices: names("lan0", "wan0"), Flags: 2, Use: 1,
	}, list[0])

	text := listing(t, l.NS)
	assert.Contains(t, text, `flowtable fast {
		hook ingress priority filter - 5
		devices = { lan0, wan0 }
		counter
	}`)
	assert.Contains(t, text, "flow add @fast")
}
