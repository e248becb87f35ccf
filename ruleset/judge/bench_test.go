package judge_test

import (
	"fmt"
	"testing"

	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/judge"
)

// BenchmarkJudge changes one of a thousand rules, none of which is about the flow.
func BenchmarkJudge(b *testing.B) {
	var list []ruleset.Rule
	for i := range 1000 {
		list = append(list, ruleset.R(ruleset.IPSaddr.Is(fmt.Sprintf("10.0.%d.%d", i/256, i%256)), ruleset.TCPDport.Is(uint16(i+1)), ruleset.Drop()))
	}
	spec := table(append(list, offloaded))
	resolved, err := spec.Resolve(nil)
	if err != nil {
		b.Fatal(err)
	}
	plan, _ := ruleset.Diff(nil, resolved)
	batch, _ := plan.Batch(nil)
	r, err := judge.OfBatch(batch)
	if err != nil {
		b.Fatal(err)
	}
	spec.Tables[0].Chains[0].Rules[500].Do[1] = ruleset.TCPDport.Is(443)
	resolved, _ = spec.Resolve(nil)
	plan, _ = ruleset.Diff(nil, resolved)
	batch, _ = plan.Batch(nil)
	after, err := judge.OfBatch(batch)
	if err != nil {
		b.Fatal(err)
	}
	f := lan()
	b.Run("compare", func(b *testing.B) {
		for b.Loop() {
			judge.NewChange(r, after, nil)
		}
	})
	b.Run("flow", func(b *testing.B) {
		change := judge.NewChange(r, after, nil)
		b.ReportAllocs()
		for b.Loop() {
			if change.Judge(&f).Evict {
				b.Fatal("evicted by a rule that is not about it")
			}
		}
	})
}
