package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// A trial is one contestant of the watcher's measurements, and what came out, a report a round.
type trial struct {
	name    string
	rounds  int
	run     func(context.Context) (report, error)
	reports []report
}

// childTrial is a task for a process of its own each time.
func childTrial(ns *testns.Namespace, name string, rounds int, t task) *trial {
	return &trial{name: name, rounds: rounds, run: func(ctx context.Context) (report, error) { return runChild(ctx, ns, t) }}
}

// inTurn runs the trials, A B C A B C; one of fewer rounds is left out of the later ones.
func inTurn(ctx context.Context, trials []*trial) error {
	for round := 0; slices.ContainsFunc(trials, func(t *trial) bool { return round < t.rounds }); round++ {
		for _, t := range trials {
			if round >= t.rounds {
				continue
			}
			r, err := t.run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			t.reports = append(t.reports, r)
		}
	}
	return nil
}

func reportCPU(r report) float64  { return float64(r.CPU) }
func reportWall(r report) float64 { return float64(r.Wall) }
func reportPeak(r report) float64 { return float64(r.PeakResident) }

// cpuEach is processor time by what was counted, in nanoseconds.
func cpuEach(r report) float64 { return float64(r.CPU) / float64(max(r.Count, 1)) }

// of lists one number of every report, least first.
func (t *trial) of(number func(report) float64) []float64 {
	var list []float64
	for _, r := range t.reports {
		list = append(list, number(r))
	}
	slices.Sort(list)
	return list
}

func (t *trial) median(number func(report) float64) float64 {
	list := t.of(number)
	return list[len(list)/2]
}

func (t *trial) most(number func(report) float64) float64 {
	list := t.of(number)
	return list[len(list)-1]
}

// against compares medians.
func (t *trial) against(other *trial, number func(report) float64) float64 {
	return t.median(number) / other.median(number)
}

// writeTrials prints a table: processor time and the clock, how the medians stand to those of the first, the floor, and memory.
func writeTrials(w io.Writer, title string, trials []*trial) {
	fmt.Fprintf(w, "\n%s\n", title)
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "rounds\tcpu ms: min\tmedian\tmax\tclock ms: min\tmedian\tmax\tcpu ratio\tclock ratio\tcpu us each\tallocs each\tpeak MB\t  \n")
	for _, x := range trials {
		fmt.Fprintf(t, "%d", len(x.reports))
		for _, number := range []func(report) float64{reportCPU, reportWall} {
			for _, v := range []float64{x.of(number)[0], x.median(number), x.most(number)} {
				fmt.Fprintf(t, "\t%s", ms(time.Duration(v)))
			}
		}
		fmt.Fprintf(t, "\t%.2f\t%.2f\t%.2f\t%.3f\t%.1f\t  %s\n", x.against(trials[0], reportCPU), x.against(trials[0], reportWall),
			x.median(cpuEach)/1e3, x.median(mallocsEach), x.median(reportPeak)/1e6, x.name)
	}
	t.Flush()
}

// mallocsEach is how many objects were allocated for each of what was counted.
func mallocsEach(r report) float64 { return float64(r.Mallocs) / float64(max(r.Count, 1)) }
