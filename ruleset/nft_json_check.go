package ruleset

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-fastpath/fastpath/flowtable"
)

// ErrNotInJSON is matched by the refusal to write as JSON what nft's JSON cannot say. The text form says it.
var ErrNotInJSON = errors.New("nft's JSON cannot say it")

// checkJSON gathers all that would be lost, in the order of the Spec.
func (r *Resolved) checkJSON(config *JSONConfig) error {
	var v validator
	for i := range r.spec.Tables {
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
			for p.rule = range t.Chains[p.chain].Rules {
				do := t.Chains[p.chain].Rules[p.rule].Do
				for p.statement = range do {
					v.checkStatementJSON(p, &do[p.statement])
				}
			}
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

func (v *validator) checkStatementJSON(p place, s *Statement) {
	switch {
	case s.Raw != nil:
		v.addStatement(p, "raw", fmt.Errorf("%w: a raw statement is nft text and bytes; write the text form, or the batch", ErrNotInJSON))
	case s.Match != nil:
		if info, _ := infoOf(s.Match.Field); info.kind == kindIfName || info.kind == kindHelper {
			v.checkNamesJSON(p, "is", s.Match.Is)
			v.checkNamesJSON(p, "not", s.Match.Not)
		}
	}
}

func (v *validator) checkNamesJSON(p place, field string, words []string) {
	for i, word := range words {
		if !isReference(word) && !isJSONName(word) {
			v.addStatement(p, "match."+field+"["+strconv.Itoa(i)+"]", notJSONName(word))
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
	return !isReference(word)
}

func notJSONName(word string) error {
	return fmt.Errorf("%w: the name %q, which it takes for something else; write the text form, or rename what bears it", ErrNotInJSON, word)
}
