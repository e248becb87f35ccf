package ruleset

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// ErrNotInJSON is matched by the refusal to write as JSON what nft's JSON cannot say. The text form says it.
var ErrNotInJSON = errors.New("nft's JSON cannot say it")

// checkJSON gathers all that would be lost, in the order of the Spec.
func (r *Resolved) checkJSON(config *JSONConfig) error {
	var v validator
	for _, c := range r.spec.Tables[len(r.declared.Tables):] { // companions
		if !config.DropFlowtableFlags {
			v.add("tables", fmt.Errorf("%w: `flags offload` of the flowtables of table %s, which Hardware \"auto\" made; write the text form, leave hardware out, or allow it to be lost (DropFlowtableFlags)", ErrNotInJSON, c.Name))
		}
	}
	for i := range r.declared.Tables { // what a companion has besides was told of its table
		t := &r.spec.Tables[i]
		p := place{table: i}
		for k := range t.Flowtables {
			if !config.DropFlowtableFlags {
				v.checkFlowtableJSON(p.path("flowtables["+strconv.Itoa(k)+"]"), &t.Flowtables[k])
			}
		}
		for k := range t.Sets {
			v.checkSetJSON(p.path("sets["+strconv.Itoa(k)+"]"), &t.Sets[k])
		}
		for p.chain = range t.Chains {
			v.checkChainJSON(p, &t.Chains[p.chain], p.chain-len(r.declared.Tables[i].Chains))
		}
	}
	return errors.Join(v.mistakes...)
}

// checkFlowtableJSON looks at what the "flowtable" object has no member for (nftables 1.0.6 to 1.1.6, src/parser_json.c,
// json_parse_cmd_add_flowtable).
func (v *validator) checkFlowtableJSON(path string, f *flowtable.Spec) {
	const next = "write the text form, %s, or allow it to be lost (DropFlowtableFlags)"
	if f.Hardware == flowtable.HardwareOn {
		v.add(path+".hardware", fmt.Errorf("%w: `flags offload` of flowtable %q; "+next, ErrNotInJSON, f.Name, "leave hardware out"))
	}
	if !f.NoCounter {
		v.add(path+".noCounter", fmt.Errorf("%w: `counter` of flowtable %q; "+next, ErrNotInJSON, f.Name, "set noCounter"))
	}
}

func (v *validator) checkSetJSON(path string, s *Set) {
	for i, word := range s.Elements {
		if s.Type == IfName && !isJSONName(word) {
			v.add(path+".elements["+strconv.Itoa(i)+"]", notJSONName(word))
		}
	}
}

// checkChainJSON looks at every statement. A chain that a policy became has the policy's index, others a negative one.
func (v *validator) checkChainJSON(p place, c *Chain, policy int) {
	at := func(below string) string { return p.statementPath(below) }
	if policy >= 0 {
		at = func(string) string { return p.path("offload[" + strconv.Itoa(policy) + "]") }
	}
	for p.rule = range c.Rules {
		for p.statement = range c.Rules[p.rule].Do {
			v.checkStatementJSON(at, &c.Rules[p.rule].Do[p.statement])
		}
	}
}

func (v *validator) checkStatementJSON(at func(below string) string, s *Statement) {
	switch {
	case s.Raw != nil:
		v.add(at("raw"), fmt.Errorf("%w: the raw statement %q is nft text and bytes; write the text form, or the batch", ErrNotInJSON, s.Raw.Text))
	case s.Match != nil:
		if info, _ := infoOf(s.Match.Field); info.kind == nftvalue.IfName || info.kind == nftvalue.Helper {
			v.checkNamesJSON(at, "is", s.Match.Is)
			v.checkNamesJSON(at, "not", s.Match.Not)
		}
	}
}

func (v *validator) checkNamesJSON(at func(below string) string, field string, words []string) {
	for i, word := range words {
		if !nftvalue.IsReference(word) && !isJSONName(word) {
			v.add(at("match."+field+"["+strconv.Itoa(i)+"]"), notJSONName(word))
		}
	}
}

// isJSONName reports whether nft reads a string of its JSON as a name: not as a set, and not as one of the
// words that stand for a number there (src/parser_json.c, is_constant).
func isJSONName(word string) bool {
	switch word {
	case TCP, UDP, "udplite", "esp", "ah", "icmp", "icmpv6", "comp", "dccp", "sctp", "redirect":
		return false
	}
	return !nftvalue.IsReference(word)
}

func notJSONName(word string) error {
	return fmt.Errorf("%w: the name %q, which it takes for something else; write the text form, or rename what bears it", ErrNotInJSON, word)
}
