package conntrack

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// never is an interval at which no test lives to see a second reading: what is told was notified.
const never = time.Hour

// 0,0 -> 1,0 with an event: the packet that is offloaded also is the first answer of UDP, or makes a TCP connection ASSURED, and that update
// has the bit already. Nothing is read.
func TestLifeSoftwareByAnEvent(t *testing.T) {
	p := newPaths(t, Config{Poll: never}, nil)
	ctx := within(t, 3*time.Minute)
	p.offload(t, ctx)
	var lives []*life
	for _, network := range []string{"udp", "tcp"} {
		for _, family := range testns.Families() {
			lives = append(lives, &life{row: "event, " + network, network: network, family: family, port: softPort,
				steps: reach(softPort, func(l *life, c Change) { assert.Empty(t, c.Entry.Flowtable, "nothing announces it") })})
		}
	}
	p.live(t, ctx, lives...)
	p.assertBypass(t, ctx, lives...)
}

// 0,0 -> 1,0 and 1,0 -> 1,1 without an event: a connection that is established meets `flow add`. No notification comes, and a reading tells it.
func TestLifeWithoutAnEvent(t *testing.T) {
	p := newPaths(t, Config{Poll: often}, nil)
	ctx := within(t, 3*time.Minute)
	var lives []*life
	for _, port := range []uint16{softPort, hardPort} {
		l := &life{row: "no event, " + offloaded(port).String(), network: "tcp", family: testns.IPv4, port: port}
		l.steps = reach(port, nil)
		lives = append(lives, l)
	}
	lives[1].steps[0].then = func(*life, Change) {
		p.assertSlow(t, ctx, lives...)
		p.offload(t, ctx)
		for _, l := range lives {
			told := p.notificationsOf(t, ctx, l, func() { l.talk(t, ctx, 20) })
			assert.Empty(t, told, "%s: the kernel notifies of neither bit", l.row)
		}
	}
	p.live(t, ctx, lives...)
	p.assertBypass(t, ctx, lives...)
}

// 0,0 -> 1,0 announced: the same connection meets a rule that marks it once it is offloaded. The update of the mark has the bit, long before the
// next reading, and the mark names the flowtable.
func TestLifeAnnounced(t *testing.T) {
	p := newPaths(t, Config{Poll: never, Announced: map[uint32]string{1 << 8: "fast"}}, nil)
	ctx := within(t, 3*time.Minute)
	var lives []*life
	for _, family := range testns.Families() {
		l := &life{row: "announced", network: "tcp", family: family, port: softPort}
		l.steps = reach(softPort, func(l *life, c Change) {
			assert.Equal(t, "fast", c.Entry.Flowtable)
			assert.EqualValues(t, 1<<8, c.Entry.Mark)
		})
		lives = append(lives, l)
	}
	lives[1].steps[0].then = func(*life, Change) {
		p.announce(t, ctx)
		for _, l := range lives {
			l.talk(t, ctx, 5)
		}
	}
	p.live(t, ctx, lives...)
	p.assertBypass(t, ctx, lives...)
}

// announce loads a flowtable whose rule tells of each flow that it took.
func (p *paths) announce(t *testing.T, ctx context.Context) {
	t.Helper()
	require.NoError(t, p.NS.NFT(ctx, `table inet told {
		flowtable f { hook ingress priority filter; devices = { "`+p.LANDevice+`", "`+p.WANDevice+`" }; counter; }
		chain forward { type filter hook forward priority filter; meta l4proto tcp flow add @f ct mark set ct mark or 0x100; }
	}`))
}
