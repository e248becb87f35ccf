package ruleset

import "github.com/go-fastpath/fastpath/internal/nlmsg"

// Attributes that only foreign rules have (include/uapi/linux/netfilter/nf_tables.h, nf_tables_compat.h).
const (
	dynsetSregKey  = 4
	dynsetSregData = 5

	compatName     = 1
	compatRevision = 2
	compatInfo     = 3

	bitwiseMaskXor = 0 // NFT_BITWISE_MASK_XOR, or BOOL on older kernels; the others shift, or take two registers
)

// expression runs one expression.
func (m *markReader) expression(name string, a exprAttrs) {
	switch name {
	case "ct":
		m.conntrack(&a)
	case "bitwise":
		m.bitwise(&a)
	case "meta":
		m.look(a.register(nlmsg.NFTAMetaSreg))
		m.overwrite(a.register(nlmsg.NFTAMetaDreg))
	case "lookup":
		m.look(a.register(nlmsg.NFTALookupSreg))
		m.overwrite(a.register(nlmsg.NFTALookupDreg))
	case "cmp", "range": // both have the register first
		m.look(a.register(nlmsg.NFTACmpSreg))
	case "dynset":
		m.look(a.register(dynsetSregKey))
		m.look(a.register(dynsetSregData))
	case "payload":
		m.look(a.register(nlmsg.NFTAPayloadSreg))
		m.overwrite(a.register(nlmsg.NFTAPayloadDreg))
	case "immediate":
		m.constant(&a)
	case "rt", "exthdr", "fib", "numgen", "osf", "xfrm": // all have the destination first
		m.overwrite(a.register(nlmsg.NFTAImmediateDreg))
	case "socket", "tunnel": // the destination is second
		m.overwrite(a.register(2))
	case "match", "target":
		m.compat(name, &a)
	case "counter", "limit", "log", "notrack", "quota", "connlimit", "last", "flow_offload", "reject", "synproxy":
	default: // may read any register
		m.look(0)
	}
}

// conntrack loads or stores a property of the connection.
func (m *markReader) conntrack(a *exprAttrs) {
	key, _ := a.number(nlmsg.NFTACTKey)
	if dreg := a.register(nlmsg.NFTACTDreg); dreg >= 0 {
		m.overwrite(dreg)
		if key == ctMark {
			m.regs[dreg] = markRegister{bits: 1<<32 - 1, kept: 1<<32 - 1}
		}
	}
	sreg := a.register(nlmsg.NFTACTSreg)
	switch {
	case sreg >= 0 && key == ctMark: // every bit that is not what it was
		r := m.regs[sreg]
		m.used |= ^r.kept
		m.added |= ^(r.kept | r.zero)
		m.sure |= r.one
	case sreg >= 0:
		m.look(sreg)
	}
}

// bitwise takes a part of the mark, or changes it: register & mask ^ xor.
func (m *markReader) bitwise(a *exprAttrs) {
	sreg, dreg := a.register(nlmsg.NFTABitwiseSreg), a.register(nlmsg.NFTABitwiseDreg)
	if sreg < 0 || dreg < 0 {
		return
	}
	from := m.regs[sreg]
	m.overwrite(dreg)
	op, _ := a.number(nlmsg.NFTABitwiseOp)
	if size, _ := a.number(nlmsg.NFTABitwiseLen); op != bitwiseMaskXor || size != 4 {
		m.used |= from.bits // they come out at another place
		return
	}
	mask, xor := m.value(a[nlmsg.NFTABitwiseMask]), m.value(a[nlmsg.NFTABitwiseXor])
	zero, one := from.zero|^mask, from.one&mask
	m.regs[dreg] = markRegister{
		bits: from.bits & mask, kept: from.kept & mask &^ xor,
		zero: zero&^xor | one&xor, one: one&^xor | zero&xor,
	}
}

// constant loads a number, or something else.
func (m *markReader) constant(a *exprAttrs) {
	dreg := a.register(nlmsg.NFTAImmediateDreg)
	m.overwrite(dreg)
	if v, ok := m.number(a[nlmsg.NFTAImmediateData]); ok && dreg >= 0 {
		m.regs[dreg] = markRegister{zero: ^v, one: v}
	}
}

// compat reads the two extensions of iptables-nft that have to do with the ct mark: struct xt_connmark_mtinfo1 {mark, mask}, and struct
// xt_connmark_tginfo1 {ctmark, ctmask, nfmask; mode} or tginfo2, which iptables 1.8.8 and later write, {ctmark, ctmask, nfmask; direction, bits, mode} with
// how far to shift (include/uapi/linux/netfilter/xt_connmark.h). Others use no registers.
func (m *markReader) compat(kind string, a *exprAttrs) {
	const connmark1, connmark2 = 13, 15 // bytes
	info := a[compatInfo]
	word := func(i int) uint32 { return m.order.Uint32(info[4*i:]) }
	revision, _ := a.number(compatRevision)
	switch extension := (nlmsg.Attr{Data: a[compatName]}).String(); {
	case kind == "match" && extension == "connmark" && len(info) >= 8:
		m.used |= word(1)
	case kind == "target" && extension == "CONNMARK" && revision < 2 && len(info) >= connmark1:
		m.connmark(info[12], word(0), word(1), word(2))
	case kind == "target" && extension == "CONNMARK" && len(info) >= connmark2 && info[13] == 0:
		m.connmark(info[14], word(0), word(1), word(2))
	case kind == "target" && extension == "CONNMARK" && len(info) >= connmark2: // bits come out at another place
		m.used, m.added = 1<<32-1, 1<<32-1
	}
}

// connmark is the target CONNMARK.
func (m *markReader) connmark(mode byte, ctMark, ctMask, packetMask uint32) {
	const set, save = 0, 1
	m.used |= ctMask
	switch mode {
	case set:
		m.used |= ctMark
		m.added |= ctMark
		m.sure |= ctMark & ctMask
	case save: // the packet's mark
		m.used |= packetMask
		m.added |= packetMask
	}
}
