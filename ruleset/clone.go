package ruleset

import (
	"bytes"
	"slices"

	"github.com/go-fastpath/fastpath/flowtable"
)

// cloneSpec copies s so deeply that nothing is shared, and spells the defaults out that other code would have to know.
func cloneSpec(s *Spec) Spec {
	c := Spec{Owner: s.Owner, Tables: slices.Clone(s.Tables)}
	if c.Owner == "" {
		c.Owner = DefaultOwner
	}
	for i := range c.Tables {
		cloneTable(&c.Tables[i])
	}
	return c
}

func cloneTable(t *Table) {
	if t.Family == "" {
		t.Family = Inet
	}
	t.Flowtables = slices.Clone(t.Flowtables)
	for i := range t.Flowtables {
		t.Flowtables[i] = cloneFlowtable(t.Flowtables[i])
	}
	t.Sets = slices.Clone(t.Sets)
	for i := range t.Sets {
		t.Sets[i].Elements = slices.Clone(t.Sets[i].Elements)
	}
	t.Chains = slices.Clone(t.Chains)
	for i := range t.Chains {
		rules := slices.Clone(t.Chains[i].Rules)
		for j := range rules {
			rules[j] = cloneRule(rules[j])
		}
		t.Chains[i].Rules = rules
	}
}

func cloneFlowtable(f flowtable.Spec) flowtable.Spec {
	f.Devices = slices.Clone(f.Devices)
	return f
}

func cloneRule(r Rule) Rule {
	r.Do = slices.Clone(r.Do)
	for i := range r.Do {
		cloneStatement(&r.Do[i])
	}
	return r
}

func cloneStatement(s *Statement) {
	if s.Match != nil {
		m := *s.Match
		m.Is, m.Not = slices.Clone(m.Is), slices.Clone(m.Not)
		s.Match = &m
	}
	if s.Log != nil {
		l := *s.Log
		l.Group = cloneOf(l.Group)
		s.Log = &l
	}
	if s.Raw != nil {
		r := Raw{Text: s.Raw.Text, Expr: slices.Clone(s.Raw.Expr)}
		for i := range r.Expr {
			r.Expr[i] = bytes.Clone(r.Expr[i])
		}
		s.Raw = &r
	}
	s.Set = cloneOf(s.Set)
	s.DNAT = cloneOf(s.DNAT)
	s.SNAT = cloneOf(s.SNAT)
	s.Masquerade = cloneOf(s.Masquerade)
	s.Counter = cloneOf(s.Counter)
	s.Limit = cloneOf(s.Limit)
}

// cloneOf copies a struct without pointers or slices.
func cloneOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
