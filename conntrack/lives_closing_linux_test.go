package conntrack

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// TCP ends, by FIN and by RST, on both fast paths. Up to 6.13 the packet tears the flow down:
//
//	1,0 -> 0,0           at once
//	1,1 -> 0,1 -> 0,0    the driver's rule goes within a second; meanwhile notifications show the hardware bit alone
//
// 7.2 keeps it (NF_FLOW_CLOSING) and notifies of nothing:
//
//	1,1 -> 1,0           the driver's rule goes within a second
//	1,0 -> 0,0           at the flowtable's timeout, as CLOSE
//	gone                 after nf_conntrack_tcp_timeout_close
func TestLifeClosing(t *testing.T) {
	release, err := testns.Kernel()
	require.NoError(t, err)
	keeps := release.AtLeast(6, 14)
	sysctls := map[string]string{"net.netfilter.nf_conntrack_tcp_timeout_close": "600"} // less the flowtable's, it is what is left after a reset
	if keeps {
		sysctls = map[string]string{"net.netfilter.nf_flowtable_tcp_timeout": "6", "net.netfilter.nf_conntrack_tcp_timeout_close": "1"}
	}
	sysctls["net.netfilter.nf_conntrack_tcp_timeout_unacknowledged"] = "600"
	p := newPaths(t, Config{Poll: often}, sysctls)
	ctx := within(t, 3*time.Minute)
	p.offload(t, ctx)
	var lives []*life
	for _, port := range []uint16{softPort, hardPort} {
		for _, family := range testns.Families() {
			lives = append(lives,
				p.closingLife(t, "FIN", keeps, family, port, func(f *testns.Flow) error { return f.Finish(ctx) }),
				p.closingLife(t, "RST", keeps, family, port, (*testns.Flow).Reset))
		}
	}
	p.live(t, ctx, lives...)
}

func (p *paths) closingLife(t *testing.T, how string, keeps bool, family testns.Family, port uint16, end func(*testns.Flow) error) *life {
	ctx := within(t, 3*time.Minute)
	path := offloaded(port)
	l := &life{row: how + ", tcp " + family.String() + " " + path.String(), network: "tcp", family: family, port: port}
	l.steps = reach(port, func(l *life, _ Change) {
		told := p.notificationsOf(t, ctx, l, func() { require.NoError(t, end(l.flow)) })
		switch {
		case keeps:
			assert.Empty(t, told, "%s: a closing flow is notified of by nobody", l.row)
		case how == "FIN":
			require.NotEmpty(t, told, l.row)
			assert.Equal(t, path == Hardware, told[0].Status&HWOffload != 0, "%s: %v", l.row, told[0])
			assert.Zero(t, told[0].Status&Offload, "%s: the software bit goes first: %v", l.row, told[0])
		}
	})
	if !keeps {
		l.steps = append(l.steps, turn{kind: PathChanged, path: Slow})
		return l
	}
	if path == Hardware {
		l.steps = append(l.steps, turn{kind: PathChanged, path: Software})
	}
	l.steps = append(l.steps,
		turn{kind: PathChanged, path: Slow, then: func(_ *life, c Change) { assert.Equal(t, TCPClose, c.Entry.State, "%v", c) }},
		turn{kind: Destroyed, path: Slow, then: func(_ *life, c Change) { assert.False(t, c.Lost, "%v", c) }})
	return l
}

// notificationsOf are those that the kernel sends of a flow while something is done.
func (p *paths) notificationsOf(t *testing.T, ctx context.Context, l *life, do func()) []Entry {
	t.Helper()
	queue, err := p.w.source.Subscribe(ctx, Match{})
	require.NoError(t, err)
	defer queue.Close()
	do()
	var told []Entry
	for n, err := range queue.Notifications(ctx, 0) {
		require.NoError(t, err)
		if n.Entry.Orig.Src == l.tuple.Source {
			told = append(told, n.Entry)
		}
	}
	return told
}
