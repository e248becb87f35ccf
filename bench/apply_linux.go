package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A contestant puts one ruleset into a namespace whose nf_tables are empty.
type contestant struct {
	name  string
	apply func(context.Context, *testns.Namespace) (sample, error)
}

// A match is one ruleset, put in force by three contestants.
type match struct {
	name, title string
	limit       float64 // of nft's time
	spec        *ruleset.Spec
	google      *googleRuleset
}

// applyGoals measures full applies, from a Spec in memory to the kernel's answer.
func applyGoals(ctx context.Context, w io.Writer, rounds int, folder string) ([]goal.Goal, error) {
	var goals []goal.Goal
	for _, m := range []match{
		{"apply-10000-rules", "full apply of 10,000 rules", 0.7, ruleSpec(), googleRules()},
		{"apply-100000-elements", "full apply of 100,000 set elements", 0.6, elementSpec(0), googleElements(0)},
	} {
		all, err := m.contestants(ctx, folder)
		if err != nil {
			return nil, err
		}
		s, err := interleave(ctx, rounds, all)
		if err != nil {
			return nil, err
		}
		writeSeries(w, m.title, s)
		goals = append(goals, goal.Of(m.name+"-vs-nft", ratio(s[0], s[2]), m.limit), goal.Of(m.name+"-vs-google", ratio(s[0], s[1]), 1))
	}
	return goals, nil
}

// contestants of a match. All of them are held to make the same ruleset, as nft lists it.
func (m *match) contestants(ctx context.Context, folder string) ([]contestant, error) {
	ours := contestant{"fastpath", func(_ context.Context, ns *testns.Namespace) (sample, error) { return applySpec(ctx, ns, m.spec) }}
	want, err := outcome(ctx, ours)
	if err != nil {
		return nil, err
	}
	file, err := newNFTFile(folder, m.name+".nft", want)
	if err != nil {
		return nil, err
	}
	all := []contestant{ours, {"google/nftables, buffers of 64 MB", m.google.apply}, {"nft -f, the whole process", file.apply}}
	for _, c := range all[1:] {
		got, err := outcome(ctx, c)
		if err != nil {
			return nil, err
		}
		if !sameRuleset(want, got) {
			return nil, fmt.Errorf("%s: %s makes another ruleset than fastpath", m.name, c.name)
		}
	}
	return all, nil
}

// applySpec is the whole way: open, validate, resolve, read the kernel, plan, encode, commit.
func applySpec(ctx context.Context, ns *testns.Namespace, spec *ruleset.Spec) (sample, error) {
	return timed(func() error {
		m, err := offload.Open(ctx, &offload.Config{NetNS: ns.Path()})
		if err != nil {
			return err
		}
		return errors.Join(planAndApply(ctx, m, spec), m.Close())
	})
}

func planAndApply(ctx context.Context, m *offload.Manager, spec *ruleset.Spec) error {
	plan, err := m.Plan(ctx, spec)
	if err != nil {
		return err
	}
	_, err = m.Apply(ctx, plan)
	return err
}

// outcome is what nft lists after a contestant was at work.
func outcome(ctx context.Context, c contestant) (text string, err error) {
	err = inNamespace(func(ns *testns.Namespace) error {
		if _, err := c.apply(ctx, ns); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		text, err = listing(ctx, ns)
		return err
	})
	return text, err
}

// interleave runs the contestants in turn, A B C A B C, each time in a namespace of its own.
func interleave(ctx context.Context, rounds int, all []contestant) ([]*series, error) {
	list := make([]*series, len(all))
	for i, c := range all {
		list[i] = &series{name: c.name}
	}
	for range rounds {
		for i, c := range all {
			err := inNamespace(func(ns *testns.Namespace) error {
				s, err := c.apply(ctx, ns)
				list[i].samples = append(list[i].samples, s)
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return list, nil
}

// settle is how long the kernel is given to take a closed namespace apart, which it does behind our back.
const settle = 150 * time.Millisecond

// inNamespace runs f with a fresh namespace.
func inNamespace(f func(*testns.Namespace) error) error {
	ns, err := testns.New("bench")
	if err != nil {
		return err
	}
	defer time.Sleep(settle)
	return errors.Join(f(ns), ns.Close())
}
