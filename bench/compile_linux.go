package main

import (
	"fmt"
	"io"

	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/ruleset"
)

// compileGoals measures what needs no kernel: a Spec to the bytes of its batch, against AddRule of rules that are there.
func compileGoals(w io.Writer, rounds int) ([]goal.Goal, error) {
	spec, google := ruleSpec(), googleRules()
	ours, theirs := &series{name: "fastpath: validate, resolve, plan, encode"}, &series{name: "google/nftables: AddRule"}
	for range rounds {
		for _, c := range []struct {
			s       *series
			compile func() error
		}{{ours, func() error { return compile(spec) }}, {theirs, google.compile}} {
			s, err := timed(c.compile)
			if err != nil {
				return nil, err
			}
			c.s.samples = append(c.s.samples, s)
		}
	}
	writeSeries(w, "compile 10,000 rules, no kernel", []*series{ours, theirs})
	perRule := func(s *series) float64 { return float64(s.allocs()) / rules }
	fmt.Fprintf(w, "allocations a rule: fastpath %.1f, google/nftables %.1f\n", perRule(ours), perRule(theirs))
	return []goal.Goal{
		goal.Of("compile-time-vs-google", ratio(ours, theirs), 1),
		goal.Of("compile-allocations-vs-google", perRule(ours)/perRule(theirs), 0.25),
	}, nil
}

// compile is the way from a Spec to bytes, for an empty kernel.
func compile(spec *ruleset.Spec) error {
	r, err := spec.Resolve(nil)
	if err != nil {
		return err
	}
	p, err := ruleset.Diff(nil, r)
	if err != nil {
		return err
	}
	_, err = p.Batch(nil)
	return err
}
