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

// limit counts packets per unit of time, in seconds.
func (e *encoder) limit(l *Limiting) {
	unit := seconds(l.Per)
	if unit == 0 {
		e.fail(fmt.Errorf("unknown unit of time %q", l.Per))
	}
	burst, flags := l.Burst, uint32(0)
	if burst == 0 {
		burst = nftvalue.DefaultBurst
	}
	if l.Over {
		flags = nlmsg.LimitInverted
	}
	elem, data := e.expr("limit")
	e.b.Uint64BE(nlmsg.NFTALimitRate, l.Rate)
	e.b.Uint64BE(nlmsg.NFTALimitUnit, unit)
	e.b.Uint32BE(nlmsg.NFTALimitBurst, burst)
	e.b.Uint32BE(nlmsg.NFTALimitType, nlmsg.LimitPackets)
	e.b.Uint32BE(nlmsg.NFTALimitFlags, flags)
	e.endExpr(elem, data)
}

func (e *encoder) log(l *Logging) {
	elem, data := e.expr("log")
	if l.Prefix != "" {
		e.b.String(nlmsg.NFTALogPrefix, l.Prefix)
	}
	if l.Group != nil {
		e.b.Uint16BE(nlmsg.NFTALogGroup, *l.Group)
	}
	if l.Level != "" {
		level, ok := logLevel(l.Level)
		if !ok {
			e.fail(fmt.Errorf("unknown log level %q", l.Level))
		}
		e.b.Uint32BE(nlmsg.NFTALogLevel, level)
	}
	e.endExpr(elem, data)
}

// logLevel is a level as syslog numbers it (include/uapi/linux/netfilter/nf_tables.h, enum nft_log_level).
func logLevel(name string) (uint32, bool) {
	for i, n := range [...]string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"} {
		if n == name {
			return uint32(i), true
		}
	}
	return 0, false
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
