package ruleset

import "github.com/go-fastpath/fastpath/flowtable"

// ResolveAgain is Resolve for a Spec that is much like the one that earlier came from: rules that are as they were are neither
// checked nor copied again, so that one change among thousands of rules costs little. The result is the same. A nil earlier is
// none.
func (s *Spec) ResolveAgain(earlier *Resolved, t *flowtable.Target) (*Resolved, error) {
	v := validator{earlier: earlier}
	if err := v.check(s); err != nil {
		return nil, err
	}
	return v.resolved(s, t), nil
}

// A checkedTable is what a validation leaves behind of a table's rules.
type checkedTable struct {
	scope digest     // of what the rules can refer to
	rules [][]digest // of each chain's rules, what they were declared as
	kept  [][]int32  // of each chain's rules, where an earlier validation found the same; -1 is nowhere, nil is none at all
}

// checkRules checks the rules of a table's own chains.
func (v *validator) checkRules(p place, s *scope, t *Table) {
	now := checkedTable{scope: s.digest(), rules: make([][]digest, len(t.Chains)), kept: make([][]int32, len(t.Chains))}
	earlier := v.earlierTable(p.table, now.scope)
	for i := range t.Chains {
		p.chain = i
		rules := t.Chains[i].Rules
		now.rules[i] = make([]digest, len(rules))
		if earlier.has(i) {
			now.kept[i] = make([]int32, len(rules))
		}
		for j := range rules {
			p.rule = j
			now.rules[i][j] = declaredAs(&rules[j])
			if now.kept[i] != nil {
				now.kept[i][j] = earlier.find(i, j, now.rules[i], &rules[j])
			}
			if now.kept[i] == nil || now.kept[i][j] < 0 {
				v.checkRule(p, s, &rules[j])
			}
		}
	}
	v.tables = append(v.tables, now)
}

// earlierTable is what an earlier validation left of the table, if its rules could refer to the same things.
func (v *validator) earlierTable(index int, scope digest) *checkedTable {
	if v.earlier == nil || index >= len(v.earlier.tables) || v.earlier.tables[index].scope != scope {
		return nil
	}
	return &v.earlier.tables[index]
}

// has reports whether there was such a chain; a policy's is none.
func (c *checkedTable) has(chain int) bool { return c != nil && chain < len(c.rules) }

// find looks for the rule where it was in its chain, counted from the front or from the back; -1 if it is not there. What a Raw
// statement is printed as is not part of what it was declared as, and neither are fields that must not be set.
func (c *checkedTable) find(chain, index int, now []digest, r *Rule) int32 {
	before := c.rules[chain]
	for _, i := range [...]int{index, len(before) - len(now) + index} {
		if i < 0 || i >= len(before) || before[i] != now[index] {
			continue
		}
		for j := range r.Do {
			if r.Do[j].Raw != nil || r.Do[j].checkShape() != nil {
				return -1
			}
		}
		return int32(i)
	}
	return -1
}

// digest is that of everything that the check of a rule asks the scope for.
func (s *scope) digest() digest {
	d := digestStart.text(familyText(s.table.Family))
	for i := range s.table.Chains {
		c := &s.table.Chains[i]
		d = d.text(c.Name).text(string(c.Type)).text(string(c.Hook))
		for _, base := range s.bases[i] {
			d = d.number(uint64(base))
		}
		d = d.number(uint64(len(s.bases[i])))
	}
	for i := range s.table.Sets {
		d = d.text(s.table.Sets[i].Name).text(string(s.table.Sets[i].Type))
	}
	for i := range s.table.Flowtables {
		d = d.text(s.table.Flowtables[i].Name)
	}
	return d.number(uint64(len(s.table.Chains))).number(uint64(len(s.table.Sets)))
}
