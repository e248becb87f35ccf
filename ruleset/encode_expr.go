package ruleset

import "github.com/go-fastpath/fastpath/internal/nlmsg"

// The expressions of nf_tables, with their attributes in the order in which libnftnl writes them. Everything is loaded into
// register 1.

// expr opens one expression of a rule; the marks go to endExpr.
func (e *encoder) expr(name string) (elem, data int) {
	e.exprs++
	elem = e.b.Nest(nlmsg.NFTAListElem)
	e.b.String(nlmsg.NFTAExprName, name)
	return elem, e.b.Nest(nlmsg.NFTAExprData)
}

func (e *encoder) endExpr(elem, data int) {
	e.b.EndNest(data)
	e.b.EndNest(elem)
}

// value writes register data.
func (e *encoder) value(attr uint16, v []byte) {
	nest := e.b.Nest(attr)
	e.b.Data(nlmsg.NFTADataValue, v)
	e.b.EndNest(nest)
}

func (e *encoder) loadMeta(key uint32) {
	elem, data := e.expr("meta")
	e.b.Uint32BE(nlmsg.NFTAMetaKey, key)
	e.b.Uint32BE(nlmsg.NFTAMetaDreg, nlmsg.Reg1)
	e.endExpr(elem, data)
}

func (e *encoder) setMeta(key uint32) {
	elem, data := e.expr("meta")
	e.b.Uint32BE(nlmsg.NFTAMetaKey, key)
	e.b.Uint32BE(nlmsg.NFTAMetaSreg, nlmsg.Reg1)
	e.endExpr(elem, data)
}

// loadCT loads a property of the connection; direction is -1 for both together.
func (e *encoder) loadCT(key uint32, direction int) {
	elem, data := e.expr("ct")
	e.b.Uint32BE(nlmsg.NFTACTKey, key)
	e.b.Uint32BE(nlmsg.NFTACTDreg, nlmsg.Reg1)
	if direction >= 0 {
		e.b.Uint8(nlmsg.NFTACTDirection, uint8(direction))
	}
	e.endExpr(elem, data)
}

func (e *encoder) setCT(key uint32) {
	elem, data := e.expr("ct")
	e.b.Uint32BE(nlmsg.NFTACTKey, key)
	e.b.Uint32BE(nlmsg.NFTACTSreg, nlmsg.Reg1)
	e.endExpr(elem, data)
}

// loadRT loads a property of the packet's route.
func (e *encoder) loadRT(key uint32) {
	elem, data := e.expr("rt")
	e.b.Uint32BE(nlmsg.NFTARTKey, key)
	e.b.Uint32BE(nlmsg.NFTARTDreg, nlmsg.Reg1)
	e.endExpr(elem, data)
}

func (e *encoder) loadPayload(base, offset, length uint32) {
	elem, data := e.expr("payload")
	e.b.Uint32BE(nlmsg.NFTAPayloadDreg, nlmsg.Reg1)
	e.b.Uint32BE(nlmsg.NFTAPayloadBase, base)
	e.b.Uint32BE(nlmsg.NFTAPayloadOffset, offset)
	e.b.Uint32BE(nlmsg.NFTAPayloadLen, length)
	e.endExpr(elem, data)
}

// bitwise is register = register & mask ^ xor.
func (e *encoder) bitwise(mask, xor []byte) {
	elem, data := e.expr("bitwise")
	e.b.Uint32BE(nlmsg.NFTABitwiseSreg, nlmsg.Reg1)
	e.b.Uint32BE(nlmsg.NFTABitwiseDreg, nlmsg.Reg1)
	e.b.Uint32BE(nlmsg.NFTABitwiseLen, uint32(len(mask)))
	e.value(nlmsg.NFTABitwiseMask, mask)
	e.value(nlmsg.NFTABitwiseXor, xor)
	e.endExpr(elem, data)
}

// hton turns a register of so many bytes, one number, from host to network byte order.
func (e *encoder) hton(size uint32) {
	elem, data := e.expr("byteorder")
	e.b.Uint32BE(nlmsg.NFTAByteorderSreg, nlmsg.Reg1)
	e.b.Uint32BE(nlmsg.NFTAByteorderDreg, nlmsg.Reg1)
	e.b.Uint32BE(nlmsg.NFTAByteorderOp, nlmsg.ByteorderHton)
	e.b.Uint32BE(nlmsg.NFTAByteorderLen, size)
	e.b.Uint32BE(nlmsg.NFTAByteorderSize, size)
	e.endExpr(elem, data)
}

func (e *encoder) cmp(op uint32, v []byte) {
	elem, data := e.expr("cmp")
	e.b.Uint32BE(nlmsg.NFTACmpSreg, nlmsg.Reg1)
	e.b.Uint32BE(nlmsg.NFTACmpOp, op)
	e.value(nlmsg.NFTACmpData, v)
	e.endExpr(elem, data)
}

func (e *encoder) notInRange(low, high []byte) {
	elem, data := e.expr("range")
	e.b.Uint32BE(nlmsg.NFTARangeSreg, nlmsg.Reg1)
	e.b.Uint32BE(nlmsg.NFTARangeOp, nlmsg.RangeNeq)
	e.value(nlmsg.NFTARangeFrom, low)
	e.value(nlmsg.NFTARangeTo, high)
	e.endExpr(elem, data)
}

// lookup looks the register up in a set; id is that of a set of the same batch, 0 for one that exists.
func (e *encoder) lookup(set string, id uint32, inverted bool) {
	elem, data := e.expr("lookup")
	e.b.Uint32BE(nlmsg.NFTALookupSreg, nlmsg.Reg1)
	e.b.String(nlmsg.NFTALookupSet, set)
	if id != 0 {
		e.b.Uint32BE(nlmsg.NFTALookupSetID, id)
	}
	if inverted {
		e.b.Uint32BE(nlmsg.NFTALookupFlags, nlmsg.LookupInverted)
	}
	e.endExpr(elem, data)
}

// immediate puts a constant into a register.
func (e *encoder) immediate(register uint32, v []byte) {
	elem, data := e.expr("immediate")
	e.b.Uint32BE(nlmsg.NFTAImmediateDreg, register)
	e.value(nlmsg.NFTAImmediateData, v)
	e.endExpr(elem, data)
}

// verdict ends the rule with a verdict; chain is where jump and goto lead.
func (e *encoder) verdict(code uint32, chain string) {
	elem, data := e.expr("immediate")
	e.b.Uint32BE(nlmsg.NFTAImmediateDreg, nlmsg.RegVerdict)
	value := e.b.Nest(nlmsg.NFTAImmediateData)
	verdict := e.b.Nest(nlmsg.NFTADataVerdict)
	e.b.Uint32BE(nlmsg.NFTAVerdictCode, code)
	if chain != "" {
		e.b.String(nlmsg.NFTAVerdictChain, chain)
	}
	e.b.EndNest(verdict)
	e.b.EndNest(value)
	e.endExpr(elem, data)
}
