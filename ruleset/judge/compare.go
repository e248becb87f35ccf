package judge

import (
	"fmt"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
)

// maxRuns is how many packets are led through a ruleset for one direction of one flow. Beyond, nobody can tell.
const maxRuns = 2048

// A Finding is what a change means to one flow.
type Finding struct {
	// Evict says that the flow has to leave its flowtable to meet the new rules.
	Evict bool
	// Why says it in words, "" where Evict is false.
	Why string
}

// A pair is what can become of the packets of one direction before and after a change, in one state of what is unknown.
type pair struct{ before, after outcome }

// Judge tells what a change means to a flow that a flowtable carries. It has to go if, in any state of what is not known of it,
//
//   - all packets of one direction are dropped, and were not before: it is forbidden;
//   - no packet can offload it any more, and one could before: it is excluded.
//
// A flow that was in a flowtable which goes away stays, and so does one to which all rules still say the same.
func (c *Change) Judge(f *Flow) Finding {
	if !c.concerns(f) {
		return Finding{}
	}
	var pairs [2][]pair
	for d := range pairs {
		list, found, ok := c.pairs(f, Direction(d))
		if !ok {
			return Finding{Evict: true, Why: "the rules are too many, or ask too much that is not known of it"}
		}
		if found.Evict {
			return found
		}
		pairs[d] = list
	}
	for _, o := range pairs[Original] {
		for _, r := range pairs[Reply] {
			before, after := o.before|r.before, o.after|r.after
			if before&fast != 0 && after&(fast|fastLeaves) == 0 {
				return Finding{Evict: true, Why: "no rule offloads it any more"}
			}
		}
	}
	return Finding{}
}

// pairs leads packets of one direction through both rulesets, in every state of what is unknown. It ends early where the flow
// is forbidden; it is not ok if there are too many states.
func (c *Change) pairs(f *Flow, d Direction) (list []pair, found Finding, ok bool) {
	x := run{flow: f, direction: d}
	seen := map[pair]bool{}
	left := maxRuns
	for more := true; more; more = x.choices.steady.next() {
		var p pair
		var last where
		for more := true; more; more = x.choices.varying.next() {
			if left--; left < 0 {
				return nil, Finding{}, false
			}
			x.rules, x.leaves = c.before, c.leaves
			p.before |= x.packet()
			x.rules, x.leaves = c.after, nil
			p.after |= x.packet()
			last = x.where
			if x.budget < 0 {
				return nil, Finding{}, false
			}
		}
		if p.after == dropped && p.before != dropped && p.before&fastLeaves == 0 {
			return nil, Finding{Evict: true, Why: last.String() + " drops it"}, true
		}
		if !seen[p] {
			seen[p] = true
			list = append(list, p)
		}
	}
	return list, Finding{}, true
}

// String names the rule or the policy as nft lists them.
func (w where) String() string {
	if w.chain == nil {
		return "the ruleset"
	}
	words := []string{"chain", string(FamilyName(w.chain.table.family)), flowtable.Spelled(w.chain.table.name), flowtable.Spelled(w.chain.name)}
	if w.rule == nil {
		return "the policy of " + strings.Join(words, " ")
	}
	text := "a rule in " + strings.Join(words, " ")
	if w.rule.comment != "" {
		text += fmt.Sprintf(" (%q)", w.rule.comment)
	}
	return text
}
