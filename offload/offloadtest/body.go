package offloadtest

import "github.com/go-fastpath/fastpath/internal/nlmsg"

// What a kernel makes of an expression's attributes when it is read back: in its own order, with the values that it filled
// in, and nests that are not marked (the dump functions of net/netfilter/nft_*.c).

// A part is one attribute of an expression as dumps have it.
type part struct {
	typ  uint16
	form form
	or   uint32 // what stands there where nothing was sent
}

// A form says when an attribute is there and what it holds.
type form int

const (
	asSent  form = iota // if it was sent
	always              // a number of 32 bits
	unless0             // a number of 32 bits that is not 0
	asData              // a value of a register or a verdict
)

// partsOf are the attributes of an expression in the kernel's order; false for those that are kept as they were sent.
func (m model) partsOf(name string) ([]part, bool) {
	switch name {
	case "meta":
		return []part{{typ: nlmsg.NFTAMetaKey}, {typ: nlmsg.NFTAMetaDreg}, {typ: nlmsg.NFTAMetaSreg}}, true
	case "ct":
		return []part{{typ: nlmsg.NFTACTDreg}, {typ: nlmsg.NFTACTSreg}, {typ: nlmsg.NFTACTKey}, {typ: nlmsg.NFTACTDirection}}, true
	case "bitwise":
		return []part{
			{typ: nlmsg.NFTABitwiseSreg}, {typ: nlmsg.NFTABitwiseDreg}, {typ: nlmsg.NFTABitwiseLen}, {typ: nlmsg.NFTABitwiseOp, form: always},
			{typ: nlmsg.NFTABitwiseMask, form: asData}, {typ: nlmsg.NFTABitwiseXor, form: asData},
		}, true
	case "byteorder":
		length, size := part{typ: nlmsg.NFTAByteorderLen}, part{typ: nlmsg.NFTAByteorderSize}
		if m >= linux72 {
			length, size = size, length
		}
		return []part{{typ: nlmsg.NFTAByteorderSreg}, {typ: nlmsg.NFTAByteorderDreg}, {typ: nlmsg.NFTAByteorderOp}, length, size}, true
	case "cmp":
		return []part{{typ: nlmsg.NFTACmpSreg}, {typ: nlmsg.NFTACmpOp}, {typ: nlmsg.NFTACmpData, form: asData}}, true
	case "range":
		return []part{
			{typ: nlmsg.NFTARangeSreg}, {typ: nlmsg.NFTARangeOp},
			{typ: nlmsg.NFTARangeFrom, form: asData}, {typ: nlmsg.NFTARangeTo, form: asData},
		}, true
	case "immediate":
		return []part{{typ: nlmsg.NFTAImmediateDreg}, {typ: nlmsg.NFTAImmediateData, form: asData}}, true
	case "lookup":
		return []part{
			{typ: nlmsg.NFTALookupSet}, {typ: nlmsg.NFTALookupSreg}, {typ: nlmsg.NFTALookupDreg}, {typ: nlmsg.NFTALookupFlags, form: always},
		}, true
	case "limit":
		return []part{
			{typ: nlmsg.NFTALimitRate}, {typ: nlmsg.NFTALimitUnit}, {typ: nlmsg.NFTALimitBurst, form: always, or: 5},
			{typ: nlmsg.NFTALimitType, form: always}, {typ: nlmsg.NFTALimitFlags, form: always},
		}, true
	case "masq":
		return []part{{typ: nlmsg.NFTAMasqFlags, form: unless0}, {typ: nlmsg.NFTAMasqRegProtoMin}, {typ: nlmsg.NFTAMasqRegProtoMax}}, true
	case "flow_offload":
		return []part{{typ: nlmsg.NFTAFlowTableName}}, true
	}
	return nil, false
}

// body is what a dump gives as an expression's NFTA_LIST_ELEM.
func (m model) body(name string, data attr) []byte {
	in := data.inside()
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.String(nlmsg.NFTAExprName, name)
	nest := b.PlainNest(nlmsg.NFTAExprData)
	parts, known := m.partsOf(name)
	switch {
	case name == "counter":
		writeCounter(b, in)
	case name == "log":
		writeLog(b, in)
	case name == "nat":
		writeNAT(b, in)
	case known:
		writeParts(b, in, parts)
	default:
		b.Raw(data.Data)
	}
	b.EndNest(nest)
	return b.Bytes()
}

func writeParts(b *nlmsg.Builder, in attrs, parts []part) {
	for _, p := range parts {
		a := in.get(p.typ)
		switch {
		case p.form == always && !a.there:
			b.Uint32BE(p.typ, p.or)
		case p.form == unless0 && a.u32() == 0, !a.there:
		case p.form == asData:
			writeData(b, a)
		default:
			b.Data(p.typ, a.Data)
		}
	}
}

// writeData writes a value, or a verdict with the chain that it leads to.
func writeData(b *nlmsg.Builder, a attr) {
	nest := b.PlainNest(a.Type)
	if v := a.inside().get(nlmsg.NFTADataValue); v.there {
		b.Data(nlmsg.NFTADataValue, v.Data)
	}
	if v := a.inside().get(nlmsg.NFTADataVerdict); v.there {
		verdict := b.PlainNest(nlmsg.NFTADataVerdict)
		writeParts(b, v.inside(), []part{{typ: nlmsg.NFTAVerdictCode}, {typ: nlmsg.NFTAVerdictChain}})
		b.EndNest(verdict)
	}
	b.EndNest(nest)
}

// writeCounter: what was counted before may be sent along.
func writeCounter(b *nlmsg.Builder, in attrs) {
	b.Uint64BE(nlmsg.NFTACounterBytes, in.get(nlmsg.NFTACounterBytes).u64())
	b.Uint64BE(nlmsg.NFTACounterPackets, in.get(nlmsg.NFTACounterPackets).u64())
}

// writeLog: to a group of listeners, or with a level to the kernel's log.
func writeLog(b *nlmsg.Builder, in attrs) {
	const warning = 4
	parts := []part{{typ: nlmsg.NFTALogPrefix}, {typ: nlmsg.NFTALogLevel, form: always, or: warning}, {typ: nlmsg.NFTALogFlags, form: unless0}}
	if in.get(nlmsg.NFTALogGroup).there {
		parts = []part{{typ: nlmsg.NFTALogPrefix}, {typ: nlmsg.NFTALogGroup}, {typ: nlmsg.NFTALogSnaplen, form: unless0}, {typ: nlmsg.NFTALogQthreshold}}
	}
	writeParts(b, in, parts)
}

// writeNAT: one register stands for the range from it to itself, and the flags say what is given.
func writeNAT(b *nlmsg.Builder, in attrs) {
	flags := in.get(nlmsg.NFTANATFlags).u32()
	writeParts(b, in, []part{{typ: nlmsg.NFTANATType}, {typ: nlmsg.NFTANATFamily}})
	for _, reg := range []struct {
		low, high uint16
		flag      uint32
	}{
		{nlmsg.NFTANATRegAddrMin, nlmsg.NFTANATRegAddrMax, nlmsg.NATRangeMapIPs},
		{nlmsg.NFTANATRegProtoMin, nlmsg.NFTANATRegProtoMax, nlmsg.NATRangeProtoSpecified},
	} {
		low, high := in.get(reg.low), in.get(reg.high)
		if !low.there {
			continue
		}
		if !high.there {
			high = low
		}
		flags |= reg.flag
		b.Data(reg.low, low.Data)
		b.Data(reg.high, high.Data)
	}
	if flags != 0 {
		b.Uint32BE(nlmsg.NFTANATFlags, flags)
	}
}
