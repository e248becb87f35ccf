package ruleset_test

import (
	"fmt"
	"slices"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A choice makes decisions of bytes, so that a fuzzer that changes one byte changes one decision. What is beyond the bytes is 0.
type choice struct{ data []byte }

// n is a number from 0 to n-1.
func (c *choice) n(n int) int {
	if len(c.data) == 0 || n <= 1 {
		return 0
	}
	v := int(c.data[0])
	c.data = c.data[1:]
	return v % n
}

func (c *choice) one(in int) bool { return c.n(in) == 1 }

func pick[T any](c *choice, list ...T) T { return list[c.n(len(list))] }

// A maker makes Specs that are valid, with few names, so that two of them have much in common.
type maker struct {
	*choice
	devices    []string
	flowtables bool
	prefixes   bool // of devices
}

// spec makes up to three tables.
func (m *maker) spec() *ruleset.Spec {
	s := &ruleset.Spec{}
	for _, t := range []ruleset.Table{{Name: "fw"}, {Name: "fw", Family: ruleset.IP}, {Name: "six", Family: ruleset.IP6}} {
		if t.Family == "" && m.n(8) != 7 || t.Family != "" && m.one(4) {
			s.Tables = append(s.Tables, m.table(t))
		}
	}
	return s
}

func (m *maker) table(t ruleset.Table) ruleset.Table {
	for _, name := range []string{"sa", "sb", "sc"} {
		if m.n(3) != 2 {
			t.Sets = append(t.Sets, m.set(t.Family, name))
		}
	}
	if m.flowtables {
		free := slices.Clone(m.devices)
		for _, name := range []string{"fa", "fb"} {
			if m.n(3) != 2 {
				var f flowtable.Spec
				f, free = m.flowtable(name, free)
				t.Flowtables = append(t.Flowtables, f)
			}
		}
	}
	for _, name := range []string{"ca", "cb", "cc", "cd", "ce"} {
		if m.n(4) != 3 {
			t.Chains = append(t.Chains, m.chain(name))
		}
	}
	for i := range t.Chains {
		for range m.n(7) {
			t.Chains[i].Rules = append(t.Chains[i].Rules, m.rule(&t, i))
		}
	}
	return t
}

// chain makes a chain without rules. Those named ca and cb have hooks, the others may.
func (m *maker) chain(name string) ruleset.Chain {
	c := ruleset.Chain{Name: name}
	if name > "cb" && m.n(4) != 3 {
		return c
	}
	c.Hook = pick(m.choice, ruleset.Forward, ruleset.Forward, ruleset.Input, ruleset.Postrouting)
	c.Priority = pick(m.choice, flowtable.Priority(""), "10")
	if c.Hook == ruleset.Postrouting {
		c.Type, c.Priority = ruleset.NATChain, "srcnat"
		return c
	}
	c.Policy = pick(m.choice, ruleset.Verdict(""), ruleset.VerdictDrop)
	return c
}

func (m *maker) flowtable(name string, free []string) (flowtable.Spec, []string) {
	f := flowtable.Spec{
		Name: name, NoCounter: m.one(3), Priority: pick(m.choice, flowtable.Priority(""), "", "5"), Hardware: pick(m.choice, flowtable.HardwareOff, "", "", flowtable.HardwareOn),
	}
	var rest []string
	for _, d := range free {
		if m.n(3) == 2 {
			rest = append(rest, d)
			continue
		}
		f.Devices = append(f.Devices, flowtable.Selector{Name: d})
	}
	if m.prefixes && m.one(4) {
		f.Devices = append(f.Devices, flowtable.Selector{Prefix: name + "-ppp"})
	}
	return f, rest
}

// set makes a set of up to 14 elements that do not overlap.
func (m *maker) set(family ruleset.Family, name string) ruleset.Set {
	s := ruleset.Set{Name: name, Interval: m.one(2)}
	s.Type = pick(m.choice, ruleset.InetService, ruleset.IPv4Addr, ruleset.IfName)
	if s.Type == ruleset.IPv4Addr && family == ruleset.IP6 {
		s.Type = ruleset.IPv6Addr
	}
	for i := range m.n(15) {
		form := m.n(4)
		if !s.Interval {
			form = 0
		}
		if word := element(s.Type, i, form, m.n(2)); word != "" {
			s.Elements = append(s.Elements, word)
		}
	}
	return s
}

// element is one of block i: form 1 is the whole block, 2 a part of it, 3 the beginning; blocks 0 and 13 touch the ends of the type.
func element(typ ruleset.SetType, i, form, variant int) string {
	switch typ {
	case ruleset.InetService:
		low := i * 5041 // 13 * 5041 is 65533
		high := min(low+5040, 65535)
		return [...]string{fmt.Sprint(low), fmt.Sprintf("%d-%d", low, high), fmt.Sprintf("%d-%d", low+1, low+2), fmt.Sprintf("%d-%d", low, low+1)}[form]
	case ruleset.IPv4Addr:
		a := i * 16
		if i == 13 {
			a = 240
		}
		return [...]string{fmt.Sprintf("%d.0.0.%d", a, variant), fmt.Sprintf("%d.0.0.0/4", a), fmt.Sprintf("%d.1.0.0-%d.1.0.9", a, a), fmt.Sprintf("%d.0.0.0/%d", a, 8+variant)}[form]
	case ruleset.IPv6Addr:
		return [...]string{fmt.Sprintf("%x::%d", i+1, variant), fmt.Sprintf("%x::/16", i+1), fmt.Sprintf("%x::2-%x::9", i+1, i+1), fmt.Sprintf("%x::/%d", i+1, 32+variant)}[form]
	}
	if form == 1 {
		return fmt.Sprintf("w%c*", 'a'+i)
	}
	return fmt.Sprintf("w%c%d", 'a'+i, variant)
}

// rule makes a rule for a chain of a table.
func (m *maker) rule(t *ruleset.Table, chain int) ruleset.Rule {
	var r ruleset.Rule
	if m.one(2) {
		r.Do = append(r.Do, m.match(t))
	}
	if m.one(3) { // no two about protocols: they could contradict each other
		r.Do = append(r.Do, pick(m.choice, ruleset.CTState.Is(ruleset.Established), ruleset.CTMark.Has(0x10, 0xf0), ruleset.MetaMark.Is(1, 2), ruleset.IIFName.Is("wan", "ppp*")))
	}
	r.Do = append(r.Do, m.action(t, chain)...)
	if m.one(3) {
		r.Comment = pick(m.choice, "one", "two", "three")
	}
	return r
}

func (m *maker) match(t *ruleset.Table) ruleset.Statement {
	if len(t.Sets) > 0 && m.n(3) == 2 {
		s := pick(m.choice, t.Sets...)
		switch s.Type {
		case ruleset.InetService:
			return pick(m.choice, ruleset.TCPDport.In(s.Name), ruleset.UDPSport.NotIn(s.Name))
		case ruleset.IPv4Addr:
			return pick(m.choice, ruleset.IPSaddr.In(s.Name), ruleset.IPDaddr.NotIn(s.Name))
		case ruleset.IPv6Addr:
			return ruleset.IP6Saddr.In(s.Name)
		}
		return pick(m.choice, ruleset.IIFName.In(s.Name), ruleset.OIFName.NotIn(s.Name))
	}
	return pick(m.choice,
		ruleset.CTState.Not(ruleset.New, ruleset.Invalid),
		ruleset.TCPDport.Is(80), ruleset.TCPDport.Is(80, 443), ruleset.WordField(ruleset.UDPDport).Is("5-9", "100"), ruleset.WordField(ruleset.TCPSport).Not("1-2", "4"),
		ruleset.IIFName.Is("wan"), ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.CTOriginalPackets.AtLeast(3))
}

func (m *maker) action(t *ruleset.Table, chain int) []ruleset.Statement {
	c := t.Chains[chain]
	if c.Type == ruleset.NATChain {
		return pick(m.choice, []ruleset.Statement{ruleset.Masquerade()}, []ruleset.Statement{ruleset.Counter()}, []ruleset.Statement{ruleset.Accept()})
	}
	if to := m.regular(t, chain); to != "" && m.n(4) == 3 {
		return pick(m.choice, []ruleset.Statement{ruleset.Jump(to)}, []ruleset.Statement{ruleset.Counter(), ruleset.Goto(to)})
	}
	if len(t.Flowtables) > 0 && c.Hook == ruleset.Forward && m.n(3) == 2 {
		return []ruleset.Statement{ruleset.FlowAdd(pick(m.choice, t.Flowtables...).Name)}
	}
	return pick(m.choice,
		[]ruleset.Statement{ruleset.Counter()}, []ruleset.Statement{ruleset.Accept()}, []ruleset.Statement{ruleset.Counter(), ruleset.Drop()},
		[]ruleset.Statement{ruleset.Limit(3, "minute"), ruleset.Log("x ")}, []ruleset.Statement{ruleset.CTMark.Set(1, 1)}, []ruleset.Statement{ruleset.MetaMark.Set(7, 1<<32-1), ruleset.Return()})
}

// regular is a chain without hook that comes later, so that chains form no loop; "" if there is none.
func (m *maker) regular(t *ruleset.Table, chain int) string {
	for i := chain + 1 + m.n(2); i < len(t.Chains); i++ {
		if t.Chains[i].Hook == "" {
			return t.Chains[i].Name
		}
	}
	return ""
}

// change makes another Spec of one, by a few small steps.
func (m *maker) change(from *ruleset.Spec) *ruleset.Spec {
	s := &ruleset.Spec{}
	for _, t := range from.Tables {
		t.Sets, t.Flowtables, t.Chains = slices.Clone(t.Sets), slices.Clone(t.Flowtables), slices.Clone(t.Chains)
		for i := range t.Chains {
			t.Chains[i].Rules = slices.Clone(t.Chains[i].Rules)
		}
		s.Tables = append(s.Tables, t)
	}
	if len(s.Tables) == 0 {
		return m.spec()
	}
	for range 1 + m.n(4) {
		m.step(&s.Tables[m.n(len(s.Tables))])
	}
	return s
}

// step changes rules mostly, then elements, devices and policies.
func (m *maker) step(t *ruleset.Table) {
	switch m.n(6) {
	case 0, 1, 2:
		if len(t.Chains) > 0 {
			m.changeRules(t, m.n(len(t.Chains)))
		}
	case 3:
		if len(t.Sets) > 0 {
			m.changeElements(&t.Sets[m.n(len(t.Sets))])
		}
	case 4:
		if len(t.Flowtables) > 0 {
			m.changeFlowtable(&t.Flowtables[m.n(len(t.Flowtables))])
		}
	case 5:
		if len(t.Chains) > 0 {
			if c := &t.Chains[m.n(len(t.Chains))]; c.Hook != "" && c.Type == "" {
				c.Policy = pick(m.choice, ruleset.VerdictDrop, ruleset.VerdictAccept)
			}
		}
	}
}

func (m *maker) changeRules(t *ruleset.Table, chain int) {
	c := &t.Chains[chain]
	at := m.n(len(c.Rules) + 1)
	switch how := m.n(5); {
	case how == 0 || len(c.Rules) == 0:
		c.Rules = slices.Insert(c.Rules, at, m.rule(t, chain))
	case how == 1 && at < len(c.Rules):
		c.Rules = slices.Delete(c.Rules, at, at+1)
	case how == 2 && at < len(c.Rules):
		c.Rules[at] = m.rule(t, chain)
	case how == 3: // moved
		from := m.n(len(c.Rules))
		r := c.Rules[from]
		c.Rules = slices.Delete(c.Rules, from, from+1)
		c.Rules = slices.Insert(c.Rules, m.n(len(c.Rules)+1), r)
	default: // twice
		c.Rules = slices.Insert(c.Rules, at, c.Rules[m.n(len(c.Rules))])
	}
}

func (m *maker) changeElements(s *ruleset.Set) {
	s.Elements = slices.Clone(s.Elements)
	if len(s.Elements) > 0 && m.one(2) {
		i := m.n(len(s.Elements))
		s.Elements = slices.Delete(s.Elements, i, i+1)
		return
	}
	word := element(s.Type, 14, 0, m.n(2)) // of a block that set never fills
	if s.Type == ruleset.InetService || s.Type == ruleset.IPv4Addr && word != "" {
		word = map[ruleset.SetType]string{ruleset.InetService: "4", ruleset.IPv4Addr: "224.0.0.1"}[s.Type]
	}
	if !s.Interval && !slices.Contains(s.Elements, word) {
		s.Elements = append(s.Elements, word)
	}
}

func (m *maker) changeFlowtable(f *flowtable.Spec) {
	switch m.n(3) {
	case 0:
		if len(f.Devices) > 0 {
			i := m.n(len(f.Devices))
			f.Devices = slices.Delete(slices.Clone(f.Devices), i, i+1)
		}
	case 1:
		f.NoCounter = !f.NoCounter
	case 2:
		if d := "extra" + f.Name; !slices.ContainsFunc(f.Devices, func(s flowtable.Selector) bool { return s.Name == d }) {
			f.Devices = append(slices.Clone(f.Devices), flowtable.Selector{Name: d})
		}
	}
}
