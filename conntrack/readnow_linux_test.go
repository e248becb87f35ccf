package conntrack

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// A monitor that reads once an hour and stops has everything that was sent by then, on each path that the kernel has.
func TestReadNowOfTheKernel(t *testing.T) {
	testns.CheckLeaks(t)
	ctx := within(t, time.Minute)
	s := &sums{paths: routed(t, Config{Poll: time.Hour}, nil)}
	s.track(t, ctx)
	var flows []*testns.Flow
	for _, port := range []uint16{softPort, hardPort, slowPort} {
		for _, family := range testns.Families() {
			f, err := testns.Dial(ctx, s.Client, testns.DialConfig{Network: "udp", To: netip.AddrPortFrom(s.ServerAddr(family), port)})
			require.NoError(t, err)
			t.Cleanup(func() { _ = f.Close() })
			flows = append(flows, f)
		}
	}
	m := newMirror()
	for c, err := range s.w.Changes(ctx, Match{}) {
		require.NoError(t, err)
		require.NoError(t, m.apply(c))
		if c.Kind == Synced {
			for _, f := range flows {
				talk(t, ctx, f, 20)
			}
			s.w.ReadNow()
		}
		if c.Kind == Read {
			break
		}
	}
	for _, f := range flows {
		now, err := s.look(ctx, f)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, now.Sent.Packets, uint64(20))
		assert.Equal(t, Delta{now.Sent, now.Received}, withOK(m.sums[now.Key()]), "%v", now)
	}
}

// withOK is a sum of what was known.
func withOK(d Delta) Delta {
	d.Sent.OK, d.Received.OK = true, true
	return d
}
