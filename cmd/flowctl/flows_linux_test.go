package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// trackedSpec turns connection tracking on and masquerades; it needs no flowtables.
const trackedSpec = `{"tables":[{"name":"t","chains":[
	{"name":"forward","hook":"forward","rules":[{"do":[{"match":{"field":"ct state","is":["established"]}},{"counter":{}}]}]},
	{"name":"srcnat","type":"nat","hook":"postrouting","priority":"srcnat","rules":[
		{"do":[{"match":{"field":"oifname","is":["wan0"]}},{"match":{"field":"meta nfproto","is":["ipv4"]}},{"masquerade":{}}]}]}]}]}`

// A line is what a test reads of one JSON object of flowctl flows --json.
type line struct {
	Path      string
	Flowtable string
	Orig      struct{ Src, Dst string }
	SNAT      string
	Sent      struct{ Packets uint64 }
}

func lines(t *testing.T, r result) []line {
	t.Helper()
	require.Equal(t, exitDone, r.status, r.err) // notes may stand there
	var all []line
	for text := range strings.Lines(r.out) {
		var one line
		require.NoError(t, json.Unmarshal([]byte(text), &one), "line %q", text)
		all = append(all, one)
	}
	return all
}

// lineOf is the line about a flow, or nil.
func lineOf(all []line, flow *testns.Flow) *line {
	for _, l := range all {
		if l.Orig.Src == flow.Tuple().Source.String() && l.Orig.Dst == flow.Tuple().Destination.String() {
			return &l
		}
	}
	return nil
}

// TestFlows lists slow connections, on any kernel.
func TestFlows(t *testing.T) {
	r := testns.NewRouterT(t, nil)
	netns := r.NS.Path()
	flowctl(trackedSpec, "apply", "--netns", netns, "-").assertDone(t)
	masqueraded, routed := r.DialT(t, "tcp", testns.IPv4), r.DialT(t, "udp", testns.IPv6)
	for _, flow := range []*testns.Flow{masqueraded, routed} {
		_, err := flow.RoundTrip(within(t), 3, 100)
		require.NoError(t, err)
	}

	all := lines(t, flowctl("", "flows", "--json", "--netns", netns))
	one := lineOf(all, masqueraded)
	require.NotNil(t, one, "%+v", all)
	assert.Equal(t, "slow", one.Path)
	assert.Contains(t, one.SNAT, "203.0.113.1:")
	assert.GreaterOrEqual(t, one.Sent.Packets, uint64(3))
	require.NotNil(t, lineOf(all, routed))
	assert.Empty(t, lineOf(all, routed).SNAT)

	assert.NotEmpty(t, lines(t, flowctl("", "flows", "--json", "--path", "slow", "--netns", netns)))
	assert.Empty(t, lines(t, flowctl("", "flows", "--json", "--path", "software", "--netns", netns)))

	table := flowctl("", "flows", "--netns", netns)
	table.assertDone(t)
	assert.Regexp(t, `(?m)^PROTO +ORIGINAL +TRANSLATED TO +PATH +FLOWTABLE +PACKETS +BYTES$`, table.out)
	assert.Regexp(t, `(?m)^tcp +192\.168\.1\.2:\d+ > 203\.0\.113\.2:7007 +203\.0\.113\.1:\d+ > 203\.0\.113\.2:7007 +slow +- +\d+ +\d+$`, table.out)
	assert.Regexp(t, `(?m)^udp +\[2001:db8:1::2\]:\d+ > \[2001:db8:2::2\]:7007 +- +slow +- +\d+ +\d+$`, table.out)
}

// TestFlowsWithoutAccounting: an unknown counter is not a zero.
func TestFlowsWithoutAccounting(t *testing.T) {
	r := testns.NewRouterT(t, &testns.RouterConfig{NoAccounting: true})
	flowctl(trackedSpec, "apply", "--netns", r.NS.Path(), "-").assertDone(t)
	_, err := r.DialT(t, "udp", testns.IPv4).RoundTrip(within(t), 1, 100)
	require.NoError(t, err)
	table := flowctl("", "flows", "--netns", r.NS.Path())
	assert.Regexp(t, `(?m)slow +- +- +-$`, table.out)
	assert.Contains(t, table.err, "note: net.netfilter.nf_conntrack_acct is 0: new connections have no counters")
	assert.Contains(t, table.err, "flowctl set --netns "+r.NS.Path()+" net.netfilter.nf_conntrack_acct=1\n")
	assert.NotContains(t, table.err, "timestamp", "the table shows none")
	objects := flowctl("", "flows", "--json", "--netns", r.NS.Path())
	assert.NotContains(t, objects.out, "packets")
}
