package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// eventGoals measures what an event costs its listener.
func eventGoals(ctx context.Context, w io.Writer, rounds, flows int) (findings, error) {
	const rate = 40_000
	listener := func(name, kind string) *trial {
		return &trial{name: name, rounds: rounds, run: func(ctx context.Context) (report, error) {
			r, err := underTraffic(ctx, kind, task{Rate: rate, Flows: flows})
			if err == nil && r.Count != flows {
				err = fmt.Errorf("%d events, want %d", r.Count, flows)
			}
			return r, err
		}}
	}
	raw, ours := listener("raw receive, nothing decoded", "raw events"), listener("fastpath: Watcher.Changes", "changes")
	timo := listener("ti-mo/conntrack: Listen, one worker", "ti-mo listen")
	trials := []*trial{raw, ours, timo}
	if err := inTurn(ctx, trials); err != nil {
		return findings{}, err
	}
	writeTrials(w, fmt.Sprintf("%d new UDP flows at %d/s, in turn; user and system time of the listener", flows, rate), trials)
	return findings{[]goal.Goal{
		goal.Of("event-cpu-vs-raw", ours.against(raw, cpuEach), 1.25),
		goal.Of("event-cpu-vs-ti-mo", ours.against(timo, cpuEach), 0.5),
	}, []chart{chartOf(fmt.Sprintf("Processor time an event, %d/s", rate), "us", 1e3, trials, cpuEach)}}, nil
}

// burstGoals sends many new flows to a Changes with the default settings.
func burstGoals(ctx context.Context, w io.Writer, flows int) (f findings, err error) {
	const rate = 60_000
	r, err := underTraffic(ctx, "burst", task{Rate: rate, Flows: flows})
	if err != nil {
		return f, err
	}
	fmt.Fprintf(w, "\nburst of %d new UDP flows at %d/s, default settings: Changes told %d, %d overruns; its state against a fresh dump: %d mismatches\n",
		flows, rate, r.Count, r.Overruns, r.Mismatches)
	f.goals = []goal.Goal{goal.Of("burst-state-mismatches", float64(r.Mismatches), 0)}
	return f, nil
}

// errTooBusy says that the machine could not make the flows in time.
var errTooBusy = errors.New("the machine is too busy")

// underTraffic starts a listener in a fresh namespace, lets traffic run to its end, and takes the listener's report. Where others keep the
// machine busy it is tried again.
func underTraffic(ctx context.Context, kind string, traffic task) (r report, err error) {
	const tries = 5
	for range tries {
		ns, err := trafficSpace(ctx)
		if err != nil {
			return r, err
		}
		r, err = listen(ctx, ns, kind, traffic)
		if err = errors.Join(err, ns.Close()); !errors.Is(err, errTooBusy) {
			return r, err
		}
	}
	return r, fmt.Errorf("%w in %d tries", errTooBusy, tries)
}

// listen is one try.
func listen(ctx context.Context, ns *testns.Namespace, kind string, traffic task) (report, error) {
	c, err := startChild(ctx, ns, task{Kind: kind, Flows: traffic.Flows})
	if err != nil {
		return report{}, err
	}
	if err := c.ready(); err != nil {
		return report{}, err
	}
	traffic.Kind = "traffic"
	sent, err := runChild(ctx, ns, traffic)
	r, serr := c.stop()
	if err := errors.Join(err, serr); err != nil {
		return r, err
	}
	meant := time.Duration(traffic.Flows) * time.Second / time.Duration(traffic.Rate)
	if sent.Wall > meant+meant/10+200*time.Millisecond {
		return r, fmt.Errorf("%w: it took %v to make %d flows, meant to take %v", errTooBusy, sent.Wall, sent.Count, meant)
	}
	return r, nil
}
