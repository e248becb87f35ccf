package ruleset

import "slices"

// drops looks for drops that come behind flow add on the way of a packet: connections in the fast path do not come to them. A
// drop in front of it keeps connections out, and so does a policy of drop on either side, which is for packets that nobody thought
// of: the first ones of a connection come to it. Neither stops connections that are offloaded already, which is no fault of the Spec.
func (t *tableLint) drops() {
	first, ok := t.firstFlowAdd()
	if !ok {
		return
	}
	w := dropWalk{tableLint: t, seen: make([]bool, len(t.lowered.Chains))}
	for i := range t.lowered.Chains {
		c := &t.lowered.Chains[i]
		priority, err := c.Priority.Int32()
		switch {
		case err != nil || c.Type == NATChain: // nat chains see the first packet alone
		case i == first.chain:
			w.chain(i, first.rule+1)
		case c.Hook == Postrouting, c.Hook == Forward && priority > first.priority:
			w.chain(i, 0)
		}
	}
	w.report()
}

// A flowAddAt is a forward chain that flow add is reached from, and the rule that does it.
type flowAddAt struct {
	chain, rule int
	priority    int32
}

// firstFlowAdd is the one that packets come to first.
func (t *tableLint) firstFlowAdd() (first flowAddAt, found bool) {
	leads := t.scope.leadTo(func(chain int) bool { return len(t.adds[chain]) > 0 })
	for i := range leads {
		c := &t.lowered.Chains[i]
		priority, err := c.Priority.Int32()
		if !leads[i] || c.Hook != Forward || err != nil || found && priority >= first.priority {
			continue
		}
		rule := slices.IndexFunc(c.Rules, func(r Rule) bool {
			return r.Offloads() || slices.ContainsFunc(r.Do, func(s Statement) bool {
				return slices.ContainsFunc(s.targets(), func(name string) bool {
					target, ok := t.scope.chains[name]
					return ok && leads[target]
				})
			})
		})
		first, found = flowAddAt{i, rule, priority}, true
	}
	return first, found
}

// A dropWalk follows packets behind flow add.
type dropWalk struct {
	*tableLint
	seen  []bool
	found []dropAt
}

// A dropAt is the first drop of a chain.
type dropAt struct{ chain, rule int }

// chain walks a chain from a rule on, and those that it jumps to.
func (w *dropWalk) chain(chain, from int) {
	next := []int{chain}
	for len(next) > 0 {
		chain := next[len(next)-1]
		next = next[:len(next)-1]
		if w.seen[chain] {
			continue
		}
		w.seen[chain] = true
		next = append(next, w.rules(chain, from)...)
		from = 0
	}
}

// rules notes the first drop from a rule on that established packets come to, and returns where they go on.
func (w *dropWalk) rules(chain, from int) (targets []int) {
	established := R(CTState.Is(Established))
	c := &w.lowered.Chains[chain]
	noted := false
	for i := range c.Rules {
		r := &c.Rules[i]
		if i >= from && !noted && drops(r) {
			w.found = append(w.found, dropAt{chain, i})
			noted = true
		}
		if leaves(r) && covers(r, &established) {
			return targets
		}
		for j := range r.Do {
			for _, name := range r.Do[j].targets() {
				if target, ok := w.scope.chains[name]; ok && i >= from {
					targets = append(targets, target)
				}
			}
		}
	}
	return targets
}

// drops reports whether the rule drops packets of established TCP or UDP connections.
func drops(r *Rule) bool {
	if n := len(r.Do); n == 0 || r.Do[n-1].Verdict != VerdictDrop {
		return false
	}
	for i := range r.Do {
		m := r.Do[i].Match
		switch {
		case m == nil:
		case m.Field == fieldCTState && len(m.Is) > 0 && !slices.Contains(m.Is, Established),
			m.Field == fieldCTState && slices.Contains(m.Not, Established),
			m.Field == fieldL4Proto && len(m.Is) > 0 && !slices.Contains(m.Is, TCP) && !slices.Contains(m.Is, UDP):
			return false
		}
	}
	return true
}

// report tells what was found in the order of the Spec.
func (w *dropWalk) report() {
	slices.SortFunc(w.found, func(a, b dropAt) int { return a.chain - b.chain })
	for _, d := range w.found {
		w.add("drop-behind-offload", w.rulePath(d.chain, d.rule), "drop in front of flow add, or exclude the same packets from it",
			"rule %d of chain %s %s drops behind flow add: connections in the fast path do not come to it", d.rule+1, w.name(), w.lowered.Chains[d.chain].Name)
	}
}
