package ruleset

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
)

// changedSpecs are edits of one Spec: what can be wrong after one of them must be found though everything else is known.
func changedSpecs() map[string]*Spec {
	base := func(edit func(*Table)) *Spec {
		t := Table{Name: "t",
			Flowtables: []flowtable.Spec{{Name: "fast"}},
			Sets:       []Set{{Name: "slow", Type: IPv4Addr, Elements: []string{"192.0.2.1"}}},
			Chains: []Chain{
				{Name: "c", Hook: Forward, Rules: []Rule{R(CTState.Is(Established), FlowAdd("fast")), R(IPSaddr.In("slow"), Drop()), R(Jump("sub")), R(Accept())}},
				{Name: "sub", Rules: []Rule{R(TCPDport.Is(80), Counter()), R(Statement{Raw: &Raw{Text: "one", Expr: [][]byte{{1}}}})}},
			}}
		edit(&t)
		return &Spec{Tables: []Table{t}}
	}
	return map[string]*Spec{
		"nothing":          base(func(*Table) {}),
		"a rule":           base(func(t *Table) { t.Chains[0].Rules[1] = R(IPDaddr.In("slow"), Drop()) }),
		"a rule in front":  base(func(t *Table) { t.Chains[0].Rules = append([]Rule{R(Counter())}, t.Chains[0].Rules...) }),
		"a rule less":      base(func(t *Table) { t.Chains[0].Rules = t.Chains[0].Rules[1:] }),
		"no rules":         base(func(t *Table) { t.Chains[1].Rules = nil }),
		"a wrong rule":     base(func(t *Table) { t.Chains[0].Rules[1] = R(IPDaddr.In("none"), Drop()) }),
		"two in one":       base(func(t *Table) { t.Chains[0].Rules[0].Do[0].Verdict = VerdictDrop }),
		"a raw text":       base(func(t *Table) { t.Chains[1].Rules[1].Do[0].Raw.Text = "two" }),
		"a wrong raw text": base(func(t *Table) { t.Chains[1].Rules[1].Do[0].Raw.Text = "" }),
		"a comment":        base(func(t *Table) { t.Chains[0].Rules[0].Comment = "one" }),
		"a wrong comment":  base(func(t *Table) { t.Chains[0].Rules[0].Comment = `"` }),
		"a set's type":     base(func(t *Table) { t.Sets[0].Type, t.Sets[0].Elements = InetService, nil }),
		"a set's name":     base(func(t *Table) { t.Sets[0].Name = "fast" }),
		"a hook":           base(func(t *Table) { t.Chains[0].Hook = Input }),
		"the family":       base(func(t *Table) { t.Family = IP6 }),
		"a flowtable less": base(func(t *Table) { t.Flowtables = nil }),
		"another base": base(func(t *Table) {
			t.Chains = append(t.Chains, Chain{Name: "in", Hook: Input, Rules: []Rule{R(Jump("sub"))}})
		}),
		"a loop":         base(func(t *Table) { t.Chains[1].Rules = append(t.Chains[1].Rules, R(Jump("sub"))) }),
		"a chain's name": base(func(t *Table) { t.Chains[1].Name = "other" }),
		"chains turned":  base(func(t *Table) { t.Chains[0], t.Chains[1] = t.Chains[1], t.Chains[0] }),
		"a policy":       base(func(t *Table) { t.Offload = []Policy{{Flowtable: "fast"}} }),
		"a chain like it": base(func(t *Table) {
			t.Chains = append(t.Chains, Chain{Name: "offload-fast", Hook: Forward, Priority: policyPriority})
		}),
		"flow add in input": base(func(t *Table) {
			t.Chains = append(t.Chains, Chain{Name: "in", Hook: Input, Rules: []Rule{R(FlowAdd("fast"))}})
		}),
		"no table": {},
	}
}

// Whatever was resolved before, the result and the mistakes are those of Resolve, and nothing is shared with the Spec.
func TestResolveAgainIsResolve(t *testing.T) {
	for first, before := range changedSpecs() {
		earlier, err := before.Resolve(nil)
		if err != nil {
			continue
		}
		for second, spec := range changedSpecs() {
			want, wrong := spec.Resolve(nil)
			got, err := spec.ResolveAgain(earlier, nil)
			if wrong != nil {
				require.EqualError(t, err, wrong.Error(), "%s, then %s", first, second)
				continue
			}
			require.NoError(t, err, "%s, then %s", first, second)
			require.Equal(t, want, got, "%s, then %s", first, second)
			spoil(spec)
			require.Equal(t, want, got, "%s, then %s: shared with the Spec", first, second)
		}
	}
}

// spoil overwrites the rules of a Spec.
func spoil(s *Spec) {
	for i := range s.Tables {
		for j := range s.Tables[i].Chains {
			for _, r := range s.Tables[i].Chains[j].Rules {
				for k := range r.Do {
					if m := r.Do[k].Match; m != nil {
						clear(m.Is)
						m.Field = "spoilt"
					}
				}
				clear(r.Do)
			}
		}
	}
}

// What is not part of a rule's digest would be taken for the same rule.
func TestDeclaredAsSeesEveryField(t *testing.T) {
	var statements []Statement
	fields := reflect.TypeFor[Statement]()
	for i := range fields.NumField() {
		var s Statement
		v := reflect.ValueOf(&s).Elem().Field(i)
		if v.Kind() == reflect.Pointer {
			v.Set(reflect.New(v.Type().Elem()))
			for j := range v.Elem().NumField() {
				other := s
				w := reflect.ValueOf(&other).Elem().Field(i)
				w.Set(reflect.New(v.Type().Elem()))
				if f := w.Elem().Type().Field(j); f.Name == "Text" {
					continue // of a Raw: nft's words for it
				}
				setField(t, w.Elem().Field(j))
				statements = append(statements, other)
			}
		} else {
			setField(t, v)
		}
		statements = append(statements, s)
	}
	seen := map[digest]string{}
	for _, s := range statements {
		text, err := json.Marshal(s)
		require.NoError(t, err)
		d := declaredAs(&Rule{Do: []Statement{s}})
		assert.Empty(t, seen[d], "the same as %s", text)
		seen[d] = string(text)
	}
	assert.NotEqual(t, declaredAs(&Rule{}), declaredAs(&Rule{Comment: "x"}))
}

// setField gives a field another value than zero.
func setField(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		if v.Type().Elem().Kind() == reflect.String {
			v.Index(0).SetString("x")
		}
	default:
		t.Fatalf("no value for a %s", v.Type())
	}
}
