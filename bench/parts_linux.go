package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/internal/testns"
)

func rulesetParts() []string { return []string{"apply", "compile", "change", "minimal", "beside"} }
func watcherParts() []string { return []string{"dump", "poll", "interval", "events", "burst"} }

// check refuses what makes no sense.
func (s *settings) check() error {
	if s.rounds < 1 || s.readings < 1 || s.flows < 1000 {
		return errors.New("-rounds and -readings are to be 1 or more, -flows 1000 or more")
	}
	if s.only == "" {
		return nil
	}
	known := slices.Concat(rulesetParts(), watcherParts(), []string{"ruleset", "watcher"})
	for name := range strings.SplitSeq(s.only, ",") {
		if !slices.Contains(known, name) {
			return fmt.Errorf("-only %s: known are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// wants tells whether one of these parts is to run.
func (s *settings) wants(parts ...string) bool {
	group := "ruleset"
	if slices.Contains(watcherParts(), parts[0]) {
		group = "watcher"
	}
	only := strings.Split(s.only, ",")
	return s.only == "" || slices.Contains(only, group) || slices.ContainsFunc(parts, func(p string) bool { return slices.Contains(only, p) })
}

// rulesetGoals compares what compiles and applies rulesets.
func (s *settings) rulesetGoals(ctx context.Context, w io.Writer) ([]goal.Goal, error) {
	folder, err := os.MkdirTemp("", "fastpath-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	var goals []goal.Goal
	for i, part := range []func() ([]goal.Goal, error){
		func() ([]goal.Goal, error) { return applyGoals(ctx, w, s.rounds, folder) },
		func() ([]goal.Goal, error) { return compileGoals(w, s.rounds) },
		func() ([]goal.Goal, error) { return changeGoals(ctx, w, s.rounds) },
		func() ([]goal.Goal, error) { return minimalGoals(ctx, w) },
		func() ([]goal.Goal, error) { return besideGoals(ctx, w, s.rounds) },
	} {
		if !s.wants(rulesetParts()[i]) {
			continue
		}
		g, err := part()
		if err != nil {
			return nil, err
		}
		goals = append(goals, g...)
	}
	return goals, nil
}

// watcherGoals compares what reads connections. The machine's limits of connections are raised meanwhile.
func (s *settings) watcherGoals(ctx context.Context, w io.Writer) (f findings, err error) {
	if !s.wants(watcherParts()...) {
		return f, nil
	}
	restore, err := raiseLimits(s.flows)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, restore()) }()
	rounds := (s.rounds + 1) / 2
	if s.wants("dump", "poll", "interval") {
		if err := s.tableGoals(ctx, w, &f, rounds); err != nil {
			return f, err
		}
	}
	if s.wants("events") {
		if err := f.add(eventGoals(ctx, w, rounds, s.flows/5)); err != nil {
			return f, err
		}
	}
	if s.wants("burst") {
		if err := f.add(burstGoals(ctx, w, s.flows/2)); err != nil {
			return f, err
		}
	}
	return f, nil
}

// tableGoals measures the readings of one big table.
func (s *settings) tableGoals(ctx context.Context, w io.Writer, f *findings, rounds int) (err error) {
	ns, err := bigTable(ctx, s.flows)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ns.Close()) }()
	for _, part := range []struct {
		name string
		run  func(context.Context, io.Writer, *testns.Namespace, int, int) (findings, error)
		n    int
	}{{"dump", dumpGoals, s.rounds}, {"poll", pollGoals, rounds}, {"interval", intervalGoals, s.readings}} {
		if !s.wants(part.name) {
			continue
		}
		if err := f.add(part.run(ctx, w, ns, part.n, s.flows)); err != nil {
			return err
		}
	}
	return nil
}

// findings are what the watcher's parts found.
type findings struct {
	goals  []goal.Goal
	charts []chart
}

func (f *findings) add(g findings, err error) error {
	f.goals, f.charts = append(f.goals, g.goals...), append(f.charts, g.charts...)
	return err
}
