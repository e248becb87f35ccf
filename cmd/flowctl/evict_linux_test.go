package main

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// talkingRouter is a router that tracks and masquerades, and a connection of each kind through it.
func talkingRouter(t *testing.T) (r *testns.Router, masqueraded, routed *testns.Flow) {
	t.Helper()
	r = testns.NewRouterT(t, &testns.RouterConfig{Sysctls: map[string]string{
		"net.netfilter.nf_conntrack_events": "1", "net.netfilter.nf_conntrack_timestamp": "1",
	}})
	flowctl(trackedSpec, "apply", "--netns", r.NS.Path(), "-").assertDone(t)
	masqueraded, routed = r.DialT(t, "tcp", testns.IPv4), r.DialT(t, "udp", testns.IPv6)
	for _, flow := range []*testns.Flow{masqueraded, routed} {
		_, err := flow.RoundTrip(within(t), 3, 100)
		require.NoError(t, err)
	}
	return r, masqueraded, routed
}

// TestEvict: a dry run tells whom and what may break, and evicts nobody; the real one evicts exactly those.
func TestEvict(t *testing.T) {
	r, masqueraded, routed := talkingRouter(t)
	netns := r.NS.Path()
	present := func(flow *testns.Flow) bool {
		return lineOf(lines(t, flowctl("", "flows", "--json", "--netns", netns)), flow) != nil
	}
	for _, filter := range [][]string{
		{"--src", masqueraded.Tuple().Source.String()}, {"--proto", "tcp", "--family", "ipv4"},
		{"--address", "203.0.113.1", "--status", "assured,!expected", "--proto", "6"}, {"--device", "wan0", "--proto", "tcp"},
	} {
		dry := flowctl("", append([]string{"evict", "--dry-run", "--netns", netns}, filter...)...)
		dry.assertDone(t)
		assert.Regexp(t, `(?m)^tcp +192\.168\.1\.2:\d+ > 203\.0\.113\.2:7007 +slow +may break: it is translated`, dry.out)
		assert.Regexp(t, `(?m)^would evict 1 connection, 1 of which may break$`, dry.out, filter)
		require.True(t, present(masqueraded))
		var one struct {
			Entry line
			Risk  string
		}
		dry = flowctl("", append([]string{"evict", "--dry-run", "--json", "--netns", netns}, filter...)...)
		dry.assertDone(t)
		require.NoError(t, json.Unmarshal([]byte(dry.out), &one), "one object: %s", dry.out)
		assert.Equal(t, masqueraded.Tuple().Source.String(), one.Entry.Orig.Src)
		assert.Contains(t, one.Risk, "it is translated")
	}
	r6 := flowctl("", "evict", "--netns", netns, "--dst", routed.Tuple().Destination.String(), "--proto", "udp")
	r6.assertDone(t)
	assert.Regexp(t, `(?m)^evicted 1 connection$`, r6.out)
	assert.False(t, present(routed))
	assert.True(t, present(masqueraded))
	none := flowctl("", "evict", "--netns", netns, "--mark", "0x10/0xff")
	none.assertDone(t)
	assert.Equal(t, "evicted 0 connections\n", none.out)
	none = flowctl("", "evict", "--json", "--netns", netns, "--mark", "0x10/0xff")
	none.assertDone(t)
	assert.Empty(t, none.out)
	flowctl("", "evict", "--netns", netns, "--all").assertDone(t)
	assert.False(t, present(masqueraded))
	flowctl("", "evict", "--netns", netns, "--device", "nosuch0").assertRefused(t, exitFailed, "nosuch0", "does not exist")
}

// TestFlowsByDevice: routing tells which connections go by a device.
func TestFlowsByDevice(t *testing.T) {
	r, masqueraded, routed := talkingRouter(t)
	for _, device := range []string{"lan0", "wan0"} {
		all := lines(t, flowctl("", "flows", "--json", "--device", device, "--netns", r.NS.Path()))
		assert.NotNil(t, lineOf(all, masqueraded), device)
		assert.NotNil(t, lineOf(all, routed), device)
	}
	assert.Empty(t, lines(t, flowctl("", "flows", "--json", "--device", "lo", "--netns", r.NS.Path())))
}

// TestFlowsWatch: the snapshot, then what happens, until an interrupt, which is no failure.
func TestFlowsWatch(t *testing.T) {
	r, masqueraded, routed := talkingRouter(t)
	p := startProcess(t, "flows", "--watch", "--poll", "20ms", "--proto", "tcp", "--netns", r.NS.ToolPath())
	original := regexp.QuoteMeta(masqueraded.Tuple().Source.String() + " > " + masqueraded.Tuple().Destination.String())
	at := p.await(t, 0, "synced")
	assert.Regexp(t, `(?m)new +slow +tcp +`+original+` `, p.out.String())
	_, err := masqueraded.RoundTrip(within(t), 3, 100)
	require.NoError(t, err)
	at = p.await(t, at, "counted")
	flowctl("", "evict", "--netns", r.NS.Path(), "--proto", "tcp").assertDone(t)
	p.await(t, at, "destroyed")
	require.NoError(t, p.endWith(t, os.Interrupt), "%s", p.out)
	assert.NotContains(t, p.out.String(), routed.Tuple().Source.String())
	assert.NotContains(t, p.out.String(), "note:", "every setting is as it should be")
}

// TestFlowsWatchNotes: what is hidden is said, and how to show it.
func TestFlowsWatchNotes(t *testing.T) {
	ns := testns.NewNamedT(t, "watch")
	p := startProcess(t, "flows", "--watch", "--json", "--netns", ns.Name())
	p.await(t, 0, `"synced"`)
	require.NoError(t, p.endWith(t, os.Interrupt))
	for _, key := range []string{"acct", "events", "timestamp"} {
		assert.Regexp(t, `note: net\.netfilter\.nf_conntrack_`+key+` is \d: .*: flowctl set --netns `+ns.Name()+` net\.netfilter\.nf_conntrack_`+key+`=1`, p.out.String())
	}
	r := flowctl("", "set", "--netns", ns.Name(), "net.netfilter.nf_conntrack_acct=1", "net.netfilter.nf_conntrack_events=1", "net.netfilter.nf_conntrack_timestamp=1")
	r.assertDone(t)
	flowctl("", "flows", "--json", "--netns", ns.Name()).assertDone(t)
	back := flowctl("", "uninstall", "--netns", ns.Name())
	back.assertDone(t)
	assert.Contains(t, back.out, "put back: net.netfilter.nf_conntrack_timestamp to 0")
}

// announcingSpec is softwareSpec, with a bit of the ct mark that announces the flowtable.
const announcingSpec = `{"tables":[{"name":"t",
	"flowtables":[{"name":"fast","devices":[{"name":"lan0"},{"name":"wan0"}]}],
	"offload":[{"flowtable":"fast","announce":"0x100"}]}]}`

// TestKernelFlowsAndEvict: the flowtable is told where it is announced, the step to the fast path is a change, and an evicted flow comes back.
func TestKernelFlowsAndEvict(t *testing.T) {
	testns.RequireFlowtables(t)
	r := testns.NewRouterT(t, &testns.RouterConfig{Sysctls: map[string]string{"net.netfilter.nf_conntrack_events": "1"}})
	netns := r.NS.Path()
	flowctl(announcingSpec, "apply", "--netns", netns, "-").assertDone(t)
	p := startProcess(t, "flows", "--watch", "--json", "--netns", r.NS.ToolPath())
	p.await(t, 0, `"synced"`)
	flow := r.DialT(t, "udp", testns.IPv4)
	testns.AssertSoftwarePath(t, r, flow, time.Minute)
	p.await(t, 0, `"path":"software"`)
	p.await(t, 0, `"flowtable":"fast"`)
	one := lineOf(lines(t, flowctl("", "flows", "--json", "--path", "software", "--netns", netns)), flow)
	require.NotNil(t, one)
	assert.Equal(t, "fast", one.Flowtable)
	table := flowctl("", "flows", "--netns", netns, "--path", "software", "--mark", "0x100/0x100")
	table.assertDone(t)
	assert.Regexp(t, `(?m)software +fast +\d+ +\d+$`, table.out)

	gone := flowctl("", "evict", "--netns", netns, "--path", "software,hardware", "--device", "wan0", "--src", flow.Tuple().Source.String())
	gone.assertDone(t)
	assert.Regexp(t, `(?m)^evicted 1 connection$`, gone.out)
	p.await(t, 0, `"kind":"destroyed"`)
	testns.AssertSoftwarePath(t, r, flow, time.Minute)
	require.NoError(t, p.endWith(t, os.Interrupt), "%s", p.out)
}
