//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

const (
	pollEvery  = 100 * time.Millisecond // the kernel announces neither offload bit: a Watcher looks again and again
	followFor  = 20 * time.Second       // at most, until every connection is on its path
	settleFor  = 5 * time.Second        // drivers give their flows back within a second
	roundTrips = 500                    // that have to bypass the forward chain, on each connection
)

// A tour is one run of the demo.
type tour struct {
	out     io.Writer
	network *network
	manager *offload.Manager
	watcher *conntrack.Watcher
}

// declareAndApply goes from a declaration to rules in the kernel.
func (t *tour) declareAndApply(ctx context.Context) error {
	t.title(1, "The declaration, in the JSON form of ruleset.Spec")
	spec := declare(t.network.simulated)
	if err := printJSON(t.out, spec); err != nil {
		return err
	}
	t.title(2, "The plan, as nft commands")
	plan, err := t.manager.Plan(ctx, spec)
	if err != nil {
		return err
	}
	fmt.Fprint(t.out, plan)

	t.title(3, "Apply, as one transaction")
	generation, err := t.manager.Apply(ctx, plan)
	if errors.Is(err, offload.ErrHardwareRefused) {
		fmt.Fprintf(t.out, "hardware offload was refused, so we go on without: %v\n", err)
		t.network.simulated = false
		plan, generation, err = t.planAndApply(ctx, declare(false))
	}
	if err != nil {
		return err
	}
	for _, b := range plan.Bindings() {
		fmt.Fprintf(t.out, "flowtable %-5s device %s: %s, %s\n", b.Flowtable, b.Device, b.State, b.Why)
	}
	fmt.Fprintf(t.out, "applied, ruleset generation %d\n", generation)
	return nil
}

// sendTraffic opens connections, watches them take their paths, and proves it.
func (t *tour) sendTraffic(ctx context.Context) (tally, error) {
	t.title(4, "One message on every connection: too few packets for the fast path")
	connections, err := t.network.connect(ctx)
	if err != nil {
		return tally{}, err
	}
	defer connections.Close()
	table := newTable(t.out, connections)
	for entry, err := range t.watcher.Entries(ctx, conntrack.Match{}) {
		if err != nil {
			return tally{}, err
		}
		table.show(entry)
	}

	t.title(5, "Traffic: a row for every change of path, from the 6th packet on")
	if err := t.follow(ctx, connections, table); err != nil {
		return tally{}, err
	}

	t.title(6, "The bypass: the forward chain's counter beside the connections' own")
	result, err := t.network.prove(ctx, t.out, t.watcher, connections)
	if err != nil {
		return result, err
	}
	report, err := t.manager.Report(ctx, t.watcher)
	if err != nil {
		return result, err
	}
	fmt.Fprintf(t.out, "\nthe report of offload.Manager:\n%v", report)
	return result, nil
}

// follow keeps all connections busy and prints what the Watcher tells, until each is on the path that was declared for it.
// Whoever is not there in time is found out by prove.
func (t *tour) follow(ctx context.Context, connections connections, table *table) error {
	stop := connections.talk()
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, followFor)
	defer cancel()
	for change, err := range t.watcher.Changes(ctx, conntrack.Match{}) {
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		if change.Entry.Orig.Src.IsValid() { // of a connection, and no news of the stream itself
			table.show(change.Entry)
		}
		if table.settled() {
			break
		}
	}
	return nil
}

// tearDown declares nothing: the table of this owner goes, and its flowtables with it.
func (t *tour) tearDown(ctx context.Context) error {
	t.title(7, "Teardown: a declaration without tables")
	plan, generation, err := t.planAndApply(ctx, &ruleset.Spec{Owner: owner})
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "%vapplied, ruleset generation %d\n", plan, generation)
	return t.network.showRest(ctx, t.out, t.watcher)
}

// planAndApply is the usual pair of calls.
func (t *tour) planAndApply(ctx context.Context, spec *ruleset.Spec) (*ruleset.Plan, uint32, error) {
	plan, err := t.manager.Plan(ctx, spec)
	if err != nil {
		return nil, 0, err
	}
	generation, err := t.manager.Apply(ctx, plan)
	return plan, generation, err
}

func (t *tour) title(number int, text string) {
	fmt.Fprintf(t.out, "\n== %d. %s\n\n", number, text)
}
