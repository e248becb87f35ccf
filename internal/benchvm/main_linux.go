package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// A bench is what is asked of one run.
type bench struct {
	out        io.Writer
	rounds     int
	agentBytes int64
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == idleArgument {
		os.Exit(idle())
	}
	b := bench{out: os.Stdout}
	flag.IntVar(&b.rounds, "rounds", 100, "how many devices appear one by one")
	flag.Int64Var(&b.agentBytes, "agent-bytes", 0, "size of the static, stripped program of examples/controller; 0 is not asked")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	goals, err := b.run(ctx)
	fmt.Fprintln(b.out)
	reached := goal.Write(b.out, goals)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "benchvm:", err)
		os.Exit(2)
	case !reached:
		os.Exit(1)
	}
}

// run measures everything.
func (b *bench) run(ctx context.Context) ([]goal.Goal, error) {
	if ok, why := testns.HaveFlowtables(ctx); !ok {
		return nil, fmt.Errorf("this kernel has no flowtables: %s", why)
	}
	release, err := testns.Kernel()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(b.out, "Linux %s\n", release.Text)
	if os.Getenv("FASTPATH_VM") == "1" { // else every device that goes waits for a grace period
		if err := os.WriteFile("/sys/kernel/rcu_expedited", []byte("1"), 0); err != nil {
			return nil, err
		}
	}
	var goals []goal.Goal
	for _, part := range []func(context.Context) ([]goal.Goal, error){b.latency, b.burst, b.idle, b.repair, b.conflicts, b.agent} {
		g, err := part(ctx)
		goals = append(goals, g...)
		if err != nil {
			return goals, err
		}
	}
	return goals, nil
}

// agent holds the size of the program that was built.
func (b *bench) agent(context.Context) ([]goal.Goal, error) {
	if b.agentBytes == 0 {
		return nil, nil
	}
	return []goal.Goal{goal.Of("agent-static-stripped-MB", float64(b.agentBytes)/1e6, 8)}, nil
}
