package offload_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestOffUnderTraffic switches the fast path off while twenty flows talk: none breaks or becomes another connection, the forward hook
// counts all of their packets again, and the rest of the ruleset stays in force with the handles that it had. Switched on, they come back.
func TestOffUnderTraffic(t *testing.T) {
	l := newLab(t, &testns.RouterConfig{Sysctls: map[string]string{
		"net.netfilter.nf_conntrack_udp_timeout": "7200", "net.netfilter.nf_conntrack_udp_timeout_stream": "7200",
	}})
	require.NoError(t, l.NS.NFT(t.Context(), "table inet soak_probe { chain c { type filter hook forward priority 30; counter; }; }"))
	spec := guarded(l)
	l.apply(t, *spec)
	r := &reloading{lab: l}
	for i := range 20 {
		r.flows = append(r.flows, l.DialT(t, []string{"tcp", "udp"}[i%2], testns.Families()[i/2%2]))
	}
	r.settle(t)
	before, handles := r.keys(t), l.ruleHandles(t)

	background := r.start()
	require.NoError(t, l.manager.Off(t.Context(), ""))
	r.stop(t, background)
	seen := r.seen(t)
	r.talk(t, trips).Wait()
	assert.GreaterOrEqual(t, r.seen(t)-seen, 2*trips*len(r.flows), "the forward hook sees every packet of every flow")
	for _, f := range r.flows {
		assert.Equal(t, conntrack.Slow, l.path(t, f), "%v", f)
	}
	assert.Equal(t, before, r.keys(t), "they are the same connections")
	assert.Equal(t, handles, l.ruleHandles(t), "the rule that counts before it offloads is cut, the others stay")
	assert.Empty(t, load(t, l.NS).Flowtables())
	r.blocked(t)
	assert.Equal(t, netip.MustParseAddr("203.0.113.1"), talk(t, r.flows[0], 1, 100).Peer.Addr(), "NAT goes on")

	plan, err := l.manager.Plan(t.Context(), spec)
	require.NoError(t, err)
	assert.True(t, plan.Empty(), "%s", plan)
	require.NoError(t, l.manager.On(t.Context(), ""))
	background = r.start()
	_, err = l.manager.Reconcile(t.Context(), spec)
	require.NoError(t, err)
	r.stop(t, background)
	r.settle(t)
	assert.Equal(t, before, r.keys(t))
	assert.Equal(t, handles, l.ruleHandles(t))
	r.blocked(t)
	testns.AssertSoftwarePath(t, l.Router, r.flows[0], within)
	testns.AssertSoftwarePath(t, l.Router, r.flows[3], within)
}

// guarded is a table that offloads, drops and translates.
func guarded(l *lab) *ruleset.Spec {
	spec := accelerate(ruleset.Inet, l.fast(), ruleset.Chain{
		Name: "translate", Type: ruleset.NATChain, Hook: ruleset.Postrouting, Priority: "srcnat",
		Rules: []ruleset.Rule{ruleset.R(ruleset.NFProto.Is("ipv4"), ruleset.OIFName.Is(l.WANDevice), ruleset.Masquerade())},
	})
	spec.Tables[0].Chains[0].Rules = []ruleset.Rule{
		ruleset.R(ruleset.TCPDport.Is(9), ruleset.Counter(), ruleset.Drop()),
		ruleset.R(ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.Counter(), ruleset.FlowAdd("fast")),
	}
	return &spec
}

// blocked demands that the drop is in force: a packet that is dropped is counted, and nobody answers it.
func (r *reloading) blocked(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	before := r.packetsIn(t, "inet", "accel", "accelerate")
	answered := make(chan error, 1)
	go func() {
		f, err := testns.Dial(ctx, r.Client, testns.DialConfig{Network: "tcp", To: netip.AddrPortFrom(r.ServerAddr(testns.IPv4), 9)})
		if err == nil {
			err = f.Close()
		}
		answered <- err
	}()
	require.NoError(t, await(t, func(context.Context) (bool, error) {
		return r.packetsIn(t, "inet", "accel", "accelerate") > before, nil
	}))
	select {
	case err := <-answered:
		require.Fail(t, "a packet that is to be dropped was answered", "%v", err)
	case <-time.After(300 * time.Millisecond):
	}
	cancel()
	require.Error(t, <-answered)
}

// keys name the present entries of the flows.
func (r *reloading) keys(t *testing.T) (keys []conntrack.Key) {
	t.Helper()
	for _, f := range r.flows {
		keys = append(keys, r.key(t, f))
	}
	return keys
}

// start has every flow talk in the background.
func (r *reloading) start() (all []*testns.Background) {
	for _, f := range r.flows {
		all = append(all, f.Start(10, 100))
	}
	return all
}

// stop waits until every flow was answered since, and demands that none broke.
func (r *reloading) stop(t *testing.T, all []*testns.Background) {
	t.Helper()
	for i, b := range all {
		received := b.Report().Received
		assert.NoError(t, await(t, func(context.Context) (bool, error) {
			report := b.Report()
			return report.Received >= received+2, report.Err
		}), "%v", r.flows[i])
		assert.NoError(t, b.Close().Err, "%v", r.flows[i])
	}
}
