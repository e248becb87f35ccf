package ruleset

import (
	"encoding/binary"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// nat translates source or destination. The address goes to register 1 and the port to register 2; the port alone to 1.
func (e *encoder) nat(op *Operation, typ uint32, n *NAT) {
	family := uint32(op.Family.number())
	register, addrReg, portReg := uint32(nlmsg.Reg1), uint32(0), uint32(0)
	if n.Addr != "" {
		kind := nftvalue.IPv4
		family = nlmsg.FamilyIPv4
		if strings.Contains(n.Addr, ":") {
			kind, family = nftvalue.IPv6, nlmsg.FamilyIPv6
		}
		s, err := nftvalue.Parse(kind, n.Addr)
		if err != nil {
			e.fail(err)
			return
		}
		e.immediate(register, s.Low)
		addrReg, register = register, nlmsg.Reg2
	}
	if n.Port != 0 {
		e.immediate(register, binary.BigEndian.AppendUint16(e.scratch[:0], n.Port))
		portReg = register
	}
	elem, data := e.expr("nat")
	e.b.Uint32BE(nlmsg.NFTANATType, typ)
	e.b.Uint32BE(nlmsg.NFTANATFamily, family)
	if addrReg != 0 {
		e.b.Uint32BE(nlmsg.NFTANATRegAddrMin, addrReg)
	}
	if portReg != 0 {
		e.b.Uint32BE(nlmsg.NFTANATRegProtoMin, portReg)
		e.b.Uint32BE(nlmsg.NFTANATFlags, nlmsg.NATRangeProtoSpecified)
	}
	e.endExpr(elem, data)
}

func (e *encoder) masquerade(m *Masquerading) {
	elem, data := e.expr("masq")
	if m.FullyRandom {
		e.b.Uint32BE(nlmsg.NFTAMasqFlags, nlmsg.NATRangeFullyRandom)
	}
	e.endExpr(elem, data)
}
