package ruleset

import (
	"math"
	"net/netip"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// statementsJSON are the statements of a rule as nft's JSON has them, in a table of the family.
func statementsJSON(family Family, r *Rule) []jsonObject {
	all := make([]jsonObject, len(r.Do))
	for i := range r.Do {
		all[i] = statementJSON(family, &r.Do[i])
	}
	return all
}

// statementJSON is one statement. checkJSON has refused what it does not know.
func statementJSON(family Family, s *Statement) jsonObject {
	switch {
	case s.Match != nil:
		return matchJSON(s.Match)
	case s.FlowAdd != "":
		return jsonObject{"flow": jsonObject{"op": "add", "flowtable": "@" + s.FlowAdd}}
	case s.Verdict != "":
		return jsonObject{string(s.Verdict): nil}
	case s.Jump != "":
		return jsonObject{"jump": jsonObject{"target": s.Jump}}
	case s.Goto != "":
		return jsonObject{"goto": jsonObject{"target": s.Goto}}
	case s.Set != nil:
		return mutationJSON(s.Set)
	case s.DNAT != nil:
		return jsonObject{"dnat": natJSON(family, s.DNAT)}
	case s.SNAT != nil:
		return jsonObject{"snat": natJSON(family, s.SNAT)}
	case s.Masquerade != nil && s.Masquerade.FullyRandom:
		return jsonObject{"masquerade": jsonObject{"flags": "fully-random"}}
	case s.Masquerade != nil:
		return jsonObject{"masquerade": nil}
	case s.Counter != nil:
		return jsonObject{"counter": nil}
	case s.Limit != nil:
		return jsonObject{"limit": limitJSON(s.Limit)}
	case s.Log != nil:
		return jsonObject{"log": logJSON(s.Log)}
	}
	return nil
}

// matchJSON is a match: {"match": {"op": "==", "left": FIELD, "right": VALUES}}.
func matchJSON(m *Match) jsonObject {
	info, _ := infoOf(m.Field)
	left := fieldJSON(m.Field)
	if m.Mask != "" {
		left = jsonObject{"&": []any{left, valueJSON(nftvalue.Mark, m.Mask)}}
	}
	op, right := "==", any(nil)
	switch {
	case m.AtLeast != 0:
		op, right = ">=", numberJSON(m.AtLeast)
	case m.Below != 0:
		op, right = "<", numberJSON(m.Below)
	case info.bits && len(m.Not) > 0:
		op, right = "!", m.Not
	case info.bits:
		op, right = "in", m.Is
	case len(m.Not) > 0:
		op, right = "!=", valuesJSON(info.kind, m.Not)
	default:
		right = valuesJSON(info.kind, m.Is)
	}
	return jsonObject{"match": jsonObject{"op": op, "left": left, "right": right}}
}

// fieldJSON takes the spelling of a field apart: "ct original packets", "meta mark", "iifname", "tcp dport".
func fieldJSON(f Field) jsonObject {
	words := strings.Fields(string(f))
	key := words[len(words)-1]
	info, _ := infoOf(f)
	switch {
	case info.source == fromPayload:
		return jsonObject{"payload": jsonObject{"protocol": words[0], "field": key}}
	case len(words) == 1:
		return jsonObject{"meta": jsonObject{"key": key}}
	case len(words) == 3:
		return jsonObject{words[0]: jsonObject{"key": key, "dir": words[1]}}
	}
	return jsonObject{words[0]: jsonObject{"key": key}}
}

// mutationJSON sets a mark, without the parts that do nothing.
func mutationJSON(m *Mutation) jsonObject {
	field, number, mask := fieldJSON(m.Field), m.number(), m.mask()
	value := any(number)
	if mask != 1<<32-1 {
		rest := any(field)
		if number != mask {
			rest = jsonObject{"&": []any{field, ^mask}}
		}
		value = rest
		if number != 0 {
			value = jsonObject{"|": []any{rest, number}}
		}
	}
	return jsonObject{"mangle": jsonObject{"key": field, "value": value}}
}

// natJSON names the family of the address in inet tables, as the text does.
func natJSON(family Family, n *NAT) jsonObject {
	to := jsonObject{}
	if n.Port != 0 {
		to["port"] = n.Port
	}
	if n.Addr == "" {
		return to
	}
	addr, err := netip.ParseAddr(n.Addr)
	if err != nil {
		return to // Validate refuses it
	}
	to["addr"] = addr.String()
	if familyText(family) == string(Inet) && addr.Is6() {
		to["family"] = string(IP6)
	} else if familyText(family) == string(Inet) {
		to["family"] = string(IP)
	}
	return to
}

// numberJSON is a number that JSON, whose integers nft reads with a sign, can carry; greater ones are strings.
func numberJSON(v uint64) any {
	if v > math.MaxInt64 {
		return decimal(v)
	}
	return v
}
