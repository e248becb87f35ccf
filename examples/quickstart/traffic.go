//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// A connection goes through the router. Want is the path that the declaration means for it.
type connection struct {
	*testns.Flow
	name string
	want conntrack.Path
}

// connections of the demo, in the order in which they were opened.
type connections []connection

// connect opens all connections and sends one message on each.
func (n *network) connect(ctx context.Context) (connections, error) {
	wired := conntrack.Software
	if n.simulated {
		wired = conntrack.Hardware
	}
	server4, server6 := n.ServerAddr(testns.IPv4), n.ServerAddr(testns.IPv6)
	plans := []struct {
		name    string
		from    *testns.Namespace
		network string
		to      netip.AddrPort
		want    conntrack.Path
	}{
		{"masqueraded", n.Client, "tcp", netip.AddrPortFrom(server4, port), conntrack.Software},
		{"masqueraded", n.Client, "udp", netip.AddrPortFrom(server4, port), conntrack.Software},
		{"routed", n.Client, "tcp", netip.AddrPortFrom(server6, port), conntrack.Software},
		{"routed", n.Client, "udp", netip.AddrPortFrom(server6, port), conntrack.Software},
		{"port-forwarded", n.Server, "tcp", netip.AddrPortFrom(n.WANAddr(testns.IPv4), 8080), conntrack.Software},
		{"wired", n.Guest, "tcp", netip.AddrPortFrom(wired4, port), wired},
		{"wired", n.Guest, "udp", netip.AddrPortFrom(wired6, port), wired},
	}
	var all connections
	for _, p := range plans {
		flow, err := testns.Dial(ctx, p.from, testns.DialConfig{Network: p.network, To: p.to})
		if err == nil {
			all = append(all, connection{flow, p.name, p.want})
			_, err = flow.RoundTrip(ctx, 1, testns.MinSize)
		}
		if err != nil {
			all.Close()
			return nil, fmt.Errorf("%s %s connection: %w", p.name, p.network, err)
		}
	}
	return all, nil
}

// talk starts steady traffic on all connections; stop ends it.
func (cs connections) talk() (stop func()) {
	var running []*testns.Background
	for _, c := range cs {
		running = append(running, c.Start(200, 1000))
	}
	return func() {
		for _, b := range running {
			b.Close()
		}
	}
}

// Close closes all connections.
func (cs connections) Close() {
	for _, c := range cs {
		_ = c.Flow.Close() // the other end ends with its namespace
	}
}

// tuple is the connection's original tuple, as conntrack has it.
func (c connection) tuple() conntrack.Tuple {
	t := c.Tuple()
	tuple := conntrack.Tuple{Proto: conntrack.TCP, Src: t.Source, Dst: t.Destination}
	if t.Network == "udp" {
		tuple.Proto = conntrack.UDP
	}
	return tuple
}
