package ruleset

import (
	"fmt"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// announcedBits finds the rules of other tables that test, set or copy the bit of the ct mark that a policy announces with. It knows
// nft's own expressions and iptables-nft's connmark and CONNMARK. It sees neither the old iptables nor programs that set marks from
// outside, such as through ctnetlink.
func (c *conflicts) announcedBits() {
	announced := c.want.declared.Announced()
	if len(announced) == 0 {
		return
	}
	bits := sortedBits(announced)
	for i := range c.have.rules {
		rule := &c.have.rules[i]
		if c.ours[tableKey{rule.Family, rule.Table}] {
			continue
		}
		m := readMarks(nlmsg.Native(), rule.Expressions)
		for _, bit := range bits {
			if m.used&bit != 0 {
				c.announcedBit(rule, m, bit, announced[bit])
			}
		}
	}
}

// announcedBit tells of a rule that uses a bit. One that packets of established connections do not meet, or not of those that we offload, only matters where it
// sets the bit before flow add does; what it copies from elsewhere is most likely without it.
func (c *conflicts) announcedBit(rule *LoadedRule, m *markReader, bit uint32, flowtable string) {
	where := fmt.Sprintf("%s %s %s handle %d", rule.Family, wordOf(rule.Table), wordOf(rule.Chain), rule.Handle)
	f := Finding{Code: "announced-bit", Path: "rule " + where, Fix: "announce with another bit, or leave the bit out of that rule's mask"}
	does := "uses"
	if !c.meetsOurs(rule) {
		if m.added&bit == 0 {
			return
		}
		does, f.Information = "may set, before a connection is offloaded,", m.sure&bit == 0
	}
	f.Text = fmt.Sprintf("rule %s %s bit %s of the ct mark, which announces that flowtable %s took a connection", where, does, nftvalue.Hex(bit), flowtable)
	c.findings = append(c.findings, f)
}

// meetsOurs reports whether packets of established connections come to a rule, of those that a flowtable of ours can take.
func (c *conflicts) meetsOurs(rule *LoadedRule) bool {
	for i := range c.want.spec.Tables {
		t := &c.want.spec.Tables[i]
		for j := range t.Flowtables {
			for _, family := range c.familiesOf(t, t.Flowtables[j].Name) {
				if traitsOf(nlmsg.Native(), rule.Expressions, &passage{carried: &c.want.carried, family: family, leaves: true}).meets && meet(family, rule.Family) {
					return true
				}
			}
		}
	}
	return false
}

// ctMarkBits are the bits of the ct mark that a rule's expressions look at, copy or change. What is malformed uses none.
func ctMarkBits(o nlmsg.Order, expressions []byte) uint32 { return readMarks(o, expressions).used }

func readMarks(o nlmsg.Order, expressions []byte) *markReader {
	m := &markReader{order: o}
	_ = nlmsg.EachAttr(o, expressions, func(a nlmsg.Attr) error {
		name, data, err := nlmsg.Expression(o, a.Data)
		if err == nil {
			m.expression(name, attrsOf(o, data))
		}
		return err
	})
	return m
}

// A markReader runs a rule's expressions and follows the ct mark through the registers.
type markReader struct {
	order nlmsg.Order
	used  uint32
	added uint32           // bits that were 0 in the ct mark and may be 1 now
	sure  uint32           // bits that are 1 in it now
	regs  [16]markRegister // of 32 bits each
}

// A markRegister is what a register of 32 bits has of the ct mark: bits at their place, those of them that are unaltered; and what is known to
// be 0 or 1 in it, wherever it comes from.
type markRegister struct{ bits, kept, zero, one uint32 }

// exprAttrs are the attributes of an expression, by type; more than any has that is known here.
type exprAttrs [16][]byte

// attrsOf are the attributes of an expression, as far as they can be read.
func attrsOf(o nlmsg.Order, data []byte) exprAttrs {
	var list exprAttrs
	_ = nlmsg.EachAttr(o, data, func(a nlmsg.Attr) error {
		if int(a.Type) < len(list) {
			list[a.Type] = a.Data
		}
		return nil
	})
	return list
}

// number is an attribute of 32 bits in network byte order; false if it is not there.
func (list *exprAttrs) number(typ int) (uint32, bool) {
	if len(list[typ]) != 4 {
		return 0, false
	}
	return bigEndian(list[typ]), true
}

// register is the first 32-bit register that an attribute names; -1 if none. Registers 1 to 4 are four of them each
// (enum nft_registers, include/uapi/linux/netfilter/nf_tables.h).
func (list *exprAttrs) register(typ int) int {
	n, ok := list.number(typ)
	switch {
	case ok && n >= nlmsg.Reg1 && n <= 4:
		return 4 * int(n-nlmsg.Reg1)
	case ok && n >= 8 && n < 8+16:
		return int(n - 8)
	}
	return -1
}

// value is a number in the machine's order within a nest of register data; 0 if there is none.
func (m *markReader) value(nest []byte) uint32 {
	v, _ := m.number(nest)
	return v
}

// number is value; false if there is none of 32 bits.
func (m *markReader) number(nest []byte) (v uint32, ok bool) {
	_ = nlmsg.EachAttr(m.order, nest, func(a nlmsg.Attr) error {
		if a.Type == nlmsg.NFTADataValue && len(a.Data) == 4 {
			v, ok = m.order.Uint32(a.Data), true
		}
		return nil
	})
	return v, ok
}

// look notes that a register is read, and those behind it: keys can be longer than one.
func (m *markReader) look(register int) {
	for i := max(register, 0); register >= 0 && i < len(m.regs); i++ {
		m.used |= m.regs[i].bits
	}
}

// overwrite notes that something else is loaded, of up to 16 bytes.
func (m *markReader) overwrite(register int) {
	for i := register; register >= 0 && i < min(register+4, len(m.regs)); i++ {
		m.regs[i] = markRegister{}
	}
}
