package conntrack

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// The ports of the echo servers: flows to one go to a flowtable in software, those to the other to a driver.
const (
	softPort = 7007
	hardPort = 7008
	slowPort = 7009 // no flowtable takes these
)

// paths is a router with a flowtable for each path and a watcher on it.
type paths struct {
	*testns.Router
	w       *Watcher
	servers []*testns.Server // beside Echo
}

// newPaths makes the router. Its flowtables are loaded when a test says so.
func newPaths(t *testing.T, cfg Config, sysctls map[string]string) *paths {
	t.Helper()
	testns.RequireFlowtables(t)
	long := map[string]string{ // nothing times out unless the test wants it to
		"net.netfilter.nf_flowtable_tcp_timeout": "300", "net.netfilter.nf_flowtable_udp_timeout": "300",
		"net.netfilter.nf_conntrack_udp_timeout": "900", "net.netfilter.nf_conntrack_udp_timeout_stream": "900",
	}
	maps.Copy(long, sysctls)
	return routed(t, cfg, long)
}

// routed is newPaths on any kernel.
func routed(t *testing.T, cfg Config, sysctls map[string]string) *paths {
	t.Helper()
	all := map[string]string{"net.netfilter.nf_conntrack_events": "1"}
	maps.Copy(all, sysctls)
	p := &paths{Router: testns.NewRouterT(t, &testns.RouterConfig{Sysctls: all})}
	for _, port := range []uint16{hardPort, slowPort} {
		p.servers = append(p.servers, testns.ServeT(t, p.Server, port))
	}
	p.w = open(t, p.NS, cfg)
	return p
}

// offload loads both flowtables. Either direction may offload a flow.
func (p *paths) offload(t *testing.T, ctx context.Context) {
	t.Helper()
	accelerate(t, ctx, p.Router, "soft", "", fmt.Sprintf("meta l4proto { tcp, udp } ct original proto-dst %d", softPort))
	accelerate(t, ctx, p.Router, "hard", "flags offload", fmt.Sprintf("meta l4proto { tcp, udp } ct original proto-dst %d", hardPort))
}

// assertBypass lets the flows talk until conntrack counts every packet while the forward hook sees none.
func (p *paths) assertBypass(t *testing.T, ctx context.Context, lives ...*life) {
	t.Helper()
	p.assert(t, ctx, lives, func(n uint64, hook testns.Forwarded, counted Delta) bool {
		return hook == testns.Forwarded{} && counted.Sent.Packets >= n && counted.Received.Packets >= n
	})
}

// assertSlow lets the flows talk until the forward hook sees all of it.
func (p *paths) assertSlow(t *testing.T, ctx context.Context, lives ...*life) {
	t.Helper()
	p.assert(t, ctx, lives, func(n uint64, hook testns.Forwarded, counted Delta) bool {
		return hook.Original.Packets >= n && hook.Reply.Packets >= n && counted.Sent.Packets >= n && counted.Received.Packets >= n
	})
}

// assert measures until the proof holds for each flow.
func (p *paths) assert(t *testing.T, ctx context.Context, lives []*life, proof func(n uint64, hook testns.Forwarded, counted Delta) bool) {
	t.Helper()
	const n = 20
	var last []string
	err := testns.Poll(ctx, often, func() (bool, error) {
		last = nil
		p.measure(t, ctx, lives, n, func(l *life, hook testns.Forwarded, counted Delta) {
			if !proof(n, hook, counted) {
				last = append(last, fmt.Sprintf("%s: %d round trips, the forward hook saw %+v, conntrack counted %+v", l.row, n, hook, counted))
			}
		})
		return last == nil, nil
	})
	require.NoError(t, err, "%s", strings.Join(last, "\n"))
}

func (p *paths) measure(t *testing.T, ctx context.Context, lives []*life, n int, each func(*life, testns.Forwarded, Delta)) {
	t.Helper()
	before := map[*life]Entry{}
	for _, l := range lives {
		l.talk(t, ctx, 3) // whatever changes the path comes with the next packets
	}
	hook, err := p.ForwardedAll(ctx)
	require.NoError(t, err)
	for _, l := range lives {
		before[l] = p.entry(t, ctx, l)
		l.talk(t, ctx, n)
	}
	after, err := p.ForwardedAll(ctx)
	require.NoError(t, err)
	for _, l := range lives {
		now, was := p.entry(t, ctx, l), before[l]
		each(l, after[l.tuple].Sub(hook[l.tuple]), Delta{Sent: now.Sent.since(was.Sent), Received: now.Received.since(was.Received)})
	}
}

// entry is what conntrack has of the flow.
func (p *paths) entry(t *testing.T, ctx context.Context, l *life) Entry {
	t.Helper()
	e, err := p.w.source.Lookup(ctx, Key{Orig: Tuple{Src: l.tuple.Source, Dst: l.tuple.Destination, Proto: protoOf(l.network)}})
	require.NoError(t, err)
	require.True(t, e.Sent.OK)
	return e
}

func protoOf(network string) uint8 {
	if network == "tcp" {
		return TCP
	}
	return UDP
}
