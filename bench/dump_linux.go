package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"time"

	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// slowRounds are enough for what takes many times as long.
const slowRounds = 3

// dumpGoals measures the dump of the whole table into entries.
func dumpGoals(ctx context.Context, w io.Writer, ns *testns.Namespace, rounds, flows int) (findings, error) {
	slow := min(rounds, slowRounds)
	raw := childTrial(ns, "raw receive, nothing decoded", rounds, task{Kind: "raw dump", Flows: flows})
	ours := childTrial(ns, "fastpath: Watcher.Entries", rounds, task{Kind: "entries", Flows: flows})
	trials := []*trial{
		raw, ours,
		{name: "conntrack -L, the whole process", rounds: slow, run: func(ctx context.Context) (report, error) { return listByTool(ctx, ns, flows) }},
		childTrial(ns, "ti-mo/conntrack: Dump", slow, task{Kind: "ti-mo dump", Flows: flows}),
		childTrial(ns, "vishvananda/netlink: ConntrackTableList", slow, task{Kind: "vishvananda list", Flows: flows}),
	}
	if err := inTurn(ctx, trials); err != nil {
		return findings{}, err
	}
	writeTrials(w, fmt.Sprintf("dump of %d flows, in turn, each a process of its own; user and system time of the dump alone", flows), trials)
	heap := ours.most(func(r report) float64 { return float64(r.Heap) }) / 1e6
	fmt.Fprintf(w, "fastpath: heap in use at most %.1f MB, looked at every 5 ms\n", heap)
	return findings{[]goal.Goal{
		goal.Of("dump-cpu-vs-raw", ours.against(raw, reportCPU), 1.15),
		goal.Of("dump-clock-vs-raw", ours.against(raw, reportWall), 1.15),
		goal.Of("dump-allocations-a-flow", ours.most(mallocsEach), 0.01),
		goal.Of("dump-heap-MB", heap, 16),
	}, []chart{
		chartOf(fmt.Sprintf("Dump of %d flows, time", flows), "s", 1e9, trials, reportWall),
		chartOf(fmt.Sprintf("Dump of %d flows, peak memory of the process", flows), "MB", 1e6, trials, reportPeak),
	}}, nil
}

// listByTool is `conntrack -L` with its output thrown away.
func listByTool(ctx context.Context, ns *testns.Namespace, flows int) (r report, err error) {
	cmd := exec.CommandContext(ctx, "conntrack", "-L")
	start := time.Now()
	if err := ns.Start(cmd); err != nil {
		return r, err
	}
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() { peak <- peakOf(cmd.Process.Pid, stop) }()
	err = cmd.Wait()
	r.Wall = time.Since(start)
	close(stop)
	r.PeakResident = <-peak
	if err != nil {
		return r, fmt.Errorf("conntrack -L: %w", err)
	}
	r.CPU, r.Count = cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), flows
	return r, nil
}

// peakOf asks for the greatest memory of a process until stop, for it is gone with the process.
func peakOf(pid int, stop <-chan struct{}) (most uint64) {
	for {
		if _, peak, err := resident(strconv.Itoa(pid)); err == nil {
			most = max(most, peak)
		}
		select {
		case <-stop:
			return most
		case <-time.After(50 * time.Millisecond):
		}
	}
}
