package ruleset

import "github.com/go-fastpath/fastpath/internal/nlmsg"

// Attributes that only foreign rules have (include/uapi/linux/netfilter/nf_tables.h, nf_tables_compat.h).
const (
	dynsetSregKey  = 4
	dynsetSregData = 5

	compatName = 1
	compatInfo = 3

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
		m.compat(name, a[compatName], a[compatInfo])
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

// compat reads the two extensions of iptables-nft that have to do with the ct mark: struct xt_connmark_mtinfo1 {mark, mask} and
// struct xt_connmark_tginfo1 {ctmark, ctmask, nfmask; mode} (include/uapi/linux/netfilter/xt_connmark.h). Others use no registers.
func (m *markReader) compat(kind string, name, info []byte) {
	word := func(i int) uint32 { return m.order.Uint32(info[4*i:]) }
	switch extension := (nlmsg.Attr{Data: name}).String(); {
	case kind == "match" && extension == "connmark" && len(info) >= 8:
		m.used |= word(1)
	case kind == "target" && extension == "CONNMARK" && len(info) >= 13:
		m.used |= word(1)
		switch info[12] {
		case 0: // set
			m.used |= word(0)
			m.added |= word(0)
		case 1: // save the packet's mark
			m.used |= word(2)
			m.added |= word(2)
		}
	}
}
