package ruleset

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// ruleText is a rule as nft spells it, with its comment.
func ruleText(family Family, r *Rule) string {
	words := make([]string, 0, len(r.Do)+1)
	for i := range r.Do {
		words = append(words, statementText(family, &r.Do[i]))
	}
	if r.Comment != "" {
		words = append(words, "comment "+nftvalue.Quote(r.Comment))
	}
	return strings.Join(words, " ")
}

// statementText is a statement as nft spells it in a table of the family. What Validate refuses comes out as something nft
// refuses too.
func statementText(family Family, s *Statement) string {
	switch {
	case s.Match != nil:
		return matchText(s.Match)
	case s.FlowAdd != "":
		return "flow add @" + s.FlowAdd
	case s.Verdict != "":
		return string(s.Verdict)
	case s.Jump != "":
		return "jump " + s.Jump
	case s.Goto != "":
		return "goto " + s.Goto
	case s.Set != nil:
		return mutationText(s.Set)
	case s.DNAT != nil:
		return "dnat " + natText(family, s.DNAT)
	case s.SNAT != nil:
		return "snat " + natText(family, s.SNAT)
	case s.Masquerade != nil:
		return masqueradeText(s.Masquerade)
	case s.Counter != nil:
		return "counter"
	case s.Limit != nil:
		return limitText(s.Limit)
	case s.Log != nil:
		return logText(s.Log)
	case s.Raw != nil:
		return s.Raw.Text
	}
	return ""
}

// matchText is a match as nft spells it: "ip saddr != @slow", "ct state established,related", "ct mark & 0xff == 0x10".
func matchText(m *Match) string {
	field := string(m.Field)
	info, _ := infoOf(m.Field)
	switch {
	case m.AtLeast != 0:
		return field + " >= " + strconv.FormatUint(m.AtLeast, 10)
	case m.Below != 0:
		return field + " < " + strconv.FormatUint(m.Below, 10)
	case info.bits && len(m.Not) > 0:
		return field + " ! " + strings.Join(m.Not, ",")
	case info.bits:
		return field + " " + strings.Join(m.Is, ",")
	case m.Mask != "" && len(m.Not) > 0:
		return field + " & " + m.Mask + " != " + valuesText(info.kind, m.Not)
	case m.Mask != "":
		return field + " & " + m.Mask + " == " + valuesText(info.kind, m.Is)
	case len(m.Not) > 0:
		return field + " != " + valuesText(info.kind, m.Not)
	}
	return field + " " + valuesText(info.kind, m.Is)
}

// valuesText is a set reference, one value, or an anonymous set.
func valuesText(kind nftvalue.Kind, values []string) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = nftvalue.TextOf(kind, v)
	}
	if len(words) == 1 {
		return words[0]
	}
	return "{ " + strings.Join(words, ", ") + " }"
}

// mutationText is "ct mark set ct mark & 0xffffff00 | 0x10", or without the parts that do nothing.
func mutationText(m *Mutation) string {
	field, value, mask := string(m.Field), m.number(), m.mask()
	switch {
	case mask == 1<<32-1:
		return field + " set " + nftvalue.Hex(value)
	case value == mask:
		return field + " set " + field + " | " + nftvalue.Hex(value)
	case value == 0:
		return field + " set " + field + " & " + nftvalue.Hex(^mask)
	}
	return field + " set " + field + " & " + nftvalue.Hex(^mask) + " | " + nftvalue.Hex(value)
}

// number is the value as a number; 0 for what Validate refuses.
func (m *Mutation) number() uint32 {
	v, _ := nftvalue.ParseNumber(m.Value)
	return uint32(v)
}

// mask is the mask as a number; zero is every bit.
func (m *Mutation) mask() uint32 {
	if v, _ := nftvalue.ParseNumber(m.Mask); v != 0 {
		return uint32(v)
	}
	return 1<<32 - 1
}

// natText is "ip to 192.0.2.1:80" in inet tables, "to 192.0.2.1:80" in others, "to :80" without an address.
func natText(family Family, n *NAT) string {
	if n.Addr == "" {
		return fmt.Sprintf("to :%d", n.Port)
	}
	addr, err := netip.ParseAddr(n.Addr)
	to := n.Addr
	if err == nil {
		to = addr.String()
	}
	if n.Port != 0 && addr.Is6() {
		to = "[" + to + "]"
	}
	if n.Port != 0 {
		to += ":" + strconv.Itoa(int(n.Port))
	}
	if familyText(family) != string(Inet) {
		return "to " + to
	}
	if addr.Is6() {
		return "ip6 to " + to
	}
	return "ip to " + to
}

func masqueradeText(m *Masquerading) string {
	if m.FullyRandom {
		return "masquerade fully-random"
	}
	return "masquerade"
}
