package ruleset

import (
	"fmt"
	"slices"
)

// checkJumps refuses loops, or else jumps that are nested too deep.
func (v *validator) checkJumps(p place, s *scope) {
	w := s.walk()
	slices.SortStableFunc(w.loops, func(a, b loop) int { return a.chain - b.chain })
	for _, l := range w.loops {
		p.chain, p.rule, p.statement = l.chain, l.rule, l.statement
		from, to := s.table.Chains[l.chain].Name, s.table.Chains[l.target].Name
		v.addStatement(p, "", fmt.Errorf("this jump closes a loop: chain %q leads to chain %q, and the kernel answers ELOOP; remove one of the jumps", to, from))
	}
	if len(w.loops) > 0 {
		return
	}
	for i := range s.table.Chains {
		p.chain = i
		c := &s.table.Chains[i]
		if c.Hook != "" && w.depth[i] > maxJumps {
			v.addChain(p, "rules", fmt.Errorf("jumps are nested %d deep below chain %q; the kernel takes at most %d (EMLINK): flatten the chains", w.depth[i], c.Name, maxJumps))
		}
	}
}

// checkTarget refuses jumps to what is no regular chain of the table.
func (v *validator) checkTarget(p place, s *scope, field, name string) {
	index, ok := s.chains[name]
	switch {
	case !ok:
		v.addStatement(p, field, fmt.Errorf("no chain %q in this table; add it, or correct the name", name))
	case s.table.Chains[index].Hook != "":
		v.addStatement(p, field, fmt.Errorf("chain %q is a base chain, which the kernel does not jump to; jump to a chain without hook", name))
	}
}
