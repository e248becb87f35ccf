package judge

import (
	"bytes"
	"maps"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A Change leads from one ruleset to another. It serves one goroutine.
type Change struct {
	before, after *Ruleset
	leaves        func(family byte, table, flowtable string) bool

	whole    bool      // more than rules changed: every flow is looked at in full
	suspects []suspect // the rules that are not in both
	blind    bool      // rules set the ct mark: what it is depends on the way
}

// A suspect is a rule that only one of the rulesets has.
type suspect struct {
	rules *Ruleset
	chain *chain
	rule  *rule
}

// NewChange compares two rulesets. Leaves reports whether a flowtable goes away by the change: the kernel drops its flows
// then; nil is none.
func NewChange(before, after *Ruleset, leaves func(family byte, table, flowtable string) bool) *Change {
	c := &Change{before: before, after: after, leaves: leaves}
	for _, key := range unionOfKeys(before.tables, after.tables) {
		c.table(before.tables[key], after.tables[key])
	}
	c.blind = before.setsMark() || after.setsMark()
	return c
}

// Nothing reports whether no rule changed: no flow has to go.
func (c *Change) Nothing() bool { return !c.whole && len(c.suspects) == 0 }

func unionOfKeys(a, b map[tableKey]*table) []tableKey {
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	return slices.Collect(maps.Keys(keys))
}

func (c *Change) table(before, after *table) {
	var old, new map[string]*chain
	if before != nil {
		old = before.chains
	}
	if after != nil {
		new = after.chains
	}
	for name, o := range old {
		c.chain(o, new[name])
	}
	for name, n := range new {
		if old[name] == nil {
			c.chain(nil, n)
		}
	}
}

// chain compares one chain; nil is one that is not there.
func (c *Change) chain(before, after *chain) {
	c.whole = c.whole || entersOtherwise(before, after)
	old, new := before.list(), after.list()
	for len(old) > 0 && len(new) > 0 && old[0].same(before.table, &new[0], after.table) {
		old, new = old[1:], new[1:]
	}
	for len(old) > 0 && len(new) > 0 && old[len(old)-1].same(before.table, &new[len(new)-1], after.table) {
		old, new = old[:len(old)-1], new[:len(new)-1]
	}
	for i := range old {
		c.suspects = append(c.suspects, suspect{c.before, before, &old[i]})
	}
	for i := range new {
		c.suspects = append(c.suspects, suspect{c.after, after, &new[i]})
	}
}

// entersOtherwise reports whether packets enter a chain elsewhere than before, or find another end. A base chain that accepts is
// as none.
func entersOtherwise(before, after *chain) bool {
	if before == nil || after == nil {
		return before.drops() != after.drops()
	}
	return before.base != after.base || before.drop != after.drop || before.hook != after.hook || before.priority != after.priority || before.typ != after.typ
}

func (c *chain) drops() bool { return c != nil && c.drop }

// list is the chain's rules; a chain that is not there has none.
func (c *chain) list() []rule {
	if c == nil {
		return nil
	}
	return c.rules
}

// same reports whether two rules do the same: their expressions, and the content of the sets that they look up.
func (r *rule) same(in *table, other *rule, otherIn *table) bool {
	if len(r.steps) != len(other.steps) {
		return false
	}
	for i := range r.steps {
		a, b := &r.steps[i], &other.steps[i]
		if !a.same(b) {
			return false
		}
		if a.do != lookup {
			if a.target != b.target {
				return false
			}
			continue
		}
		x, y := in.sets[a.target], otherIn.sets[b.target]
		if (x == nil) != (y == nil) || x != nil && x != y && x.content() != y.content() {
			return false
		}
	}
	return true
}

// same compares all but the names of sets, chains and flowtables.
func (s *step) same(o *step) bool {
	return s.do == o.do && s.name == o.name && s.sreg == o.sreg && s.dreg == o.dreg && s.key == o.key && s.direction == o.direction &&
		s.offset == o.offset && s.length == o.length && s.negate == o.negate && bytes.Equal(s.a, o.a) && bytes.Equal(s.b, o.b)
}

// setsMark reports whether a rule sets the ct mark.
func (r *Ruleset) setsMark() bool {
	for _, t := range r.tables {
		for _, c := range t.chains {
			for i := range c.rules {
				if slices.ContainsFunc(c.rules[i].steps, func(s step) bool { return s.do == setCT && s.key == ctMark }) {
					return true
				}
			}
		}
	}
	return false
}

// concerns reports whether a packet of a flow could match one of the rules that changed. Where none does, all that is said
// about the flow is what was said before.
func (c *Change) concerns(f *Flow) bool {
	if c.whole {
		return true
	}
	x := run{flow: f, budget: maxRules, blind: c.blind}
	for d := range f.Tuples {
		x.direction = Direction(d)
		for _, v := range views(f, x.direction) {
			x.headers, x.hook = headersOf(f.Protocol, v.tuple), v.hook
			for _, s := range c.suspects {
				x.rules = s.rules
				if family := s.chain.table.family; family != nlmsg.FamilyInet && family != f.family() {
					continue
				}
				if !x.futile(s.chain, s.rule, -1) {
					return true
				}
			}
		}
	}
	return false
}

// A view is how a packet looks at a hook.
type view struct {
	tuple Tuple
	hook  uint32
}

// views are the ways that a flow's packets look. Behind prerouting the hook itself makes no difference.
func views(f *Flow, d Direction) []view {
	list := []view{{f.seen(d, nlmsg.HookForward, 0), nlmsg.HookForward}}
	for _, v := range []view{
		{f.seen(d, nlmsg.HookPrerouting, natDestination), nlmsg.HookPrerouting},
		{f.seen(d, nlmsg.HookPrerouting, natDestination+1), nlmsg.HookPrerouting},
		{f.seen(d, nlmsg.HookPostrouting, natSource+1), nlmsg.HookForward},
	} {
		if !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}
