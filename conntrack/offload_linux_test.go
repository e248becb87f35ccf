package conntrack

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// idle is how long a flow stays offloaded without packets, in the tests.
var idle = map[string]string{
	"net.netfilter.nf_flowtable_tcp_timeout": "3",
	"net.netfilter.nf_flowtable_udp_timeout": "3",
	"net.netfilter.nf_conntrack_events":      "1",
}

// accelerate loads a flowtable on both devices that takes what the rule matches. Flags are "" or "flags offload;".
func accelerate(t testing.TB, ctx context.Context, r *testns.Router, table, flags, rule string) {
	t.Helper()
	if flags != "" {
		testns.RequireSimulator(t)
	}
	require.NoError(t, r.NS.NFT(ctx, `table inet `+table+` {
		flowtable f {
			hook ingress priority filter
			devices = { "`+r.LANDevice+`", "`+r.WANDevice+`" }
			`+flags+`
			counter
		}
		chain forward {
			type filter hook forward priority filter; policy accept;
			`+rule+` flow add @f
		}
	}`))
}

// A stage is what a test waits for and what it does then.
type stage struct {
	kind Kind
	path Path // of the entry; where a step may be missed between two readings, the last of them
	then func()
}

// walk follows one flow through stages. Counted, and steps between paths that lead on to what is waited for, are passed over; the mirror sees
// that they are legal.
func walk(t *testing.T, ctx context.Context, w *Watcher, m Match, start func(), stages ...stage) *mirror {
	t.Helper()
	next := 0
	var trail []string
	defer func() {
		if t.Failed() {
			t.Logf("waited for stage %d of %d after:\n%v", next+1, len(stages), trail)
		}
	}()
	started := false
	return follow(t, ctx, w, m, func(_ *mirror, c Change) bool {
		trail = append(trail, c.String()+"\n")
		if !started { // the entry that was there first
			started = true
			start()
			return false
		}
		s := stages[next]
		if c.Kind != s.kind || c.Entry.Path() != s.path {
			require.Contains(t, []Kind{Counted, PathChanged}, c.Kind, "%v", c)
			return false
		}
		next++
		if s.then != nil {
			s.then()
		}
		return next == len(stages)
	})
}

func asTuple(f *testns.Flow) Tuple {
	t := f.Tuple()
	return Tuple{Src: t.Source, Dst: t.Destination}
}

// A match by path tells the way back too, and an offloaded flow that is deleted ends with its bits.
func TestChangesMatchByPath(t *testing.T) {
	testns.RequireFlowtables(t)
	r := testns.NewRouterT(t, &testns.RouterConfig{Sysctls: idle})
	ctx := within(t, time.Minute)
	accelerate(t, ctx, r, "soft", "", "udp dport 7007")
	w := open(t, r.NS, Config{Poll: often})
	first, second := r.DialT(t, "udp", testns.IPv4), r.DialT(t, "udp", testns.IPv6)
	slow := r.DialT(t, "tcp", testns.IPv4)
	talk(t, ctx, first, 5)
	talk(t, ctx, slow, 5)
	walk(t, ctx, w, Match{Paths: []Path{Software}}, func() {}, // the first flow, in the snapshot
		stage{PathChanged, Slow, func() { talk(t, ctx, second, 5) }},
		stage{New, Software, func() {
			_, err := w.Evict(ctx, Match{Family: IPv6}, false)
			require.NoError(t, err)
		}},
		stage{Destroyed, Software, nil},
	)
}

// Each path of Match.Paths is what the kernel's filter yields, with flows on all three paths at a time.
func TestEntriesByPath(t *testing.T) {
	testns.RequireFlowtables(t)
	r := testns.NewRouterT(t, nil)
	ctx := within(t, time.Minute)
	accelerate(t, ctx, r, "hard", "flags offload", "meta l4proto tcp")
	accelerate(t, ctx, r, "soft", "", "meta l4proto udp")
	w := open(t, r.NS, Config{})
	many(t, oracle(t, r.NS), 3)
	for _, family := range testns.Families() {
		for _, network := range []string{"tcp", "udp"} {
			talk(t, ctx, r.DialT(t, network, family), 5)
		}
	}
	require.NoError(t, testns.Poll(ctx, often, func() (bool, error) {
		hard, err := entries(ctx, w, Match{Paths: []Path{Hardware}})
		return len(hard) == 2, err
	}))
	for want, paths := range map[int][]Path{
		7: {Slow, Software, Hardware}, 3: {Slow}, 2: {Software}, 4: {Software, Hardware}, 5: {Slow, Software},
	} {
		n := 0
		for e, err := range w.source.Dump(ctx, Match{Paths: paths}) {
			require.NoError(t, err)
			assert.Contains(t, paths, e.Path())
			assert.True(t, e.Path() == Slow || !e.HasTimeout && e.State == 0, "an offloaded entry has no timeout and no state: %v", e)
			n++
		}
		assert.Equal(t, want, n, "%v", paths)
	}
	all, err := entries(ctx, w, Match{Paths: []Path{Slow, Hardware}})
	require.NoError(t, err)
	assert.Len(t, all, 5)
}
