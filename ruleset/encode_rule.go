package ruleset

import (
	"fmt"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A test is a Match with its values read. Its anonymous set, if it needs one, was sent before the rule.
type test struct {
	match  *Match
	field  fieldInfo
	negate bool
	spans  []nftvalue.Span
	set    string // to look up; "" compares
	setID  uint32
}

// A layer is what a rule has established about the packet, so that each dependency is written once, as nft does.
type layer struct {
	family  byte // NFPROTO_*, 0 is unknown
	l4proto int  // IPPROTO_*, -1 is unknown
}

// addRule writes a rule, and before it the anonymous sets of its lists: at the end of its chain, before another, or in place of
// another.
func (e *encoder) addRule(op *Operation, r *Rule) {
	e.exprs = 0
	e.readTests(op, r)
	if e.err != nil {
		return
	}
	switch op.Verb {
	case VerbReplace:
		e.begin(op, nlmsg.NFTMsgNewRule, nlmsg.FlagReplace)
	case VerbInsert:
		e.begin(op, nlmsg.NFTMsgNewRule, nlmsg.FlagCreate)
	default:
		e.begin(op, nlmsg.NFTMsgNewRule, nlmsg.FlagCreate|nlmsg.FlagAppend)
	}
	e.b.String(nlmsg.NFTARuleTable, op.Table)
	e.b.String(nlmsg.NFTARuleChain, op.Name)
	switch op.Verb {
	case VerbReplace:
		e.b.Uint64BE(nlmsg.NFTARuleHandle, op.Handle)
	case VerbInsert:
		e.b.Uint64BE(nlmsg.NFTARulePosition, op.Handle)
	}
	e.ruleBody(op, r)
	e.ruleUdata(r)
	e.end()
}

// ruleBody writes the expressions.
func (e *encoder) ruleBody(op *Operation, r *Rule) {
	nest := e.b.Nest(nlmsg.NFTARuleExpressions)
	known := layer{l4proto: -1}
	if op.Family != Inet {
		known.family = op.Family.number()
	}
	tests := e.tests
	for i := range r.Do {
		if r.Do[i].Match != nil {
			e.test(&tests[0], &known)
			tests = tests[1:]
		} else {
			e.action(op, &r.Do[i])
		}
	}
	e.b.EndNest(nest)
	e.expressions = e.b.Bytes()[min(nest+4, e.b.Len()):]
	e.body = e.reader.digest(e.expressions)
}

// ruleUdata writes the comment, and who the rule is.
func (e *encoder) ruleUdata(r *Rule) {
	b := e.scratch[:0]
	if r.Comment != "" {
		b = e.appendComment(b, nlmsg.UdataRuleComment, r.Comment)
	}
	e.b.Data(nlmsg.NFTARuleUserdata, identity{declaredAs(r), e.body}.appendTo(b))
}

// readTests reads the values of all matches of a rule into e.tests and sends their anonymous sets.
func (e *encoder) readTests(op *Operation, r *Rule) {
	e.tests, e.spans = e.tests[:0], e.spans[:0]
	e.values.Forget()
	for i := range r.Do {
		if m := r.Do[i].Match; m != nil {
			e.readTest(op, m)
		}
	}
}

func (e *encoder) readTest(op *Operation, m *Match) {
	t := test{match: m}
	var ok bool
	if t.field, ok = infoOf(m.Field); !ok {
		e.fail(fmt.Errorf("unknown field %q", m.Field))
		return
	}
	words := m.Is
	if len(m.Not) > 0 {
		words, t.negate = m.Not, true
	}
	if len(words) == 1 && strings.HasPrefix(words[0], "@") {
		t.set = words[0][1:]
		t.setID = e.setIDs[setKey{op.Family, op.Table, t.set}]
	} else {
		t.spans = e.readValues(t.field.kind, words)
	}
	if len(t.spans) > 1 && !t.field.bits {
		t.set, t.setID = anonymousName, e.anonymousSet(op, &t.field, t.spans)
	}
	e.tests = append(e.tests, t)
}

// readValues appends to e.spans. What it returns stays valid when e.spans grows: the old memory is not written again.
func (e *encoder) readValues(kind nftvalue.Kind, words []string) []nftvalue.Span {
	start := len(e.spans)
	for _, w := range words {
		s, err := e.values.Value(kind, w)
		if err != nil {
			e.fail(err)
			return nil
		}
		e.spans = append(e.spans, s)
	}
	return e.spans[start:len(e.spans):len(e.spans)]
}
