package ruleset

import (
	"bytes"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// eachReference visits the chains, sets and flowtables that expressions refer to by name.
func eachReference(o nlmsg.Order, expressions []byte, visit func(object)) error {
	return nlmsg.EachAttr(o, expressions, func(elem nlmsg.Attr) error {
		name, data, err := nlmsg.Expression(o, elem.Data)
		if err != nil {
			return err
		}
		return nlmsg.EachAttr(o, data, func(a nlmsg.Attr) error {
			switch {
			case name == "lookup" && a.Type == nlmsg.NFTALookupSet, name == "dynset" && a.Type == dynsetSetName:
				visit(object{KindSet, a.String()})
			case name == "flow_offload" && a.Type == nlmsg.NFTAFlowTableName:
				visit(object{KindFlowtable, a.String()})
			case name == "immediate" && a.Type == nlmsg.NFTAImmediateData:
				return jumpTarget(o, a.Data, visit)
			}
			return nil
		})
	})
}

const dynsetSetName = 1 // NFTA_DYNSET_SET_NAME

// jumpTarget visits the chain that a verdict leads to.
func jumpTarget(o nlmsg.Order, data []byte, visit func(object)) error {
	return nlmsg.EachAttr(o, data, func(a nlmsg.Attr) error {
		if a.Type != nlmsg.NFTADataVerdict {
			return nil
		}
		return nlmsg.EachAttr(o, a.Data, func(a nlmsg.Attr) error {
			if a.Type == nlmsg.NFTAVerdictChain {
				visit(object{KindChain, a.String()})
			}
			return nil
		})
	})
}

// contains reports whether a kernel's expressions are those that were sent, one by one, each with at least the attributes that
// were sent. It serves expressions whose defaults this library does not know.
func contains(o nlmsg.Order, dumped, sent []byte) bool {
	for len(sent) > 0 && len(dumped) > 0 {
		s, restSent, errSent := nlmsg.NextAttr(o, sent)
		d, restDumped, errDumped := nlmsg.NextAttr(o, dumped)
		if errSent != nil || errDumped != nil || !containsExpr(o, d.Data, s.Data) {
			return false
		}
		sent, dumped = restSent, restDumped
	}
	return len(sent) == 0 && len(dumped) == 0
}

func containsExpr(o nlmsg.Order, dumped, sent []byte) bool {
	name, has, errDumped := nlmsg.Expression(o, dumped)
	asked, wants, errSent := nlmsg.Expression(o, sent)
	if errDumped != nil || errSent != nil || name != asked {
		return false
	}
	if name == "counter" || name == "lookup" { // what they count, and the names of anonymous sets, are the kernel's
		return true
	}
	return nlmsg.EachAttr(o, wants, func(w nlmsg.Attr) error {
		found := false
		err := nlmsg.EachAttr(o, has, func(h nlmsg.Attr) error {
			found = found || h.Type == w.Type && sameData(o, h.Data, w.Data)
			return nil
		})
		if err == nil && !found {
			return nlmsg.ErrMalformed
		}
		return err
	}) == nil
}

// sameData compares values; nests may differ in the flag of their attributes.
func sameData(o nlmsg.Order, a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if len(a) != len(b) {
		return false
	}
	for len(a) > 0 {
		x, restA, errA := nlmsg.NextAttr(o, a)
		y, restB, errB := nlmsg.NextAttr(o, b)
		if errA != nil || errB != nil || x.Type != y.Type || !sameData(o, x.Data, y.Data) {
			return false
		}
		a, b = restA, restB
	}
	return len(b) == 0
}
