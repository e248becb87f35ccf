package ruleset

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A flowtable with Hardware "auto" becomes one with `flags offload` if all its devices' drivers accept, and one without if none
// does. If some do, it stays in software with all its devices, and a companion table beside its own has the same flowtable again: in
// hardware, with the devices that accept. There stand copies of its policies' chains too, one priority earlier, that
// leave alone what comes or goes by other devices. A device stands in one flowtable of a table alone: hence the table.

// companionName is the table for the hardware part of a table.
func companionName(table string) string { return table + "_hw" }

// bind binds the flowtables of all tables, and divides what the drivers have different opinions of.
func (r *Resolved) bind(t *flowtable.Target) {
	var companions []companion
	for i := range r.spec.Tables {
		table := &r.spec.Tables[i]
		bindings := flowtable.BindTable(table.Flowtables, t)
		r.bindings = append(r.bindings, bindings)
		for j := range bindings {
			r.unseen = append(r.unseen, blind(t, table, table.Flowtables[j].Name, listedDevices(bindings[j]))...)
		}
		table.Flowtables = slices.Clone(table.Flowtables)
		c := companion{Table: Table{Family: table.Family, Name: companionName(table.Name)}}
		for j := range table.Flowtables {
			if table.Flowtables[j].Hardware == flowtable.HardwareAuto {
				table.Flowtables[j].Hardware = r.divide(i, j, t, bindings[j], &c)
			}
		}
		if len(c.Flowtables) > 0 {
			c.sets(table, r.elements[i])
			companions = append(companions, c)
		}
	}
	for i := range companions {
		c := &companions[i]
		r.spec.Tables = append(r.spec.Tables, c.Table)
		r.bindings, r.elements = append(r.bindings, c.bindings), append(slices.Clip(r.elements), c.elements)
		r.tables = append(slices.Clip(r.tables), checkedTable{}) // all its rules are policies'
	}
	for _, table := range r.bindings {
		devices := make([][]string, len(table))
		for j := range table {
			devices[j] = listedDevices(table[j])
		}
		r.devices = append(r.devices, devices)
	}
	r.carried = carriedBy(t, slices.Concat(slices.Concat(r.devices...)...))
}

// blind warns of listed devices that this kernel looks through to others, which are not listed.
func blind(t *flowtable.Target, table *Table, name string, listed []string) []string {
	var list []string
	for _, device := range t.Unseen(listed...) {
		lower := slices.DeleteFunc(t.Lower(device), func(d string) bool { return d == device })
		for i := range lower {
			lower[i] = flowtable.Spelled(lower[i])
		}
		list = append(list, fmt.Sprintf("flowtable %s %s %s lists %s and not %s below it, by which this kernel (Linux %s) has its packets come in: it offloads no connection over %[4]s; list %[5]s too, as the default layers do",
			familyText(table.Family), table.Name, name, device, strings.Join(lower, ", "), t.Kernel.Release))
	}
	return list
}

// divide says what becomes of a flowtable that drivers decide on: one mode for all, or software and a part in the companion. It
// changes the bindings where they said something else.
func (r *Resolved) divide(table, index int, t *flowtable.Target, bindings []flowtable.Binding, c *companion) flowtable.Hardware {
	var accepted []string
	listed := 0
	for _, b := range bindings {
		if b.State.Listed() {
			listed++
		}
		if b.State.Listed() && b.Hardware {
			accepted = append(accepted, b.Device)
		}
	}
	switch {
	case len(accepted) == 0:
		return flowtable.HardwareOff
	case len(accepted) == listed:
		return flowtable.HardwareOn
	}
	suffix := fmt.Sprintf(", in table %s; flows to and from devices of other drivers stay in software", c.Name)
	err := c.add(&r.declared.Tables[table], &r.declared.Tables[table].Flowtables[index], t, accepted)
	if err != nil {
		suffix = fmt.Sprintf(", but the flowtable stays in software: other devices' drivers do not, and %v", err)
	}
	for i := range bindings {
		if b := &bindings[i]; b.State.Listed() && b.Hardware {
			b.Hardware, b.Why = err == nil, b.Why+suffix
		}
	}
	return flowtable.HardwareOff
}

// A companion is the hardware part of a table.
type companion struct {
	Table
	bindings [][]flowtable.Binding
	elements tableElements
}

// add adds the hardware part of a flowtable; the error says why that cannot be.
func (c *companion) add(t *Table, f *flowtable.Spec, target *flowtable.Target, accepted []string) error {
	above := slices.DeleteFunc(target.Above(accepted...), func(name string) bool { return flowtable.CheckDevice(name) != nil })
	if len(above) == 0 {
		return errors.New("no device comes in by those alone that accept")
	}
	var chains []Chain
	for i := range t.Offload {
		p := &t.Offload[i]
		if p.Flowtable != f.Name || p.Inline {
			continue
		}
		chain := p.lower(t)
		if err := divisible(t, &chain); err != nil {
			return fmt.Errorf("chain %s cannot stand twice: %w", chain.Name, err)
		}
		chains = append(chains, narrowed(chain, above))
	}
	if len(chains) == 0 {
		return errors.New("no policy with a base chain of its own offloads to it")
	}
	hard := flowtable.Spec{Name: f.Name, Priority: f.Priority, Hardware: flowtable.HardwareOn, NoCounter: f.NoCounter}
	bindings := make([]flowtable.Binding, len(accepted))
	for i, device := range accepted {
		hard.Devices = append(hard.Devices, flowtable.Selector{Name: device})
		bindings[i] = flowtable.Binding{Flowtable: f.Name, Device: device, State: flowtable.Bound, Hardware: true, Why: "its driver accepts"}
	}
	c.Flowtables, c.bindings = append(c.Flowtables, hard), append(c.bindings, bindings)
	c.Chains = append(c.Chains, chains...)
	return nil
}

// narrowed is a chain that comes one earlier, and leaves alone what comes or goes by other devices.
func narrowed(c Chain, devices []string) Chain {
	priority, _ := c.Priority.Int32() // divisible read it
	c.Priority = flowtable.Priority(flowtable.Priority(strconv.Itoa(int(priority) - 1)).At(string(Forward)))
	c.Rules = slices.Concat([]Rule{
		R(IIFName.Not(devices...), Return()).Note("software: in by another device"),
		R(OIFName.Not(devices...), Return()).Note("software: out by another device"),
	}, c.Rules)
	return c
}

// divisible says why a policy's chain cannot stand in two tables; nil if it can.
func divisible(t *Table, c *Chain) error {
	if priority, err := c.Priority.Int32(); err != nil || priority == math.MinInt32 {
		return errors.New("there is no earlier priority")
	}
	for i := range c.Rules {
		for j := range c.Rules[i].Do {
			s := &c.Rules[i].Do[j]
			switch {
			case s.Limit != nil:
				return errors.New("its limit would be counted twice")
			case s.Raw != nil && rawRefers(s.Raw):
				return fmt.Errorf("the raw statement %q refers to something of its table", s.Raw.Text)
			}
			for _, name := range s.setsNamed() {
				if k := slices.IndexFunc(t.Sets, func(s Set) bool { return s.Name == name }); k >= 0 && t.Sets[k].Live {
					return fmt.Errorf("set %s is live: what others put there would not come to a copy", name)
				}
			}
		}
	}
	return nil
}

// setsNamed are the sets that a statement refers to.
func (s *Statement) setsNamed() []string {
	if s.Match == nil {
		return nil
	}
	var names []string
	for _, word := range slices.Concat(s.Match.Is, s.Match.Not) {
		if name, is := strings.CutPrefix(word, "@"); is {
			names = append(names, name)
		}
	}
	return names
}

// rawRefers reports whether expressions refer to sets, chains or objects, or cannot be read.
func rawRefers(raw *Raw) bool {
	o := nlmsg.Native()
	return slices.ContainsFunc(raw.Expr, func(expr []byte) bool {
		name, data, err := nlmsg.Expression(o, expr)
		_, offloads := flowtableOf(o, expr, 0)
		refers := err != nil || offloads || name == "lookup" || name == "dynset" || name == "objref"
		if name == "immediate" {
			err = nlmsg.EachAttr(o, data, func(a nlmsg.Attr) error {
				return jumpTarget(o, a.Data, func(object) { refers = true })
			})
		}
		return refers || err != nil
	})
}

// sets copies those that the chains refer to.
func (c *companion) sets(t *Table, elements tableElements) {
	used := map[string]bool{}
	for i := range c.Chains {
		for j := range c.Chains[i].Rules {
			for k := range c.Chains[i].Rules[j].Do {
				for _, name := range c.Chains[i].Rules[j].Do[k].setsNamed() {
					used[name] = true
				}
			}
		}
	}
	for i := range t.Sets {
		if used[t.Sets[i].Name] {
			c.Sets, c.elements = append(c.Sets, t.Sets[i]), append(c.elements, elements[i])
		}
	}
}

// checkCompanions keeps the names of companion tables free.
func (v *validator) checkCompanions(s *Spec, tables map[string]int) {
	for i := range s.Tables {
		t := &s.Tables[i]
		j := slices.IndexFunc(t.Flowtables, func(f flowtable.Spec) bool { return f.Hardware == flowtable.HardwareAuto })
		if j < 0 {
			continue
		}
		name, path := companionName(t.Name), place{table: i}.path("flowtables["+strconv.Itoa(j)+"].hardware")
		if len(name) > flowtable.MaxName {
			v.add(path, fmt.Errorf(`"auto" may need a table %q, whose name would be longer than %d bytes; shorten the table's name`, name, flowtable.MaxName))
		}
		if other, taken := tables[familyText(t.Family)+" "+name]; taken {
			v.add(path, fmt.Errorf(`"auto" may need a table %q for what drivers accept, and tables[%d] has that name; rename it`, name, other))
		}
	}
}
