package ruleset

import (
	"encoding/binary"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A bodyReader hashes a rule's expressions in the form that a kernel's dump and our encoding share: attributes by type, without
// what the kernel counts, without its defaults, and with the content of anonymous sets in place of their names.
type bodyReader struct {
	order nlmsg.Order
	// content is that of the anonymous set which a lookup names; a batch names it by a number.
	content func(name string, id uint32) (digest, bool)
}

// digest is that of the content of NFTA_RULE_EXPRESSIONS; 0 if it cannot be read.
func (r *bodyReader) digest(expressions []byte) digest {
	d := digestStart
	for len(expressions) > 0 {
		elem, rest, err := nlmsg.NextAttr(r.order, expressions)
		if err != nil {
			return 0
		}
		expressions = rest
		name, data, err := nlmsg.Expression(r.order, elem.Data)
		if err != nil {
			return 0
		}
		var ok bool
		if d, ok = r.expr(d, name, data); !ok {
			return 0
		}
	}
	return d
}

// expr hashes the attributes of one expression that say something, by type.
func (r *bodyReader) expr(d digest, name string, data []byte) (digest, bool) {
	switch name {
	case "counter":
		return d.text(name).byte(0), true
	case "meta", "cmp", "payload", "ct", "immediate", "bitwise":
		if d, ok := r.plain(d, name, data); ok {
			return d, true
		}
	}
	var attrs [16]nlmsg.Attr
	list := attrs[:0]
	for len(data) > 0 {
		a, rest, err := nlmsg.NextAttr(r.order, data)
		if err != nil || len(list) == cap(list) {
			return 0, false
		}
		data = rest
		i := len(list)
		list = append(list, a)
		for ; i > 0 && list[i-1].Type > a.Type; i-- {
			list[i], list[i-1] = list[i-1], a
		}
	}
	if name == "range" && len(list) == 4 && number32(list[1]) == nlmsg.RangeEq {
		return r.between(d, list)
	}
	return r.hash(d, name, list)
}

// plain is hash for the expressions that rules have most, as long as their attributes are in order and all say something.
func (r *bodyReader) plain(d digest, name string, data []byte) (digest, bool) {
	d = d.text(name)
	for last := uint16(0); len(data) > 0; {
		a, rest, err := nlmsg.NextAttr(r.order, data)
		if err != nil || a.Type < last || isSilent(name, a, nil) {
			return 0, false
		}
		last, data = a.Type, rest
		d = d.byte(byte(a.Type))
		if !isData(name, a.Type) {
			d = d.bytes(a.Data)
			continue
		}
		var ok bool
		if d, ok = r.data(d, a.Data); !ok {
			return 0, false
		}
	}
	return d.byte(0), true
}

// between hashes a range as the two comparisons that nft wrote for it before 1.1, and we do.
func (r *bodyReader) between(d digest, list []nlmsg.Attr) (digest, bool) {
	bound := func(op byte, value nlmsg.Attr) []nlmsg.Attr {
		return []nlmsg.Attr{
			{Type: nlmsg.NFTACmpSreg, Data: list[0].Data}, {Type: nlmsg.NFTACmpOp, Data: []byte{0, 0, 0, op}}, {Type: nlmsg.NFTACmpData, Data: value.Data},
		}
	}
	d, ok := r.hash(d, "cmp", bound(nlmsg.CmpGte, list[2]))
	if !ok {
		return 0, false
	}
	return r.hash(d, "cmp", bound(nlmsg.CmpLte, list[3]))
}

// hash hashes an expression whose attributes are in order.
func (r *bodyReader) hash(d digest, name string, list []nlmsg.Attr) (digest, bool) {
	d = d.text(name)
	for _, a := range list {
		if isSilent(name, a, list) {
			continue
		}
		var ok bool
		if d, ok = r.value(d.byte(byte(a.Type)), name, a, list); !ok {
			return 0, false
		}
	}
	return d.byte(0), true
}

// isSilent reports whether an attribute says nothing: it counts, it is the kernel's default, or it stands for another.
func isSilent(name string, a nlmsg.Attr, all []nlmsg.Attr) bool {
	switch name {
	case "meta", "cmp", "payload", "ct", "immediate":
		return false
	case "counter":
		return true
	}
	zero := isZero(a.Data)
	switch name {
	case "lookup":
		return a.Type == nlmsg.NFTALookupSetID || a.Type == nlmsg.NFTALookupFlags && zero
	case "bitwise":
		return a.Type == nlmsg.NFTABitwiseOp && zero
	case "limit":
		return (a.Type == nlmsg.NFTALimitFlags || a.Type == nlmsg.NFTALimitType) && zero || a.Type > nlmsg.NFTALimitFlags
	case "log":
		return logDefault(a, zero)
	case "masq":
		return a.Type == nlmsg.NFTAMasqFlags && zero
	case "nat":
		switch a.Type {
		case nlmsg.NFTANATRegAddrMax:
			return sameNumber(a, all, nlmsg.NFTANATRegAddrMin)
		case nlmsg.NFTANATRegProtoMax:
			return sameNumber(a, all, nlmsg.NFTANATRegProtoMin)
		case nlmsg.NFTANATFlags:
			return natFlags(a) == 0
		}
	}
	return false
}

// logDefault knows what net/netfilter/nft_log.c dumps though nobody asked for it.
func logDefault(a nlmsg.Attr, zero bool) bool {
	const warning = 4
	switch a.Type {
	case nlmsg.NFTALogLevel:
		return number32(a) == warning
	case nlmsg.NFTALogFlags, nlmsg.NFTALogSnaplen, nlmsg.NFTALogQthreshold:
		return zero
	}
	return false
}

// natFlags are a nat expression's without those that follow from its registers (net/netfilter/nft_nat.c).
func natFlags(a nlmsg.Attr) uint32 {
	const mapIPs = 1
	return number32(a) &^ (mapIPs | nlmsg.NATRangeProtoSpecified)
}

// value hashes what an attribute says.
func (r *bodyReader) value(d digest, name string, a nlmsg.Attr, all []nlmsg.Attr) (digest, bool) {
	switch {
	case name == "lookup" && a.Type == nlmsg.NFTALookupSet:
		return r.set(d, a.String(), all)
	case name == "nat" && a.Type == nlmsg.NFTANATFlags:
		return d.number(uint64(natFlags(a))), true
	case isData(name, a.Type):
		return r.data(d, a.Data)
	case name == "flow_offload", name == "log" && a.Type == nlmsg.NFTALogPrefix:
		return d.text(a.String()), true // others may leave the NUL out
	}
	return d.bytes(a.Data), true
}

// set hashes the name of a set, or the content of an anonymous one.
func (r *bodyReader) set(d digest, name string, all []nlmsg.Attr) (digest, bool) {
	if !isAnonymous(name) {
		return d.text(name), true
	}
	id := uint32(0)
	for _, a := range all {
		if a.Type == nlmsg.NFTALookupSetID {
			id = number32(a)
		}
	}
	content, ok := r.content(name, id)
	return d.number(uint64(content)), ok
}

// isAnonymous knows the names that kernels give to anonymous sets, and what nft and we send for them.
func isAnonymous(name string) bool { return len(name) >= 5 && name[:5] == anonymousName[:5] }

// isData reports whether an attribute nests NFTA_DATA_*.
func isData(name string, typ uint16) bool {
	switch name {
	case "cmp":
		return typ == nlmsg.NFTACmpData
	case "immediate":
		return typ == nlmsg.NFTAImmediateData
	case "bitwise":
		return typ == nlmsg.NFTABitwiseMask || typ == nlmsg.NFTABitwiseXor
	case "range":
		return typ == nlmsg.NFTARangeFrom || typ == nlmsg.NFTARangeTo
	}
	return false
}

// data hashes a value, or the attributes of a verdict.
func (r *bodyReader) data(d digest, b []byte) (digest, bool) {
	for len(b) > 0 {
		a, rest, err := nlmsg.NextAttr(r.order, b)
		if err != nil {
			return 0, false
		}
		b = rest
		if a.Type == nlmsg.NFTADataVerdict {
			b = a.Data // of a nest that holds nothing else
			d = d.byte(byte(a.Type))
			for len(b) > 0 {
				if a, b, err = nlmsg.NextAttr(r.order, b); err != nil {
					return 0, false
				}
				d = d.byte(byte(a.Type)).bytes(a.Data)
			}
			return d, true
		}
		d = d.byte(byte(a.Type)).bytes(a.Data)
	}
	return d, true
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// number32 reads a number of up to 32 bits; what is shorter is 0.
func number32(a nlmsg.Attr) uint32 {
	if len(a.Data) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(a.Data)
}

func sameNumber(a nlmsg.Attr, all []nlmsg.Attr, other uint16) bool {
	for _, b := range all {
		if b.Type == other {
			return number32(a) == number32(b)
		}
	}
	return false
}
