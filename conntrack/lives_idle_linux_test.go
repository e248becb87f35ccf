package conntrack

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// The whole life of flows on both fast paths, UDP and TCP, IPv4 and IPv6:
//
//	0,0 -> 1,0           `flow add`
//	1,0 -> 1,1           the worker gave it to the driver
//	1,0 -> 0,0           idle for the flowtable's timeout
//	1,1 -> 0,1 -> 0,0    the same in hardware, whose bit goes last
//	0,0 -> 1,x           again by the next packet
//	1,x -> gone          deleted by its tuple; the last message has the bits and the counters
func TestLifeIdleAndAgain(t *testing.T) {
	p := newPaths(t, Config{Poll: often}, map[string]string{
		"net.netfilter.nf_flowtable_tcp_timeout": "5", "net.netfilter.nf_flowtable_udp_timeout": "5"})
	ctx := within(t, 3*time.Minute)
	p.offload(t, ctx)
	var lives []*life
	for _, port := range []uint16{softPort, hardPort} {
		for _, network := range []string{"udp", "tcp"} {
			for _, family := range testns.Families() {
				lives = append(lives, p.idleLife(t, network, family, port))
			}
		}
	}
	p.live(t, ctx, lives...)
	hook, err := p.ForwardedAll(ctx)
	require.NoError(t, err)
	for _, l := range lives {
		seen := hook[l.tuple]
		assert.GreaterOrEqual(t, seen.Original.Packets, uint64(2), "%s: the first packet of both times took the slow path", l.row)
		assert.Less(t, seen.Original.Packets+seen.Reply.Packets, uint64(12), "%s: of %d round trips, and their acknowledgements", l.row, l.sent)
	}
}

func (p *paths) idleLife(t *testing.T, network string, family testns.Family, port uint16) *life {
	ctx := within(t, 3*time.Minute)
	path := offloaded(port)
	talk := func(l *life, _ Change) { l.talk(t, ctx, 20) }
	l := &life{row: "idle and again, " + network + " " + family.String() + " " + path.String(), network: network, family: family, port: port}
	l.steps = append(reach(port, talk), turn{kind: PathChanged, path: Slow, then: talk})
	l.steps = append(l.steps, taken(port, func(l *life, _ Change) {
		victims, err := p.w.Evict(ctx, Match{Tuple: asTuple(l.flow)}, false)
		require.NoError(t, err)
		require.Len(t, victims, 1)
		assert.Equal(t, path, victims[0].Entry.Path())
	})...)
	l.steps = append(l.steps, turn{kind: Destroyed, path: path, then: func(l *life, c Change) { l.assertFinal(t, c) }})
	return l
}

// assertFinal holds the last message against what was sent: with `counter` not one packet is missing.
func (l *life) assertFinal(t *testing.T, c Change) {
	t.Helper()
	assert.False(t, c.Lost, "the kernel's last message came: %v", c)
	want := uint64(l.sent)
	if l.network == "udp" {
		assert.Equal(t, want, c.Entry.Sent.Packets, "%v", c)
		return
	}
	assert.GreaterOrEqual(t, c.Entry.Sent.Packets, want, "%v", c) // and acknowledgements
}
