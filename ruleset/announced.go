package ruleset

import (
	"math/bits"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Announced names the flowtable that each bit of the ct mark announces by the rules that the kernel held, anyone's: those that set one bit
// behind `flow add` in the same rule, as Policy.Announce compiles to and as nft has it of `flow add @f ct mark set ct mark | 0x100`. Statements
// may stand in between. conntrack.Config.Announced takes it.
//
// A bit is left out where it would say less than that: flowtables of two names are announced with it, or another rule may set it too,
// nft's or iptables-nft's. Rules that test or clear a bit do no harm. Not seen are the old iptables and programs that set marks through ctnetlink.
func (l *Loaded) Announced() map[uint32]string {
	if l == nil {
		return nil
	}
	a := announcements{names: map[uint32]string{}}
	for i := range l.rules {
		a.rule(nlmsg.Native(), l.rules[i].Expressions)
	}
	for bit := range a.names {
		if a.doubtful&bit != 0 {
			delete(a.names, bit)
		}
	}
	return a.names
}

// announcements are the bits that rules announce with, and those that say nothing.
type announcements struct {
	names    map[uint32]string
	doubtful uint32
}

// rule reads one rule. What is behind `flow add` is done for a connection that was offloaded by it, and no other
// (net/netfilter/nft_flow_offload.c). Expressions behind one that cannot be read are not looked at.
func (a *announcements) rule(o nlmsg.Order, expressions []byte) {
	m := markReader{order: o}
	flowtable := ""
	_ = nlmsg.EachAttr(o, expressions, func(attr nlmsg.Attr) error {
		name, data, err := nlmsg.Expression(o, attr.Data)
		if err != nil {
			return err
		}
		attrs := attrsOf(o, data)
		if name == "flow_offload" {
			flowtable = nlmsg.Attr{Data: attrs[nlmsg.NFTAFlowTableName]}.String()
		}
		m.added, m.sure = 0, 0
		m.expression(name, attrs)
		if m.added != 0 {
			a.set(flowtable, m.added, m.sure)
		}
		return nil
	})
}

// set notes that a rule may set bits of the ct mark, and surely sets some of them, for connections that it added to a flowtable; "" is none.
func (a *announcements) set(flowtable string, may, surely uint32) {
	if flowtable == "" || may != surely || bits.OnesCount32(may) != 1 {
		a.doubtful |= may
		return
	}
	if before, ok := a.names[may]; ok && before != flowtable {
		a.doubtful |= may
	}
	a.names[may] = flowtable
}
