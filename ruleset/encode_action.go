package ruleset

import (
	"fmt"
	"math"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// action writes a statement that is not a match.
func (e *encoder) action(op *Operation, s *Statement) {
	switch {
	case s.FlowAdd != "":
		elem, data := e.expr("flow_offload")
		e.b.String(nlmsg.NFTAFlowTableName, s.FlowAdd)
		e.endExpr(elem, data)
	case s.Verdict != "":
		e.plainVerdict(s.Verdict)
	case s.Jump != "":
		e.verdict(nlmsg.VerdictJump, s.Jump)
	case s.Goto != "":
		e.verdict(nlmsg.VerdictGoto, s.Goto)
	case s.Set != nil:
		e.mutate(s.Set)
	case s.DNAT != nil:
		e.nat(op, nlmsg.NATDestination, s.DNAT)
	case s.SNAT != nil:
		e.nat(op, nlmsg.NATSource, s.SNAT)
	case s.Masquerade != nil:
		e.masquerade(s.Masquerade)
	case s.Counter != nil:
		e.endExpr(e.expr("counter"))
	case s.Limit != nil:
		e.limit(s.Limit)
	case s.Log != nil:
		e.log(s.Log)
	case s.Raw != nil:
		e.raw(s.Raw)
	default:
		e.fail(fmt.Errorf("an empty statement"))
	}
}

func (e *encoder) plainVerdict(v Verdict) {
	switch v {
	case VerdictAccept:
		e.verdict(nlmsg.VerdictAccept, "")
	case VerdictDrop:
		e.verdict(nlmsg.VerdictDrop, "")
	case VerdictReturn:
		e.verdict(nlmsg.VerdictReturn, "")
	default:
		e.fail(fmt.Errorf("unknown verdict %q", v))
	}
}

// mutate sets a mark whole, or some of its bits: mark & ^mask ^ value.
func (e *encoder) mutate(m *Mutation) {
	f, ok := infoOf(m.Field)
	if !ok || f.kind != nftvalue.Mark {
		e.fail(fmt.Errorf("cannot set %q", m.Field))
		return
	}
	value, mask := m.number(), m.mask()
	if mask == math.MaxUint32 {
		e.immediate(nlmsg.Reg1, e.order.AppendUint32(e.scratch[:0], value))
	} else {
		e.load(&f, 4)
		b := e.order.AppendUint32(e.scratch[:0], ^mask)
		b = e.order.AppendUint32(b, value)
		e.bitwise(b[:4], b[4:])
	}
	if f.source == fromMeta {
		e.setMeta(f.key)
	} else {
		e.setCT(f.key)
	}
}

// raw writes the caller's own expressions.
func (e *encoder) raw(r *Raw) {
	e.exprs += len(r.Expr)
	for _, expr := range r.Expr {
		elem := e.b.Nest(nlmsg.NFTAListElem)
		e.b.Raw(expr)
		e.b.EndNest(elem)
	}
}
