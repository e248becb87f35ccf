package conntrack

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// 1,0 stays while the driver refuses: the kernel offers the flow again about once a second while packets come. When the driver takes it,
// 1,0 -> 1,1.
func TestLifeRejectedByTheDriver(t *testing.T) {
	p := newPaths(t, Config{Poll: often}, nil)
	ctx := within(t, 3*time.Minute)
	p.offload(t, ctx)
	testns.SetSimulatorT(t, "reject", int(unix.EOPNOTSUPP))
	offered := simulated(t, "n_replace")
	l := &life{row: "rejected", network: "udp", family: testns.IPv4, port: hardPort}
	var steady *testns.Background
	t.Cleanup(func() {
		if steady != nil {
			steady.Close()
		}
	})
	l.steps = []turn{
		{kind: New, path: Slow},
		{kind: PathChanged, path: Software, then: func(l *life, _ Change) {
			steady = l.flow.Start(20, 100)
			waitSimulated(t, ctx, "n_replace", offered+4) // two directions, twice
			p.assertBypass(t, ctx, l)
			assert.Zero(t, simulated(t, "n_rules"))
			testns.SetSimulatorT(t, "reject", 0)
		}},
		{kind: PathChanged, path: Hardware, then: func(*life, Change) { assert.Equal(t, 2, simulated(t, "n_rules")) }},
	}
	p.live(t, ctx, l)
}

// 1,x -> 0,0 when the device of one side goes down, again when it is up and packets come, and again when the flowtable is deleted.
func TestLifeDeviceAndFlowtable(t *testing.T) {
	p := newPaths(t, Config{Poll: often}, nil)
	ctx := within(t, 3*time.Minute)
	p.offload(t, ctx)
	soft := &life{row: "down and deleted, software", network: "udp", family: testns.IPv4, port: softPort}
	hard := &life{row: "down and deleted, hardware", network: "tcp", family: testns.IPv4, port: hardPort}
	lives := []*life{soft, hard}
	down := once(lives, func() { require.NoError(t, p.NS.IP(ctx, "link set "+p.LANDevice+" down")) })
	up := once(lives, func() {
		require.NoError(t, p.NS.IP(ctx, "link set "+p.LANDevice+" up"))
		p.waitUp(t, ctx, p.LANDevice)
		for _, l := range lives {
			l.talk(t, ctx, 20)
		}
	})
	remove := once(lives, func() {
		p.assertBypass(t, ctx, lives...)
		require.NoError(t, p.NS.NFT(ctx, "delete table inet soft\ndelete table inet hard"))
	})
	for _, l := range lives {
		l.steps = append(l.steps, reach(l.port, down)...)
		l.steps = append(l.steps, turn{kind: PathChanged, path: Slow, then: up})
		l.steps = append(l.steps, taken(l.port, remove)...)
		l.steps = append(l.steps, turn{kind: PathChanged, path: Slow})
	}
	p.live(t, ctx, lives...)
	p.assertSlow(t, ctx, lives...)
}

// 1,x -> gone when the table is flushed: each last message has the bits and all that was counted.
func TestLifeFlushed(t *testing.T) {
	p := newPaths(t, Config{Poll: often}, nil)
	ctx := within(t, 3*time.Minute)
	p.offload(t, ctx)
	var lives []*life
	for _, port := range []uint16{softPort, hardPort} {
		for _, family := range testns.Families() {
			for _, network := range []string{"udp", "tcp"} {
				lives = append(lives, &life{row: "flushed, " + network + " " + offloaded(port).String(), network: network, family: family, port: port})
			}
		}
	}
	flush := once(lives, func() {
		for _, l := range lives {
			l.talk(t, ctx, 10)
		}
		_, err := p.NS.Run(ctx, "", "conntrack", "-F")
		require.NoError(t, err)
	})
	for _, l := range lives {
		l.steps = append(reach(l.port, flush), turn{kind: Destroyed, path: offloaded(l.port), then: func(l *life, c Change) { l.assertFinal(t, c) }})
	}
	p.live(t, ctx, lives...)
}

// What the driver counts arrives with its statistics: the sum of the deltas is what it said, but for the last interval of each direction.
func TestLifeHardwareStatistics(t *testing.T) {
	const packets, bytes = 1_000_000, 64_000_000
	p := newPaths(t, Config{Poll: often}, idle) // so that a flow is asked for every second
	ctx := within(t, 3*time.Minute)
	p.offload(t, ctx)
	testns.SetSimulatorT(t, "st_pkts", packets)
	testns.SetSimulatorT(t, "st_bytes", bytes)
	asked := simulated(t, "n_stats")
	var sum Delta
	l := &life{row: "statistics", network: "udp", family: testns.IPv4, port: hardPort}
	p.watch(t, ctx, []*life{l})
	many(t, oracle(t, p.NS), 1)
	follow(t, ctx, p.w, Match{}, func(_ *mirror, c Change) bool {
		if l.flow == nil {
			p.dial(t, ctx, l)
			return false
		}
		if c.Entry.Orig.Src != l.tuple.Source {
			return false
		}
		sum.add(c.Delta)
		if c.Kind == Counted && sum.Sent.Packets > packets && c.Entry.Path() == Hardware {
			_, err := p.w.Evict(ctx, Match{Tuple: asTuple(l.flow)}, false)
			require.NoError(t, err)
		}
		return c.Kind == Destroyed
	})
	said := uint64(simulated(t, "n_stats") - asked)
	counted := (sum.Sent.Packets + sum.Received.Packets) / packets
	t.Logf("the driver told %d times, %d arrived", said, counted)
	assert.LessOrEqual(t, counted, said)
	assert.GreaterOrEqual(t, counted+2, said, "no more than the last interval of each direction is missing")
	assert.Equal(t, uint64(2*l.sent), (sum.Sent.Packets+sum.Received.Packets)%packets, "and what went through software is all there")
	assert.Equal(t, uint64(2*l.sent*(100+28)), (sum.Sent.Bytes+sum.Received.Bytes)-counted*bytes)
}

// waitUp waits until the kernel has told everybody that the device works, a while after it was set up: then it throws cached routes away, and
// with them the flows.
func (p *paths) waitUp(t *testing.T, ctx context.Context, device string) {
	t.Helper()
	require.NoError(t, testns.Poll(ctx, often, func() (bool, error) {
		out, err := p.NS.Run(ctx, "", "ip", "-o", "link", "show", device)
		return strings.Contains(out, " state UP "), err
	}))
}

func simulated(t *testing.T, parameter string) int {
	t.Helper()
	n, err := testns.Simulator(parameter)
	require.NoError(t, err)
	return n
}

func waitSimulated(t *testing.T, ctx context.Context, parameter string, least int) {
	t.Helper()
	require.NoError(t, testns.Poll(ctx, often, func() (bool, error) {
		n, err := testns.Simulator(parameter)
		return n >= least, err
	}))
}
