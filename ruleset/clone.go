package ruleset

import (
	"bytes"
	"slices"

	"github.com/go-fastpath/fastpath/flowtable"
)

// cloneSpec copies s so deeply that nothing is shared, and spells the defaults out that other code would have to know.
func cloneSpec(s *Spec) Spec { return cloneAgain(s, nil, nil) }

// cloneAgain is cloneSpec, but takes the rules that are kept from an earlier copy.
func cloneAgain(s *Spec, earlier *Resolved, tables []checkedTable) Spec {
	c := Spec{Owner: s.Owner, Tables: slices.Clone(s.Tables)}
	if c.Owner == "" {
		c.Owner = DefaultOwner
	}
	k := cloner{piece: 512}
	if earlier != nil {
		k.piece = 1 // a large piece would live as long as one changed rule in it
	}
	for i := range c.Tables {
		t := &c.Tables[i]
		k.table(t)
		for j := range t.Chains {
			if earlier == nil || tables[i].kept[j] == nil {
				t.Chains[j].Rules = k.rules(t.Chains[j].Rules)
				continue
			}
			t.Chains[j].Rules = k.rulesAgain(t.Chains[j].Rules, earlier.declared.Tables[i].Chains[j].Rules, tables[i].kept[j])
		}
	}
	return c
}

// A cloner copies rules into large pieces of memory: there can be ten thousand of them.
type cloner struct {
	piece      int // how many are made room for at once
	statements slab[Statement]
	matches    slab[Match]
	words      slab[string]
}

// A slab is memory for copies.
type slab[T any] struct{ free []T }

// copy is a copy of the list, nil of nil.
func (s *slab[T]) copy(list []T, piece int) []T {
	if list == nil {
		return nil
	}
	n := len(list)
	if n > len(s.free) {
		s.free = make([]T, max(n, piece))
	}
	c := s.free[:n:n]
	s.free = s.free[n:]
	copy(c, list)
	return c
}

// table copies everything but the rules.
func (k *cloner) table(t *Table) {
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
		t.Offload[i] = k.policy(t.Offload[i])
	}
	t.Chains = slices.Clone(t.Chains)
}

func (k *cloner) policy(p Policy) Policy {
	o, e := &p.Only, &p.Except
	o.Protocols, o.States = slices.Clone(o.Protocols), slices.Clone(o.States)
	o.Between = slices.Clone(o.Between)
	for i := range o.Between {
		pair := &o.Between[i]
		pair.From, pair.To = slices.Clone(pair.From), slices.Clone(pair.To)
	}
	o.Also = k.list(o.Also)
	e.Rules = k.rules(e.Rules)
	e.Marks, e.CTMarks = slices.Clone(e.Marks), slices.Clone(e.CTMarks)
	e.DSCP, e.Devices, e.Addrs, e.Ports = slices.Clone(e.DSCP), slices.Clone(e.Devices), slices.Clone(e.Addrs), slices.Clone(e.Ports)
	e.Sets, e.Helpers, e.Zones = slices.Clone(e.Sets), slices.Clone(e.Helpers), slices.Clone(e.Zones)
	return p
}

func (k *cloner) rules(rules []Rule) []Rule {
	c := slices.Clone(rules)
	for i := range c {
		c[i].Do = k.list(c[i].Do)
	}
	return c
}

// rulesAgain takes the statements of rules that are kept from an earlier copy.
func (k *cloner) rulesAgain(rules, earlier []Rule, kept []int32) []Rule {
	c := slices.Clone(rules)
	for i := range c {
		if kept[i] >= 0 {
			c[i].Do = earlier[kept[i]].Do
		} else {
			c[i].Do = k.list(c[i].Do)
		}
	}
	return c
}

func cloneFlowtable(f flowtable.Spec) flowtable.Spec {
	f.Devices = slices.Clone(f.Devices)
	for i := range f.Devices {
		f.Devices[i].Except = slices.Clone(f.Devices[i].Except)
	}
	return f
}

// cloneRule copies one rule.
func cloneRule(r Rule) Rule {
	r.Do = (&cloner{piece: 1}).list(r.Do)
	return r
}

func (k *cloner) list(do []Statement) []Statement {
	c := k.statements.copy(do, k.piece)
	for i := range c {
		k.statement(&c[i])
	}
	return c
}

func (k *cloner) statement(s *Statement) {
	if m := s.Match; m != nil {
		s.Match = &k.matches.copy([]Match{*m}, k.piece)[0]
		s.Match.Is, s.Match.Not = k.words.copy(m.Is, k.piece), k.words.copy(m.Not, k.piece)
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
