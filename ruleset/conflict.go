package ruleset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
)

// Conflicts reports what a kernel holds of others that stands in the way of this ruleset, or in whose way it is. The Path of a finding is the object in
// nft's words. The codes are stable:
//
//	announced-bit      a rule of another table tests, sets or copies the bit of the ct mark that a policy announces with
//	foreign-flowtable  a flowtable of another table has a device of ours: both see its packets, and the one that is first takes them
//	skipped-chain      a base chain of another table that connections in the fast path do not come to any more, with rules that they would meet
//	other-writer       someone else puts rules or stateful objects into a table of ours
//	dormant-table      a table of ours is dormant: its base chains stop, its flowtables and live flows do not
//	owned-table        a table that bears our mark belongs to a program's socket: kernels let nobody else write to it
//
// Connections that are offloaded skip every hook but ingress and egress. Chains of type nat are no matter: they see first packets alone, and the fast
// path translates. Nor is what stands behind the rule that accepts established connections, or is for packets of other states, of other protocols or
// families than those that are offloaded, of devices that the flowtables see nothing of (flowtable.Target.SeenBy), or with TCP flags that no packet in the fast
// path has. Sets and maps of ct states are taken to accept them, and not to drop them: they are not read. What the old iptables, tc and XDP do
// is not seen. A ruleset without flowtables has conflicts of the codes other-writer, dormant-table and owned-table alone, and one without tables has none.
//
// Findings with Information are in nobody's way: chains that only count, reverse-path filters, and rules that copy something into the announced bit of
// connections that are new.
func (r *Resolved) Conflicts(have *Loaded) []Finding {
	if have == nil || len(r.spec.Tables) == 0 {
		return nil
	}
	c := conflicts{want: r, have: have, ours: map[tableKey]bool{}}
	for _, t := range have.owned(r.owner()) {
		c.ours[tableKey{t.Family, t.Name}] = true
	}
	for i := range r.spec.Tables {
		c.ours[tableKey{r.spec.Tables[i].Family, r.spec.Tables[i].Name}] = true // adopted, or refused
	}
	c.announcedBits()
	c.flowtables()
	c.skippedChains()
	c.writers()
	return c.findings
}

// conflicts gathers findings.
type conflicts struct {
	want     *Resolved
	have     *Loaded
	ours     map[tableKey]bool
	findings []Finding
}

func (c *conflicts) add(code, path, fix, format string, args ...any) {
	c.findings = append(c.findings, Finding{Code: code, Path: path, Text: fmt.Sprintf(format, args...), Fix: fix})
}

// flowtables finds those of others with a device of ours.
func (c *conflicts) flowtables() {
	for i := range c.have.flowtables {
		theirs := &c.have.flowtables[i]
		if c.ours[tableKey{theirs.Family, theirs.Table}] {
			continue
		}
		c.eachFlowtable(func(t *Table, f *flowtable.Spec, devices []string) {
			shared := overlapping(devices, theirs.Devices)
			if !meet(t.Family, theirs.Family) || len(shared) == 0 {
				return
			}
			priority, _ := f.Priority.Int32() // Validate read it
			first := "which of them comes first is not said"
			switch {
			case priority < theirs.Priority:
				first = "ours comes first"
			case priority > theirs.Priority:
				first = "theirs comes first"
			}
			where := fmt.Sprintf("%s %s %s", theirs.Family, flowtable.Spelled(theirs.Table), flowtable.Spelled(theirs.Name))
			c.add("foreign-flowtable", "flowtable "+where, "leave each device to one of them",
				"flowtable %s has %s, as flowtable %s %s %s: a connection goes into one of them, and by priority %d and %d %s",
				where, strings.Join(shared, ", "), t.Family, t.Name, f.Name, theirs.Priority, priority, first)
		})
	}
}

// eachFlowtable visits ours, with the devices that are listed.
func (c *conflicts) eachFlowtable(visit func(t *Table, f *flowtable.Spec, devices []string)) {
	for i := range c.want.spec.Tables {
		t := &c.want.spec.Tables[i]
		for j := range t.Flowtables {
			visit(t, &t.Flowtables[j], c.want.listed(i, j))
		}
	}
}

// meet reports whether tables of two families see the same packets.
func meet(a, b Family) bool { return a == b || a == Inet || b == Inet }

// overlapping are the devices of the first list ("eth0", "ppp*") that the second has or may have too.
func overlapping(devices []string, selectors []flowtable.Selector) []string {
	var shared []string
	for _, d := range devices {
		if slices.ContainsFunc(selectors, func(s flowtable.Selector) bool { return overlap(d, s.String()) }) {
			shared = append(shared, d)
		}
	}
	return shared
}

// overlap compares two names, or prefixes that end in *.
func overlap(a, b string) bool {
	prefixA, isA := strings.CutSuffix(a, "*")
	prefixB, isB := strings.CutSuffix(b, "*")
	switch {
	case isA && isB:
		return strings.HasPrefix(prefixA, prefixB) || strings.HasPrefix(prefixB, prefixA)
	case isA:
		return strings.HasPrefix(b, prefixA)
	case isB:
		return strings.HasPrefix(a, prefixB)
	}
	return a == b
}

// writers finds tables of ours that others write to, or that nobody else can. Where no rule bears our identity nft loaded them all, perhaps from a
// file of ours.
func (c *conflicts) writers() {
	for _, t := range c.have.owned(c.want.owner()) {
		where := fmt.Sprintf("%s %s", t.Family, wordOf(t.Name))
		if t.Flags&tableOwned != 0 {
			c.add("owned-table", "table "+where, "end the program that made it, or declare the table under another name",
				"table %s: %s", where, heldBySocket(t))
		}
		if t.Flags&tableDormant != 0 {
			c.add("dormant-table", "table "+where, "apply the ruleset, which wakes it; to stop the fast path switch it off",
				"someone made table %s dormant: its base chains stop, drops and NAT among them, but its flowtables go on and so do live flows", where)
		}
		parts := c.have.parts[tableKey{t.Family, t.Name}]
		ours, theirs, first := 0, 0, ""
		for _, i := range slices.Sorted(c.ruleIndexes(parts)) {
			switch r := &c.have.rules[i]; {
			case r.Ours:
				ours++
			default:
				if theirs++; first == "" {
					first = fmt.Sprintf("chain %s handle %d", flowtable.Spelled(r.Chain), r.Handle)
				}
			}
		}
		const fix = "have the other program use a table of its own: plans remove what is not declared"
		if ours > 0 && theirs > 0 {
			c.add("other-writer", "table "+where, fix, "table %s holds %d rules that someone else put there, the first is in %s", where, theirs, first)
		}
		if more := int(t.Use) - parts.known(); more > 0 {
			c.add("other-writer", "table "+where, "have the other program use a table of its own: plans leave stateful objects alone",
				"table %s holds %d stateful objects that someone else put there", where, more)
		}
	}
}
