package ruleset

import (
	"errors"
	"fmt"
)

// rules checks the statements that the caller adds to a policy: whole rules that return, and matches in front of `flow add`.
func (c *policyCheck) rules() {
	p := c.place
	p.policy = c.path + ".except"
	for i := range c.policy.Except.Rules {
		p.rule = i
		r := &c.policy.Except.Rules[i]
		for j := range r.Do {
			p.statement = j
			last := j == len(r.Do)-1
			if err := unfitForExclusion(&r.Do[j], last); err != nil {
				c.addStatement(p, "", err)
			}
		}
		c.checkRule(p, c.scope, r)
	}
	c.also()
	c.sizes()
}

// unfitForExclusion says why a statement has no place in a rule that holds packets back; nil if it has.
func unfitForExclusion(s *Statement, last bool) error {
	switch {
	case s.Offloads():
		return errors.New("flow add in an exclusion would offload what it is to hold back; remove it")
	case s.Verdict == VerdictReturn && last:
		return nil
	case s.ends():
		return errors.New("an exclusion returns and nothing else: remove this statement, or write the rule in a chain of your own")
	}
	return nil
}

// also checks further statements of the rules with `flow add`, behind what the policy itself matches.
func (c *policyCheck) also() {
	only := &c.policy.Only
	p := c.place
	p.policy, p.also = c.path+".only", true
	known := packetOf(c.table.Family)
	if only.Family != "" && !known.oneFamily {
		known.family = only.Family
	}
	known.protocols = protocols(c.policy.numbers()...)
	for i := range only.Also {
		p.statement = i
		st := &only.Also[i]
		if err := st.checkShape(); err != nil {
			c.addStatement(p, "", err)
			continue
		}
		if st.Raw != nil && st.Offloads() {
			c.addStatement(p, "", errors.New("the policy adds flow add itself, behind these statements; remove it"))
			continue
		}
		if st.Match == nil && st.Limit == nil && st.Raw == nil {
			c.addStatement(p, "", errors.New("only matches, limits and raw statements can stand here; write the rule in a chain of your own"))
			continue
		}
		c.checkStatement(p, c.scope, st, &known)
	}
}

// sizes refuses rules that are too large with what the policy adds to them. The caller's own come first in the chain.
func (c *policyCheck) sizes() {
	own := c.policy.Except.Rules
	rules := c.scope.table.Chains[c.place.chain].Rules
	for i := range rules {
		err := checkSize(c.table.Family, &rules[i])
		switch {
		case err == nil:
		case i >= len(own):
			c.add(c.at("only.also"), fmt.Errorf("with these statements %w", err))
			return
		case checkSize(c.table.Family, &own[i]) == nil: // else it was told
			c.add(c.item("except.rules")(i)+".do", fmt.Errorf("with what the policy adds %w", err))
		}
	}
}
