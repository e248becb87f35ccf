package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// pollGoals measures one reading of Changes, of which one of a hundred flows matches and none moves.
func pollGoals(ctx context.Context, w io.Writer, ns *testns.Namespace, rounds, flows int) (findings, error) {
	const readings = 5 // in one process
	t := task{Kind: "raw poll", Filter: filter{Status: uint32(standIn)}, Repeat: readings, Flows: flows / 100}
	raw := childTrial(ns, "raw receive of the filtered dump", rounds, t)
	t.Kind = "poll"
	ours := childTrial(ns, "fastpath: Watcher.Changes, one reading", rounds, t)
	trials := []*trial{raw, ours}
	if err := inTurn(ctx, trials); err != nil {
		return findings{}, err
	}
	writeTrials(w, fmt.Sprintf("poll of %d flows of which %d have the status %v, which stands in for OFFLOAD; means of %d readings with a pause of 1 ms",
		flows, t.Flows, standIn, readings), trials)
	return findings{[]goal.Goal{goal.Of("poll-cpu-vs-raw", ours.against(raw, reportCPU), 1.15)},
		[]chart{chartOf(fmt.Sprintf("One reading of %d flows, %d match: processor time", flows, t.Flows), "ms", 1e6, trials, reportCPU)}}, nil
}

// intervalGoals measures what Changes takes by itself of one processor, and its memory.
func intervalGoals(ctx context.Context, w io.Writer, ns *testns.Namespace, readings, flows int) (findings, error) {
	fmt.Fprintf(w, "\nChanges with the default settings, %d readings and the pauses behind them, nothing moves; the table has %d flows\n", readings, flows)
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "matching\tseconds\tcpu s\t%% of a core\tresident MB\tpeak MB\tof Go MB\tlimit MB\t  matched by\n")
	var goals []goal.Goal
	share := chart{title: "Polling at the default interval", unit: "% of a core"}
	memory := chart{title: "Memory of Changes", unit: "MB resident"}
	for _, x := range []struct {
		n  int
		by string
		f  filter
	}{
		{flows / 100, "status", filter{Status: uint32(standIn)}}, {flows / 10, "mark", filter{Mark: markTenth}}, {flows, "mark", filter{Mark: markAll}},
	} {
		r, err := runChild(ctx, ns, task{Kind: "interval", Filter: x.f, Repeat: readings, Flows: x.n})
		if err != nil {
			return findings{}, err
		}
		percent, mb, limit := 100*r.CPU.Seconds()/r.Wall.Seconds(), float64(r.Resident)/1e6, 16+200*float64(x.n)/1e6
		fmt.Fprintf(t, "%d\t%.1f\t%.2f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t  %s\n", x.n, r.Wall.Seconds(), r.CPU.Seconds(), percent,
			mb, float64(r.PeakResident)/1e6, float64(r.Memory)/1e6, limit, x.by)
		goals = append(goals, goal.Of(fmt.Sprintf("polling-percent-of-a-core-%d-match", x.n), percent, 10),
			goal.Of(fmt.Sprintf("resident-MB-%d-match", x.n), mb, limit))
		name := fmt.Sprintf("%d match", x.n)
		share.bars = append(share.bars, bar{name, percent, 10})
		memory.bars = append(memory.bars, bar{name, mb, limit})
	}
	t.Flush()
	return findings{goals, []chart{share, memory}}, nil
}
