package offloadtest

import (
	"slices"
	"testing"

	"github.com/go-fastpath/fastpath/ruleset"
)

// FuzzTransact: no batch makes an imitated kernel panic, what it refuses changes nothing, and what it holds can be read back.
func FuzzTransact(f *testing.F) {
	for _, r := range rows() {
		for i := range r.steps {
			if r.steps[i].batch != nil {
				f.Add(r.steps[i].bytes(1).Bytes())
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for m := linux61; m <= linux73; m++ {
			k := newFake(t, m).k
			for range 2 { // the second time on what the first left
				before, generation := k.Ruleset(), k.Generation()
				acks, _ := k.transactOnce(b)
				refused := len(acks) == 0
				for _, a := range acks {
					refused = refused || a.Errno != 0
				}
				if refused && (k.Generation() != generation && len(acks) > 0 || k.Generation() == generation && k.Ruleset() != before) {
					t.Fatalf("a refused batch changed the ruleset:\n%s\nto\n%s", before, k.Ruleset())
				}
			}
			if slices.ContainsFunc(k.state.tables, func(x *table) bool { return x.name == "" }) {
				continue // kernels take an empty name, and Load does not read one
			}
			if _, err := ruleset.Load("", k.Dump(t.Context())); err != nil {
				t.Fatalf("what it holds cannot be read: %v", err)
			}
		}
	})
}
