package testns

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBulk(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		f := r.DialT(t, network, fam)
		const size = 1_000_001
		for name, move := range map[string]func(context.Context, int64) (Counts, error){
			"upload": f.Upload, "download": f.Download, "exchange": f.Exchange,
		} {
			counts, err := move(t.Context(), size)
			require.NoError(t, err, name)
			if network == "tcp" {
				assert.Equal(t, Counts{Sent: size, Received: size}, counts, name)
				continue
			}
			// The last datagram is rounded up to the smallest message.
			assert.InDelta(t, size, counts.Sent, MinSize, name)
			assert.Equal(t, counts.Sent, counts.Received, name)
		}
		_, err := f.RoundTrip(t.Context(), 1, 100)
		require.NoError(t, err, "the flow is in order afterwards")
	})
}

func TestTTL(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	for _, fam := range Families() {
		f, err := Dial(t.Context(), r.Client, DialConfig{Network: "udp", To: r.echoAddr(fam), TTL: 17})
		require.NoError(t, err)
		talk, err := f.RoundTrip(t.Context(), 1, 100)
		require.NoError(t, err)
		assert.Equal(t, 16, talk.TTL)
		require.NoError(t, f.SetTTL(200))
		talk, err = f.RoundTrip(t.Context(), 1, 100)
		require.NoError(t, err)
		assert.Equal(t, 199, talk.TTL)
		require.NoError(t, f.Close())
	}
}

func TestSourcePortAndReuse(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		for range 3 {
			f, err := Dial(t.Context(), r.Client, DialConfig{Network: network, To: r.echoAddr(fam), SourcePort: 20000})
			require.NoError(t, err)
			assert.Equal(t, uint16(20000), f.Tuple().Source.Port())
			_, err = f.RoundTrip(t.Context(), 1, 100)
			require.NoError(t, err)
			require.NoError(t, f.Reset())
		}
	})
}

// fragmentsMade is how many fragments the router has made of IPv4 packets over the MTU.
func fragmentsMade(t *testing.T, r *Router) int {
	t.Helper()
	var text []byte
	require.NoError(t, r.NS.Do(func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/snmp")
		return err
	}))
	lines := strings.Split(string(text), "\n")
	names, values := strings.Fields(lines[0]), strings.Fields(lines[1])
	at := slices.Index(names, "FragCreates")
	require.Positive(t, at)
	made, err := strconv.Atoi(values[at])
	require.NoError(t, err)
	return made
}

// TestFragments sends datagrams over the MTU of the client's link and then over that of the server's.
func TestFragments(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, &RouterConfig{LANMTU: 1500, WANMTU: 1300})
	for _, fam := range Families() {
		f := r.DialT(t, "udp", fam)
		talk, err := f.RoundTrip(t.Context(), 3, 8000)
		require.NoError(t, err)
		assert.Equal(t, 3, talk.Messages)
	}
	before := fragmentsMade(t, r)
	f, err := Dial(t.Context(), r.Client, DialConfig{Network: "udp", To: r.echoAddr(IPv4), NoDF: true})
	require.NoError(t, err)
	defer f.Close()
	talk, err := f.RoundTrip(t.Context(), 4, 1400)
	require.NoError(t, err)
	assert.Equal(t, 4, talk.Messages)
	assert.GreaterOrEqual(t, fragmentsMade(t, r)-before, 8, "the router cut each of 4 in 2")
}

// countOptions counts the packets with IP options that a flow sends through the router.
func countOptions(t *testing.T, r *Router, f Tuple) (seen func() uint64) {
	t.Helper()
	options := "meta nfproto ipv4 @nh,4,4 > 5"
	if f.Family() == IPv6 {
		options = "ip6 nexthdr 0"
	}
	table := fmt.Sprintf("options%d", f.Source.Port())
	require.NoError(t, r.NS.NFT(t.Context(), fmt.Sprintf(`
table inet %s {
	chain forward {
		type filter hook forward priority 0; policy accept;
		%s meta l4proto %s th sport %d counter comment "options"
	}
}`, table, options, f.Network, f.Source.Port())))
	return func() uint64 {
		out, err := r.NS.Run(t.Context(), "", "nft", "-j", "list", "chain", "inet", table, "forward")
		require.NoError(t, err)
		counters, err := parseCounters([]byte(out))
		require.NoError(t, err)
		return counters["options"].Packets
	}
}

// TestIPOptions counts packets with options in the router while they are on, and none while they are off.
func TestIPOptions(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		f := r.DialT(t, network, fam)
		seen := countOptions(t, r, f.Tuple())
		var counts []uint64
		for _, on := range []bool{false, true, false} {
			require.NoError(t, f.SetIPOptions(on))
			before := seen()
			_, err := f.RoundTrip(t.Context(), 5, 100)
			require.NoError(t, err)
			counts = append(counts, seen()-before)
		}
		assert.Zero(t, counts[0])
		assert.GreaterOrEqual(t, counts[1], uint64(5))
		if network == "udp" { // TCP may still send packets again that were made before
			assert.Zero(t, counts[2])
		}
	})
}

// TestIPOptionsFromTheFirstPacket wants them on every packet of a flow: its SYN too.
func TestIPOptionsFromTheFirstPacket(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		const port = 20000
		seen := countOptions(t, r, Tuple{network, addrPortOf(r.ClientAddr(fam), port), r.echoAddr(fam)})
		f, err := Dial(t.Context(), r.Client, DialConfig{Network: network, To: r.echoAddr(fam), SourcePort: port, IPOptions: true})
		require.NoError(t, err)
		defer f.Close()
		if network == "tcp" {
			assert.GreaterOrEqual(t, seen(), uint64(2), "the handshake")
		}
		_, err = f.RoundTrip(t.Context(), 1, 100)
		require.NoError(t, err)
		assert.Positive(t, seen())
		require.NoError(t, r.NS.NFT(t.Context(), fmt.Sprintf("delete table inet options%d\n", port)))
	})
}

// closeState is the conntrack state of a TCP flow after it was closed.
func closeState(t *testing.T, r *Router, f *Flow) string {
	t.Helper()
	var state string
	require.NoError(t, Poll(t.Context(), tick, func() (bool, error) {
		e, err := Conntrack(t.Context(), r.NS, f.Tuple())
		state = e.State
		return state != "ESTABLISHED", err
	}))
	return state
}

func TestFinishAndReset(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	for _, fam := range Families() {
		f := r.DialT(t, "tcp", fam)
		require.NoError(t, r.Watch(t.Context(), f.Tuple())) // makes the router track connections
		_, err := f.RoundTrip(t.Context(), 2, 100)
		require.NoError(t, err)

		finished, reset := r.DialT(t, "tcp", fam), r.DialT(t, "tcp", fam)
		for _, f := range []*Flow{finished, reset} {
			_, err := f.RoundTrip(t.Context(), 2, 100)
			require.NoError(t, err)
		}
		require.NoError(t, finished.Finish(t.Context()))
		assert.Contains(t, []string{"TIME_WAIT", "LAST_ACK"}, closeState(t, r, finished))
		require.NoError(t, reset.Reset())
		assert.Equal(t, "CLOSE", closeState(t, r, reset))
		require.NoError(t, reset.Close(), "again")
	}
}

// block drops everything that the router forwards, until the returned function is called.
func block(t *testing.T, r *Router) (unblock func()) {
	t.Helper()
	require.NoError(t, r.NS.NFT(t.Context(), `
table inet block {
	chain forward {
		type filter hook forward priority 0; policy accept;
		counter drop comment "blocked"
	}
}`))
	return func() { require.NoError(t, r.NS.NFT(t.Context(), "delete table inet block\n")) }
}

// blocked is how many packets block dropped.
func blocked(t *testing.T, r *Router) uint64 {
	t.Helper()
	out, err := r.NS.Run(t.Context(), "", "nft", "-j", "list", "chain", "inet", "block", "forward")
	require.NoError(t, err)
	counters, err := parseCounters([]byte(out))
	require.NoError(t, err)
	return counters["blocked"].Packets
}

func TestBlockedTrafficEndsWithItsContext(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		f := r.DialT(t, network, fam)
		unblock := block(t, r)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := f.RoundTrip(ctx, 1, 100)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, f.Tuple().String())

		g, err := Dial(ctx, r.Client, DialConfig{Network: "tcp", To: r.echoAddr(fam)})
		require.Error(t, err)
		require.NoError(t, g.Close())

		unblock()
		_, err = f.RoundTrip(t.Context(), 1, 100)
		if network == "tcp" {
			require.ErrorContains(t, err, "broken", "a stream cut in a message")
			return
		}
		require.NoError(t, err, "datagrams go on")
	})
}

func TestCancelWakesTheWaiter(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		f := r.DialT(t, network, fam)
		unblock := block(t, r)
		defer unblock()
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() { _, err := f.Exchange(ctx, 10<<20); failed <- err }()
		cancel()
		require.ErrorIs(t, <-failed, context.Canceled)
	})
}

func TestPeerThatIsGone(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	flows := map[string]*Flow{"tcp": r.DialT(t, "tcp", IPv4), "udp": r.DialT(t, "udp", IPv4)}
	for _, f := range flows {
		_, err := f.RoundTrip(t.Context(), 1, 100)
		require.NoError(t, err)
	}
	require.NoError(t, r.Echo.Close())
	_, err := flows["tcp"].RoundTrip(t.Context(), 1, 100)
	require.Error(t, err)
	_, err = flows["udp"].RoundTrip(t.Context(), 1, 100)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestBackground(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		f := r.DialT(t, network, fam)
		b := f.Start(500, 100)
		require.NoError(t, Poll(t.Context(), tick, func() (bool, error) { return b.Report().Received >= 20, nil }))
		_, err := f.RoundTrip(t.Context(), 5, 100)
		require.NoError(t, err, "operations take turns")
		report := b.Close()
		require.NoError(t, report.Err)
		assert.GreaterOrEqual(t, report.Received, 20)
		assert.Equal(t, report.Sent, report.Received+report.Lost)
		assert.Positive(t, report.LongestGap)
		assert.Equal(t, report, b.Close(), "it stopped")
		_, err = f.RoundTrip(t.Context(), 1, 100)
		require.NoError(t, err, "the flow goes on")
	})
}

func TestBackgroundSeesAnOutage(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	f := r.DialT(t, "udp", IPv4)
	b := f.Start(200, 100)
	require.NoError(t, Poll(t.Context(), tick, func() (bool, error) { return b.Report().Received >= 5, nil }))
	unblock := block(t, r)
	at := b.Report().Received
	require.NoError(t, Poll(t.Context(), tick, func() (bool, error) { return blocked(t, r) >= 2, nil }))
	unblock()
	require.NoError(t, Poll(t.Context(), tick, func() (bool, error) { return b.Report().Received > at+5, nil }))
	report := b.Close()
	require.NoError(t, report.Err)
	assert.Positive(t, report.Lost)
	assert.GreaterOrEqual(t, report.LongestGap, resendAfter)
}
