package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/go-fastpath/fastpath/internal/goal"
)

func main() {
	rounds := flag.Int("rounds", 15, "how often each contestant runs, in turn with the others")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, os.Stdout, *rounds)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// run measures everything and writes the goals last. It reports whether all are reached.
func run(ctx context.Context, w io.Writer, rounds int) (bool, error) {
	folder, err := os.MkdirTemp("", "fastpath-bench-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(folder)
	if err := writeVersions(ctx, w); err != nil {
		return false, err
	}
	var goals []goal.Goal
	for _, part := range []func() ([]goal.Goal, error){
		func() ([]goal.Goal, error) { return applyGoals(ctx, w, rounds, folder) },
		func() ([]goal.Goal, error) { return compileGoals(w, rounds) },
		func() ([]goal.Goal, error) { return changeGoals(ctx, w, rounds) },
		func() ([]goal.Goal, error) { return minimalGoals(ctx, w) },
	} {
		g, err := part()
		if err != nil {
			return false, err
		}
		goals = append(goals, g...)
	}
	fmt.Fprintln(w)
	return goal.Write(w, goals), nil
}
