package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
)

func someEntry(status conntrack.Status, packets uint64) conntrack.Entry {
	e := conntrack.Entry{Status: status | conntrack.Confirmed | conntrack.SeenReply}
	e.Orig = conntrack.Tuple{Proto: conntrack.UDP, Src: netip.MustParseAddrPort("192.168.1.2:40000"), Dst: netip.MustParseAddrPort("203.0.113.2:53")}
	e.Sent = conntrack.Counters{Packets: packets, Bytes: 100 * packets, OK: true}
	e.Received = e.Sent
	return e
}

// Each kind of change is a line.
func TestChangeLines(t *testing.T) {
	fast := someEntry(conntrack.Offload, 5)
	fast.Flowtable = "fast"
	odd := fast
	odd.Flowtable = "\x1b[2J" // by a rule of anybody's
	counted := conntrack.Delta{Sent: conntrack.Counters{Packets: 3, Bytes: 300, OK: true}, Received: conntrack.Counters{Packets: 1, Bytes: 40, OK: true}}
	timed := someEntry(0, 0)
	timed.Event = time.Date(2026, 1, 2, 3, 4, 1, 5e6, time.UTC)
	var out bytes.Buffer
	tell := changeWriter(&out, func() time.Time { return time.Date(2026, 1, 2, 5, 4, 5, 6e6, time.FixedZone("here", 7200)) })
	for _, c := range []conntrack.Change{
		{Kind: conntrack.New, Entry: someEntry(0, 0)},
		{Kind: conntrack.Synced},
		{Kind: conntrack.PathChanged, From: conntrack.Slow, Entry: fast, Delta: counted},
		{Kind: conntrack.Counted, Entry: fast, Delta: conntrack.Delta{Sent: counted.Sent}},
		{Kind: conntrack.Counted, Entry: odd, Delta: conntrack.Delta{Sent: counted.Sent}},
		{Kind: conntrack.Overrun, Lost: true},
		{Kind: conntrack.Full, Lost: true},
		{Kind: conntrack.Destroyed, Lost: true, Entry: someEntry(conntrack.HWOffload, 5)},
		{Kind: conntrack.New, Entry: timed},
	} {
		require.NoError(t, tell(c))
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	assert.Equal(t, []string{
		"TIME KIND PATH PROTO ORIGINAL PACKETS BYTES FLOWTABLE",
		"05:04:05.006 new slow udp 192.168.1.2:40000 > 203.0.113.2:53 - - -",
		"05:04:05.006 synced this is the whole table so far",
		"05:04:05.006 path changed slow -> software udp 192.168.1.2:40000 > 203.0.113.2:53 +4 +340 fast",
		"05:04:05.006 counted software udp 192.168.1.2:40000 > 203.0.113.2:53 +3 +300 fast",
		`05:04:05.006 counted software udp 192.168.1.2:40000 > 203.0.113.2:53 +3 +300 "\x1b[2J"`,
		"05:04:05.006 overrun the kernel dropped notifications; the table is read again, and what began and ended meanwhile was missed",
		"05:04:05.006 full too many connections to follow: others that match are left out until some end; narrow it by filters",
		"05:04:05.006 destroyed hardware udp 192.168.1.2:40000 > 203.0.113.2:53 - - - the kernel's last word was missed",
		"05:04:01.005 new slow udp 192.168.1.2:40000 > 203.0.113.2:53 - - -",
	}, lines)
}

// startFollowing runs follow over an imitated kernel until the test cancels it.
func startFollowing(t *testing.T, k *offloadtest.Kernel, asJSON bool) (out *lockedBuffer, end func() error) {
	t.Helper()
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: k})
	require.NoError(t, err)
	w, err := m.Watch(t.Context(), &conntrack.Config{Poll: time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	out = &lockedBuffer{}
	ended := make(chan error, 1)
	go func() { ended <- follow(ctx, out, w, conntrack.Match{Proto: conntrack.UDP}, asJSON) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, w.Close())
		assert.NoError(t, m.Close())
	})
	return out, func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(20 * time.Second):
			return errors.New("it goes on")
		}
	}
}

func awaitText(t *testing.T, out *lockedBuffer, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), text) }, 20*time.Second, 5*time.Millisecond, "%q is not told:\n%s", text, out)
}

// What is told comes at once, and being told to end is no failure.
func TestFollow(t *testing.T) {
	k := offloadtest.New(t, nil)
	e := k.AddFlow(someEntry(0, 1))
	out, end := startFollowing(t, k, false)
	awaitText(t, out, "synced")
	e.Status |= conntrack.Offload
	e.Sent.Packets, e.Sent.Bytes = 8, 800
	k.SetFlow(e)
	awaitText(t, out, "slow -> software")
	k.Overrun()
	awaitText(t, out, "overrun")
	k.DelFlow(e.Key())
	awaitText(t, out, "destroyed")
	require.NoError(t, end())
	assert.Regexp(t, `path changed +slow -> software +udp .*\+7 +\+700 -\n`, out.String())
}

func TestFollowAsJSON(t *testing.T) {
	k := offloadtest.New(t, nil)
	e := k.AddFlow(someEntry(0, 1))
	out, end := startFollowing(t, k, true)
	awaitText(t, out, `"synced"`)
	k.DelFlow(e.Key())
	awaitText(t, out, "destroyed")
	require.NoError(t, end())
	var kinds []string
	for line := range strings.Lines(out.String()) {
		var c struct {
			Kind  string
			Entry struct{ Path string }
		}
		require.NoError(t, json.Unmarshal([]byte(line), &c), line)
		kinds = append(kinds, strings.TrimSpace(c.Kind+" "+c.Entry.Path))
	}
	assert.Equal(t, []string{"new slow", "synced", "destroyed slow"}, kinds)
}

// A watch whose output is gone ends, and says why.
func TestFollowWithoutOutput(t *testing.T) {
	k := offloadtest.New(t, nil)
	k.AddFlow(someEntry(0, 1))
	w, err := conntrack.Open(t.Context(), &conntrack.Config{Source: k.Conntrack(), Poll: time.Millisecond})
	require.NoError(t, err)
	defer w.Close()
	full := errors.New("no space left")
	ended := make(chan error, 1)
	go func() { ended <- follow(t.Context(), failing{full}, w, conntrack.Match{}, true) }()
	for counts := uint64(2); ; counts++ {
		select {
		case err := <-ended:
			require.ErrorIs(t, err, full)
			return
		case <-time.After(time.Millisecond):
			k.SetFlow(someEntry(0, counts))
		}
	}
}
