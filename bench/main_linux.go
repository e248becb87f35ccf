package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-fastpath/fastpath/internal/goal"
)

// settings are the flags.
type settings struct {
	rounds   int
	flows    int
	readings int
	only     string
	svg      string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == childArgument {
		if err := childMain(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		return
	}
	var s settings
	flag.IntVar(&s.rounds, "rounds", 15, "how often each contestant runs, in turn with the others; slow ones less often")
	flag.IntVar(&s.flows, "flows", 1_000_000, "connections in the watcher's table")
	flag.IntVar(&s.readings, "readings", 2, "readings at the default interval")
	flag.StringVar(&s.only, "only", "",
		"parts to run, joined by commas: ruleset (apply, compile, change, minimal, beside), watcher (dump, poll, interval, events, burst); all if empty")
	flag.StringVar(&s.svg, "svg", "", "file for a drawing of the watcher's results")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ok, err := s.run(ctx, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// run measures everything and writes the goals last. It reports whether all are reached.
func (s *settings) run(ctx context.Context, w io.Writer) (bool, error) {
	if err := s.check(); err != nil {
		return false, err
	}
	if err := writeVersions(ctx, w); err != nil {
		return false, err
	}
	goals, err := s.rulesetGoals(ctx, w)
	if err != nil {
		return false, err
	}
	f, err := s.watcherGoals(ctx, w)
	if err != nil {
		return false, err
	}
	writeCharts(w, f.charts)
	if err := writeSVG(s.svg, f.charts); err != nil {
		return false, err
	}
	fmt.Fprintln(w)
	return goal.Write(w, append(goals, f.goals...)), nil
}
