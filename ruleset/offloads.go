package ruleset

import (
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Offloads reports whether the statement fills a flowtable: FlowAdd, or a Raw one that holds the expression behind `flow add`, also within
// another expression, where no kernel so far takes it.
func (s *Statement) Offloads() bool {
	_, is := s.flowtable()
	return is
}

// Offloads reports whether a statement of the rule fills a flowtable.
func (r *Rule) Offloads() bool { return r.flowAdd() >= 0 }

// Offloads reports whether an operation makes a rule that fills a flowtable, or one that leads to such rules of this Spec. A kernel may refuse
// either for what is the matter with the flowtable or its place. A nil Spec has no rules to lead to.
func (s *Spec) Offloads(op Operation) bool {
	rule, ok := op.Rule()
	if !ok || rule.Offloads() {
		return ok
	}
	if s == nil {
		return false
	}
	for i := range s.Tables {
		t := &s.Tables[i]
		if t.Name != op.Table || familyText(t.Family) != string(op.Family) {
			continue
		}
		lowered := t.lowered()
		scope := newScope(&lowered)
		leads := scope.leadTo(func(chain int) bool {
			return slices.ContainsFunc(lowered.Chains[chain].Rules, func(r Rule) bool { return r.Offloads() })
		})
		for j := range rule.Do {
			for _, name := range rule.Do[j].targets() {
				if target, ok := scope.chains[name]; ok && leads[target] {
					return true
				}
			}
		}
	}
	return false
}

// flowAdd is the index of the first statement that fills a flowtable, -1 if there is none.
func (r *Rule) flowAdd() int {
	return slices.IndexFunc(r.Do, func(s Statement) bool { return s.Offloads() })
}

// flowtable is the flowtable that the statement fills, if it fills one.
func (s *Statement) flowtable() (name string, is bool) {
	if s.FlowAdd != "" {
		return s.FlowAdd, true
	}
	for _, o := range s.orders() {
		for _, expr := range s.Raw.Expr {
			if name, is = flowtableOf(o, expr, 0); is {
				return name, true
			}
		}
	}
	return "", false
}

// targets are the chains that a statement jumps or goes to: a Raw one can name several.
func (s *Statement) targets() []string {
	switch {
	case s.Jump != "":
		return []string{s.Jump}
	case s.Goto != "":
		return []string{s.Goto}
	}
	var names []string
	for _, o := range s.orders() {
		for _, expr := range s.Raw.Expr {
			if kind, data, err := nlmsg.Expression(o, expr); err == nil && kind == "immediate" {
				a := attrsOf(o, data)
				_ = jumpTarget(o, a[nlmsg.NFTAImmediateData], func(to object) { names = append(names, to.name) })
			}
		}
	}
	return names
}

// orders are the byte orders in which the expressions of a Raw statement may be written: they are the target's, which a Spec does not
// know. In the wrong one lengths make no sense, so that nothing is read there.
func (s *Statement) orders() []nlmsg.Order {
	if s.Raw == nil {
		return nil
	}
	return []nlmsg.Order{nlmsg.LittleEndian, nlmsg.BigEndian}
}

// flowtableOf is the flowtable that an expression fills, or one within it.
func flowtableOf(o nlmsg.Order, expr []byte, depth int) (flowtable string, is bool) {
	name, data, err := nlmsg.Expression(o, expr)
	if err != nil || depth > maxNested {
		return "", false
	}
	switch name {
	case "flow_offload":
		a := attrsOf(o, data)
		return nlmsg.Attr{Data: a[nlmsg.NFTAFlowTableName]}.String(), true
	case "dynset", "inner":
	default:
		return "", false
	}
	_ = nlmsg.EachAttr(o, data, func(a nlmsg.Attr) error {
		switch {
		case is:
		case name == "dynset" && a.Type == dynsetExpr, name == "inner" && a.Type == innerExpr:
			flowtable, is = flowtableOf(o, a.Data, depth+1)
		case name == "dynset" && a.Type == dynsetExpressions:
			return nlmsg.EachAttr(o, a.Data, func(elem nlmsg.Attr) error {
				if !is {
					flowtable, is = flowtableOf(o, elem.Data, depth+1)
				}
				return nil
			})
		}
		return nil
	})
	return flowtable, is
}

// Expressions within others: what dynset puts beside an element, and what inner does to a header (include/uapi/linux/netfilter/nf_tables.h). Kernels
// take none of these within one another.
const (
	dynsetExpr        = 7
	dynsetExpressions = 10
	innerExpr         = 5

	maxNested = 4
)
