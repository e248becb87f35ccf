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
	t.Offload = slices.Clone(t.Offload)
	for i := range t.Offload {
		t.Offload[i] = clonePolicy(t.Offload[i])
	}
	t.Chains = slices.Clone(t.Chains)
	for i := range t.Chains {
		t.Chains[i].Rules = cloneRules(t.Chains[i].Rules)
	}
}

func clonePolicy(p Policy) Policy {
	o, e := &p.Only, &p.Except
	o.Protocols, o.States = slices.Clone(o.Protocols), slices.Clone(o.States)
	o.Between = slices.Clone(o.Between)
	for i := range o.Between {
		pair := &o.Between[i]
		pair.From, pair.To = slices.Clone(pair.From), slices.Clone(pair.To)
	}
	o.Also = cloneStatements(o.Also)
	e.Rules = cloneRules(e.Rules)
	e.Marks, e.CTMarks = slices.Clone(e.Marks), slices.Clone(e.CTMarks)
	e.DSCP, e.Devices, e.Addrs, e.Ports = slices.Clone(e.DSCP), slices.Clone(e.Devices), slices.Clone(e.Addrs), slices.Clone(e.Ports)
	e.Sets, e.Helpers, e.Zones = slices.Clone(e.Sets), slices.Clone(e.Helpers), slices.Clone(e.Zones)
	return p
}

func cloneRules(rules []Rule) []Rule {
	c := slices.Clone(rules)
	for i := range c {
		c[i] = cloneRule(c[i])
	}
	return c
}

func cloneFlowtable(f flowtable.Spec) flowtable.Spec {
	f.Devices = slices.Clone(f.Devices)
	return f
}

func cloneRule(r Rule) Rule {
	r.Do = cloneStatements(r.Do)
	return r
}

func cloneStatements(do []Statement) []Statement {
	c := slices.Clone(do)
	for i := range c {
		cloneStatement(&c[i])
	}
	return c
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
