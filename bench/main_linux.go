package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
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
	var goals []goal
	for _, part := range []func() ([]goal, error){
		func() ([]goal, error) { return applyGoals(ctx, w, rounds, folder) },
		func() ([]goal, error) { return compileGoals(w, rounds) },
		func() ([]goal, error) { return changeGoals(ctx, w, rounds) },
		func() ([]goal, error) { return minimalGoals(ctx, w) },
	} {
		g, err := part()
		if err != nil {
			return false, err
		}
		goals = append(goals, g...)
	}
	fmt.Fprintln(w)
	return writeGoals(w, goals), nil
}
