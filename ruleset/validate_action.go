package ruleset

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

func (v *validator) checkMutation(p place, m *Mutation) {
	if m.Field != fieldCTMark && m.Field != fieldMetaMark {
		v.addStatement(p, "set.field", fmt.Errorf(`%q cannot be set; write "ct mark" or "meta mark"`, string(m.Field)))
	}
	mask, err := uint32(math.MaxUint32), error(nil)
	if m.Mask != "" {
		mask, err = parseMask(m.Mask)
	}
	v.addStatement(p, "set.mask", err)
	value, err := nftvalue.ParseNumber(m.Value)
	switch {
	case err != nil || value > math.MaxUint32:
		v.addStatement(p, "set.value", nftvalue.Mark.Unfit(m.Value))
	case uint32(value)&^mask != 0:
		v.addStatement(p, "set.value", fmt.Errorf("%q has bits outside the mask %s; widen the mask, or clear the bits", m.Value, nftvalue.Hex(mask)))
	}
}

func (v *validator) checkNAT(p place, s *scope, name string, n *NAT, known *packet) {
	v.checkNATChain(p, s, name)
	if n.Addr == "" && n.Port == 0 {
		v.addStatement(p, name, fmt.Errorf("the %s changes nothing; set addr, port or both", name))
	}
	if n.Port != 0 && !known.hasPorts() {
		v.addStatement(p, name+".port", errors.New(`a port needs a match on protocols with ports before it; put "tcp dport", "udp dport", or "meta l4proto" with "tcp", "udp" or both ahead`))
	}
	if n.Addr == "" {
		return
	}
	addr, err := netip.ParseAddr(n.Addr)
	if err != nil || addr.Zone() != "" {
		v.addStatement(p, name+".addr", fmt.Errorf(`%q is not an address; write one such as "192.0.2.1" or "2001:db8::1", and the port in its own field`, n.Addr))
		return
	}
	family := IP6
	if addr.Is4() {
		family = IP
	}
	v.addStatement(p, name+".addr", known.takes(family))
}

// natHooks are the hooks whose nat chains take a statement (nft_nat_validate in net/netfilter/nft_nat.c, nft_masq_validate in
// nft_masq.c); elsewhere the kernel answers EOPNOTSUPP.
func natHooks(name string) []Hook {
	switch name {
	case "dnat":
		return []Hook{Prerouting, Output}
	case "snat":
		return []Hook{Postrouting, Input}
	}
	return []Hook{Postrouting}
}

func (v *validator) checkNATChain(p place, s *scope, name string) {
	hooks := natHooks(name)
	base := s.misplaced(p.chain, func(c *Chain) bool { return c.Type == NATChain && slices.Contains(hooks, c.Hook) })
	if base == nil {
		return
	}
	kind := base.Type
	if kind == "" {
		kind = FilterChain
	}
	words := make([]string, len(hooks))
	for i, h := range hooks {
		words[i] = strconv.Quote(string(h))
	}
	v.addStatement(p, name, fmt.Errorf(`%s works only in nat chains at hook %s, and packets come here from %s chain %q at hook %q; move the rule`,
		name, strings.Join(words, " or "), kind, base.Name, string(base.Hook)))
}

func (v *validator) checkRaw(p place, r *Raw) {
	if strings.TrimSpace(r.Text) == "" {
		v.addStatement(p, "raw.text", errors.New("the text is empty; write the statement as nft spells it, for listings and files"))
	}
	if strings.ContainsAny(r.Text, "\n\r\x00") {
		v.addStatement(p, "raw.text", errors.New("the text has several lines; write the statement on one"))
	}
	if len(r.Expr) == 0 {
		v.addStatement(p, "raw.expr", errors.New("there is no expression; make the statement with rawexpr.Statement"))
	}
	for i, e := range r.Expr {
		if len(e) == 0 {
			v.add(p.statementPath("raw.expr["+strconv.Itoa(i)+"]"), errors.New("the expression is empty; make the statement with rawexpr.Statement"))
		}
	}
}
