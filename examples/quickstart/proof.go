//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// A tally counts the connections by the path that was proven for them.
type tally struct{ flows, software, hardware, failed int }

// String is the demo's last line.
func (t tally) String() string {
	return fmt.Sprintf("demo: %d flows, %d software, %d hardware, %d failed", t.flows, t.software, t.hardware, t.failed)
}

// prove finds out which connections really bypass the classic path. A status bit is a claim; the proof is that messages come
// and go, both directions of the connection count them, and the forward chain does not see one of them.
func (n *network) prove(ctx context.Context, out io.Writer, watcher *conntrack.Watcher, connections connections) (tally, error) {
	result := tally{flows: len(connections)}
	var carried uint64 // packets of all connections
	for _, c := range connections {
		e, err := n.measure(ctx, watcher, c)
		if err != nil {
			return result, err
		}
		switch {
		case !e.bypassed() || e.path != c.want:
			result.failed++
			fmt.Fprintf(out, "FAILED, should be in %v: ", c.want)
		case e.path == conntrack.Hardware:
			result.hardware++
		default:
			result.software++
		}
		carried += e.total
		fmt.Fprintf(out, "%-14s %s %-4s  %v\n", c.name, c.Tuple().Network, c.Tuple().Family(), e)
	}
	seen, err := n.forwardCounter(ctx)
	if err != nil {
		return result, err
	}
	fmt.Fprintf(out, "\nin all: the forward chain counted %d packets, %d a connection; the connections counted %d\n",
		seen, seen/uint64(len(connections)), carried)
	return result, nil
}

// An evidence is what some round trips of one connection moved.
type evidence struct {
	path           conntrack.Path
	trips          uint64
	forward        uint64 // packets that the forward chain counted meanwhile
	sent, received uint64 // packets that the connection counted meanwhile
	total          uint64 // packets of the connection since it began
}

func (e evidence) bypassed() bool {
	return e.path != conntrack.Slow && e.forward == 0 && e.sent >= e.trips && e.received >= e.trips
}

func (e evidence) String() string {
	return fmt.Sprintf("%d round trips: forward chain +%d packets, connection +%d/+%d, %v", e.trips, e.forward, e.sent, e.received, e.path)
}

// measure sends messages on one connection while all others are silent.
func (n *network) measure(ctx context.Context, watcher *conntrack.Watcher, c connection) (evidence, error) {
	before, forward, err := n.read(ctx, watcher, c)
	if err != nil {
		return evidence{}, err
	}
	if _, err := c.RoundTrip(ctx, roundTrips, testns.MinSize); err != nil {
		return evidence{}, err
	}
	after, forwardAfter, err := n.read(ctx, watcher, c)
	if err != nil {
		return evidence{}, err
	}
	return evidence{
		path:     after.Path(),
		trips:    roundTrips,
		forward:  forwardAfter - forward,
		sent:     after.Sent.Packets - before.Sent.Packets,
		received: after.Received.Packets - before.Received.Packets,
		total:    after.Sent.Packets + after.Received.Packets,
	}, nil
}

// read takes the connection's entry and the forward chain's counter.
func (n *network) read(ctx context.Context, watcher *conntrack.Watcher, c connection) (conntrack.Entry, uint64, error) {
	forward, err := n.forwardCounter(ctx)
	if err != nil {
		return conntrack.Entry{}, 0, err
	}
	for entry, err := range watcher.Entries(ctx, conntrack.Match{Tuple: c.tuple()}) {
		return entry, forward, err
	}
	return conntrack.Entry{}, 0, fmt.Errorf("conntrack has no entry for %v", c)
}

// forwardCounter reads the counter of the forward chain's first rule, with nft as an independent witness.
func (n *network) forwardCounter(ctx context.Context) (packets uint64, err error) {
	text, err := n.NS.Run(ctx, "", "nft", "--json", "list", "chain", "inet", "demo", "forward")
	if err != nil {
		return 0, err
	}
	var listing struct {
		Objects []struct {
			Rule struct {
				Expr []struct {
					Counter *struct{ Packets uint64 }
				}
			}
		} `json:"nftables"`
	}
	if err := json.Unmarshal([]byte(text), &listing); err != nil {
		return 0, fmt.Errorf("read nft's listing of the forward chain: %w", err)
	}
	for _, object := range listing.Objects {
		for _, expr := range object.Rule.Expr {
			if expr.Counter != nil {
				return expr.Counter.Packets, nil
			}
		}
	}
	return 0, errors.New("nft lists no counter in the forward chain")
}
