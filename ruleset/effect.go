package ruleset

import (
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// effectOf names what an expression does beside testing packets, in nft's words; "" if nothing. One that is not known does something.
func effectOf(o nlmsg.Order, name string, a *exprAttrs) string {
	switch name {
	case "cmp", "range", "bitwise", "byteorder", "rt", "fib", "socket", "osf", "numgen", "hash", "xfrm", "tunnel", "match", "connlimit":
		return ""
	}
	switch name {
	case "immediate":
		return verdictOf(o, a)
	case "lookup":
		if dreg, ok := a.number(nlmsg.NFTALookupDreg); ok && dreg == nlmsg.RegVerdict {
			return "vmap"
		}
		return ""
	case "meta":
		return storing(a, nlmsg.NFTAMetaSreg, nlmsg.NFTAMetaKey, "meta", map[uint32]string{3: "mark", 2: "priority"})
	case "ct":
		return storing(a, nlmsg.NFTACTSreg, nlmsg.NFTACTKey, "ct", map[uint32]string{ctMark: "ct mark"})
	case "payload":
		return storing(a, nlmsg.NFTAPayloadSreg, nlmsg.NFTAPayloadBase, "header", nil)
	case "exthdr":
		return storing(a, exthdrSreg, exthdrOp, "option", nil)
	case "objref":
		if kind, _ := a.number(objrefType); kind == objectCounter {
			return countsByName
		}
		return "named object"
	case "target": // of iptables-nft
		return (nlmsg.Attr{Data: a[compatName]}).String()
	}
	return name
}

// The attributes of nft_exthdr (enum nft_exthdr_attributes).
const (
	exthdrOp   = 6
	exthdrSreg = 7
)

// The kind of an object that a rule refers to (enum nft_objref_attributes, NFT_OBJECT_COUNTER).
const (
	objrefType    = 1
	objectCounter = 1
)

// storing names what an expression stores; "" if it loads.
func storing(a *exprAttrs, sreg, key int, what string, words map[uint32]string) string {
	if len(a[sreg]) == 0 {
		return ""
	}
	if n, ok := a.number(key); ok && words[n] != "" {
		what = words[n]
	}
	return what + " set"
}

// verdictOf names the verdict of an immediate expression; "" if it loads data.
func verdictOf(o nlmsg.Order, a *exprAttrs) string {
	if dreg, ok := a.number(nlmsg.NFTAImmediateDreg); !ok || dreg != nlmsg.RegVerdict {
		return ""
	}
	verdict := attrOf(o, a[nlmsg.NFTAImmediateData], nlmsg.NFTADataVerdict)
	code, err := nlmsg.Attr{Data: attrOf(o, verdict, nlmsg.NFTAVerdictCode)}.Uint32BE()
	switch {
	case err != nil:
		return "verdict"
	case code == nlmsg.VerdictDrop:
		return "drop"
	case code == nlmsg.VerdictAccept:
		return "accept"
	case code == nlmsg.VerdictJump:
		return "jump"
	case code == nlmsg.VerdictGoto:
		return "goto"
	case code == nlmsg.VerdictReturn:
		return "return"
	case code&0xff == 3: // NF_QUEUE, with the queue's number above
		return "queue"
	}
	return "verdict"
}
