package offloadtest

import (
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

const maxExpressions = 128 // NFT_RULE_MAXEXPRS

// expressions reads a rule's expressions and looks up what they refer to.
func (t *transaction) expressions(r *request, tab *table) ([]expression, *refusal) {
	list := r.attrs.get(nlmsg.NFTARuleExpressions).inside()
	for i, a := range list {
		switch {
		case a.Type != nlmsg.NFTAListElem, i == maxExpressions:
			return nil, refuse(eINVAL)
		case !a.inside().get(nlmsg.NFTAExprName).there:
			return nil, a.refuse(eINVAL)
		case !isExpression(a.inside().get(nlmsg.NFTAExprName).String()):
			return nil, a.refuse(eNOENT)
		}
	}
	var exprs []expression
	for _, a := range list {
		in := a.inside()
		name := in.get(nlmsg.NFTAExprName).String()
		e := expression{name: name, content: t.model.body(name, in.get(nlmsg.NFTAExprData))}
		if errno := t.reference(&e, in.get(nlmsg.NFTAExprData), tab); errno != 0 {
			return nil, a.refuse(errno)
		}
		exprs = append(exprs, e)
	}
	return exprs, nil
}

func (t *transaction) reference(e *expression, data attr, tab *table) int32 {
	in := data.inside()
	switch e.name {
	case "lookup":
		return t.lookup(e, in, tab)
	case "flow_offload":
		name := in.get(nlmsg.NFTAFlowTableName)
		if !name.there {
			return eINVAL
		}
		if tab.flowtable(name.String()) == nil {
			return eNOENT
		}
		e.flowtable = name.String()
	case "immediate":
		verdict := in.get(nlmsg.NFTAImmediateData).inside().get(nlmsg.NFTADataVerdict).inside()
		return jump(e, verdict, tab)
	case "objref":
		return eNOENT // no objects are imitated
	case "nat":
		e.natType = in.get(nlmsg.NFTANATType).u32()
	case "ct":
		t.account(in)
	}
	return 0
}

// lookup notes the set, and writes its name where the batch gave a number.
func (t *transaction) lookup(e *expression, in attrs, tab *table) int32 {
	name := in.get(nlmsg.NFTALookupSet)
	if !name.there || !in.get(nlmsg.NFTALookupSreg).there {
		return eINVAL
	}
	s := t.setOf(tab, name, in.get(nlmsg.NFTALookupSetID))
	switch {
	case s == nil:
		return eNOENT
	case s.anonymous() && tab.uses().sets[s.name] > 0:
		return eBUSY
	}
	e.set = s.name
	named := attr{there: true}
	named.Type, named.Data = nlmsg.NFTALookupSet, append([]byte(s.name), 0)
	data := attr{there: true}
	data.Data = attrBytes(append(slices.Clone(in), named)...)
	e.content = t.model.body(e.name, data)
	return 0
}

// jump notes where a verdict leads.
func jump(e *expression, verdict attrs, tab *table) int32 {
	code := verdict.get(nlmsg.NFTAVerdictCode)
	if !code.there || code.u32() != nlmsg.VerdictJump && code.u32() != nlmsg.VerdictGoto {
		return 0
	}
	name := verdict.get(nlmsg.NFTAVerdictChain)
	if !name.there {
		return eINVAL
	}
	c := tab.chain(name.String())
	switch {
	case c == nil:
		return eNOENT
	case c.base != nil:
		return eOPNOTSUPP
	}
	e.chain = c.name
	return 0
}

// account: a rule that counts a connection's packets or bytes switches accounting on, for good, even when the batch is taken back.
func (t *transaction) account(in attrs) {
	const packets, average = 14, 16 // NFT_CT_PKTS, NFT_CT_BYTES, NFT_CT_AVGPKT
	if key := in.get(nlmsg.NFTACTKey); key.there && key.u32() >= packets && key.u32() <= average {
		t.sysctls[accounting] = "1"
	}
}

// isExpression knows the expressions of Linux 6.1 by name.
func isExpression(name string) bool {
	return slices.Contains([]string{
		"bitwise", "byteorder", "cmp", "connlimit", "counter", "ct", "dup", "dynset", "exthdr", "fib", "flow_offload", "fwd", "hash",
		"immediate", "inner", "last", "limit", "log", "lookup", "masq", "meta", "nat", "notrack", "numgen", "objref", "osf", "payload",
		"queue", "quota", "range", "redir", "reject", "rt", "socket", "synproxy", "tproxy", "tunnel", "xfrm",
	}, name)
}
