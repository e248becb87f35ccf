package ruleset

import (
	"errors"
	"fmt"

	"github.com/go-fastpath/fastpath/internal/mark"
)

func (v *validator) checkRule(p place, s *scope, r *Rule) {
	if len(r.Do) == 0 {
		v.addRule(p, "do", errors.New("the rule does nothing, which nft cannot spell; give it a statement, or remove it"))
	}
	v.addRule(p, "comment", checkLength("the comment", r.Comment, maxComment))
	v.addRule(p, "comment", mark.CheckText("the comment", r.Comment))
	v.addRule(p, "do", checkSize(s.table.Family, r))
	known := packetOf(s.table.Family)
	ended := -1
	for i := range r.Do {
		p.statement = i
		if ended >= 0 {
			v.addStatement(p, "", fmt.Errorf("no packet comes here: do[%d] ends the rule; move this statement before it, or remove it", ended))
		} else if r.Do[i].ends() {
			ended = i
		}
		if err := r.Do[i].checkShape(); err != nil {
			v.addStatement(p, "", err)
			continue
		}
		v.checkStatement(p, s, &r.Do[i], &known)
	}
}

// ends reports whether nothing behind the statement is reached: nft refuses statements there.
func (s *Statement) ends() bool {
	return s.Verdict != "" || s.Jump != "" || s.Goto != "" || s.DNAT != nil || s.SNAT != nil || s.Masquerade != nil
}

// checkShape refuses a statement with no field set, or several.
func (s *Statement) checkShape() error {
	set := [...]bool{s.Match != nil, s.FlowAdd != "", s.Verdict != "", s.Jump != "", s.Goto != "", s.Set != nil, s.DNAT != nil,
		s.SNAT != nil, s.Masquerade != nil, s.Counter != nil, s.Limit != nil, s.Log != nil, s.Raw != nil}
	first := -1
	for i, is := range set {
		switch {
		case is && first >= 0:
			return fmt.Errorf("the statement has both %s and %s; make two statements", statementFields()[first], statementFields()[i])
		case is:
			first = i
		}
	}
	if first < 0 {
		return errors.New("the statement is empty; set one field, such as match, flowAdd or verdict")
	}
	return nil
}

// statementFields are the names of a Statement's fields, in order.
func statementFields() [13]string {
	return [...]string{"match", "flowAdd", "verdict", "jump", "goto", "set", "dnat", "snat", "masquerade", "counter", "limit", "log", "raw"}
}

func (v *validator) checkStatement(p place, s *scope, st *Statement, known *packet) {
	switch {
	case st.Match != nil:
		v.checkMatch(p, s, st.Match, known)
	case st.FlowAdd != "":
		v.checkFlowAdd(p, s, st.FlowAdd)
	case st.Verdict != "":
		v.addStatement(p, "verdict", checkVerdict(st.Verdict))
	case st.Jump != "":
		v.checkTarget(p, s, "jump", st.Jump)
	case st.Goto != "":
		v.checkTarget(p, s, "goto", st.Goto)
	case st.Set != nil:
		v.checkMutation(p, st.Set)
	case st.DNAT != nil:
		v.checkNAT(p, s, "dnat", st.DNAT, known)
	case st.SNAT != nil:
		v.checkNAT(p, s, "snat", st.SNAT, known)
	case st.Masquerade != nil:
		v.checkNATChain(p, s, "masquerade")
	case st.Limit != nil:
		v.checkLimit(p, st.Limit)
	case st.Log != nil:
		v.checkLog(p, st.Log)
	case st.Raw != nil:
		v.checkRaw(p, st.Raw)
		known.anything()
	}
}

// checkFlowAdd asks for a flowtable of the table and a chain that only forward base chains reach
// (nft_flow_offload_validate, net/netfilter/nft_flow_offload.c, answers EOPNOTSUPP). The dry run of a kernel since 6.4 can miss it.
func (v *validator) checkFlowAdd(p place, s *scope, name string) {
	if !s.flowtables[name] {
		v.addStatement(p, "flowAdd", fmt.Errorf("no flowtable %q in this table, and a rule takes none of another table; add it here, or correct the name", name))
	}
	base := s.misplaced(p.chain, func(c *Chain) bool { return c.Hook == Forward })
	if base == nil {
		return
	}
	if base.Name == s.table.Chains[p.chain].Name {
		v.addStatement(p, "flowAdd", fmt.Errorf(`flow add works only in "forward", and this chain is at hook %q; move the rule to a forward chain`, string(base.Hook)))
		return
	}
	v.addStatement(p, "flowAdd", fmt.Errorf(`flow add works only in "forward", and this chain is reached from base chain %q at hook %q; move the rule to a chain that only forward chains reach`, base.Name, string(base.Hook)))
}

func checkVerdict(verdict Verdict) error {
	switch verdict {
	case VerdictAccept, VerdictDrop, VerdictReturn:
		return nil
	}
	return fmt.Errorf(`unknown verdict %q; write "accept", "drop" or "return"`, string(verdict))
}
