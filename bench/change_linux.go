package main

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

const changes = 5 // of one rule each, after every full apply

// A changeRun is what changing single rules of a large table costs.
type changeRun struct {
	full, first, next *series
	reread            int // rules and sets that planning read though nobody had committed since
}

// changeGoals measures a change of one rule in a table of 10,000, by the Manager that made the table.
func changeGoals(ctx context.Context, w io.Writer, rounds int) ([]goal.Goal, error) {
	run := changeRun{
		full: &series{name: "full apply"}, first: &series{name: "first change of one rule"}, next: &series{name: "each further change of one rule"},
	}
	spec := ruleSpec()
	for range rounds {
		err := inNamespace(func(ns *testns.Namespace) error { return run.once(ctx, ns, spec) })
		if err != nil {
			return nil, err
		}
	}
	writeSeries(w, "change one of 10,000 rules: plan and apply, reading back included", []*series{run.first, run.next, run.full})
	return []goal.Goal{
		goal.Of("change-one-rule-first-vs-full-apply", ratio(run.first, run.full), 0.1),
		goal.Of("change-one-rule-next-vs-full-apply", ratio(run.next, run.full), 0.1),
		goal.Of("unchanged-generation-objects-read-again", float64(run.reread), 0),
	}, nil
}

// once applies everything, and then changes rules one by one.
func (r *changeRun) once(ctx context.Context, ns *testns.Namespace, spec *ruleset.Spec) error {
	k, err := offload.OpenKernel(ns.Path())
	if err != nil {
		return err
	}
	counting := &countingKernel{Kernel: k}
	m, err := offload.Open(ctx, &offload.Config{Kernel: counting})
	if err != nil {
		return errors.Join(err, k.Close())
	}
	defer m.Close()
	if err := r.full.measure(ctx, m, spec); err != nil {
		return err
	}
	for i := range changes {
		spec = withRule(spec, 1000+1999*i, rule(60_000+i, 1))
		s := r.next
		if i == 0 {
			s = r.first
		}
		if err := s.measure(ctx, m, spec); err != nil {
			return err
		}
	}
	if _, err := m.Plan(ctx, spec); err != nil {
		return err
	}
	counting.objects = 0
	if _, err := m.Plan(ctx, spec); err != nil {
		return err
	}
	r.reread = max(r.reread, counting.objects)
	return nil
}

// measure is one plan and its application.
func (s *series) measure(ctx context.Context, m *offload.Manager, spec *ruleset.Spec) error {
	one, err := timed(func() error { return planAndApply(ctx, m, spec) })
	s.samples = append(s.samples, one)
	return err
}

// A countingKernel counts the sets, elements and rules that are read.
type countingKernel struct {
	offload.Kernel
	objects int
}

// Dump is the kernel's, counted.
func (k *countingKernel) Dump(ctx context.Context) iter.Seq2[ruleset.Message, error] {
	return k.counted(k.Kernel.Dump(ctx))
}

// DumpOf is the kernel's, counted.
func (k *countingKernel) DumpOf(ctx context.Context, wanted func(ruleset.LoadedTable) bool) iter.Seq2[ruleset.Message, error] {
	return k.counted(k.Kernel.(offload.Selective).DumpOf(ctx, wanted))
}

// ChangedSince is the kernel's.
func (k *countingKernel) ChangedSince(ctx context.Context, generation uint32) (offload.Changes, error) {
	return k.Kernel.(offload.Selective).ChangedSince(ctx, generation)
}

func (k *countingKernel) counted(messages iter.Seq2[ruleset.Message, error]) iter.Seq2[ruleset.Message, error] {
	return func(yield func(ruleset.Message, error) bool) {
		for m, err := range messages {
			switch m.Type {
			case nlmsg.NFTablesType(nlmsg.NFTMsgNewSet), nlmsg.NFTablesType(nlmsg.NFTMsgNewSetElem), nlmsg.NFTablesType(nlmsg.NFTMsgNewRule):
				k.objects++
			}
			if !yield(m, err) {
				return
			}
		}
	}
}
