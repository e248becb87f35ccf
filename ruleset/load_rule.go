package ruleset

import (
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A LoadedRule is a rule that a kernel held. Safe for concurrent reading.
type LoadedRule struct {
	Family  Family `json:"family"`
	Table   string `json:"table"`
	Chain   string `json:"chain"`
	Handle  uint64 `json:"handle"`
	Comment string `json:"comment,omitempty"`
	// Ours says that the rule bears the identity which this library writes beside the comment.
	Ours bool `json:"ours,omitempty"`
	// Expressions are the content of NFTA_RULE_EXPRESSIONS, in this machine's byte order. Read only.
	Expressions []byte `json:"expressions,omitempty"`

	message  int      // its place in Loaded.messages
	identity identity // as it bears it
	body     digest   // what the expressions are; 0 if they cannot be read, or nobody asked
}

// intact reports whether the rule is what was sent for it. A replaced one keeps its handle and can keep its user data.
func (r *LoadedRule) intact() bool { return r.Ours && r.body != 0 && r.body == r.identity.body }

// Rules are those of all tables, in the kernel's order: chain by chain, first to last.
func (l *Loaded) Rules() []LoadedRule { return slices.Clone(l.rules) }

func (l *Loaded) addRule(o nlmsg.Order, family byte, b []byte) error {
	r := LoadedRule{Family: familyName(family), message: len(l.messages)}
	for len(b) > 0 {
		a, rest, err := nlmsg.NextAttr(o, b)
		if err != nil {
			return err
		}
		b = rest
		switch a.Type {
		case nlmsg.NFTARuleTable:
			r.Table = l.sameText(a, func(last *LoadedRule) string { return last.Table })
		case nlmsg.NFTARuleChain:
			r.Chain = l.sameText(a, func(last *LoadedRule) string { return last.Chain })
		case nlmsg.NFTARuleHandle:
			if r.Handle, err = a.Uint64BE(); err != nil {
				return err
			}
		case nlmsg.NFTARuleExpressions:
			r.Expressions = a.Data
		case nlmsg.NFTARuleUserdata:
			r.Comment, r.identity, r.Ours = readUdata(a.Data)
		}
	}
	l.rules = append(l.rules, r)
	return nil
}

// sameText reads a name, and shares the memory of the rule before: thousands of rules name the same chain.
func (l *Loaded) sameText(a nlmsg.Attr, of func(*LoadedRule) string) string {
	if n := len(l.rules); n > 0 {
		last := of(&l.rules[n-1])
		if len(a.Data) == len(last)+1 && string(a.Data[:len(last)]) == last && a.Data[len(last)] == 0 {
			return last
		}
	}
	return a.String()
}

// loadedParts are the parts of one table, by their places in the lists of Loaded.
type loadedParts struct {
	chains, sets, flowtables []int
	rules                    map[string][]int // of each chain, first to last
}

// finish reads the sets, and hashes the rules of the tables that bear a mark.
func (l *Loaded) finish(o nlmsg.Order) {
	anonymous := map[setKey]digest{}
	for i := range l.sets {
		s := &l.sets[i]
		l.torn = !s.finish() || l.torn
		if s.Flags&nlmsg.SetAnonymous != 0 {
			anonymous[setKey{s.Family, s.Table, s.Name}] = s.content()
		}
	}
	marked := map[tableKey]bool{}
	for _, t := range l.tables {
		marked[tableKey{t.Family, t.Name}] = t.Owner != ""
	}
	var at tableKey
	reader := bodyReader{order: o, content: func(name string, _ uint32) (digest, bool) {
		d, ok := anonymous[setKey{at.family, at.name, name}]
		return d, ok
	}}
	for i := range l.rules {
		r := &l.rules[i]
		if at = (tableKey{r.Family, r.Table}); marked[at] && r.body == 0 {
			r.body = reader.digest(r.Expressions)
		}
	}
}

// index tells the parts of the marked tables by table.
func (l *Loaded) index() {
	l.parts = map[tableKey]*loadedParts{}
	for _, t := range l.tables {
		if t.Owner != "" {
			l.parts[tableKey{t.Family, t.Name}] = &loadedParts{rules: map[string][]int{}}
		}
	}
	for i := range l.sets {
		s := &l.sets[i]
		if p := l.parts[tableKey{s.Family, s.Table}]; p != nil && s.Flags&nlmsg.SetAnonymous == 0 {
			p.sets = append(p.sets, i)
		}
	}
	for i := range l.chains {
		if p := l.parts[tableKey{l.chains[i].Family, l.chains[i].Table}]; p != nil {
			p.chains = append(p.chains, i)
		}
	}
	for i := range l.flowtables {
		if p := l.parts[tableKey{l.flowtables[i].Family, l.flowtables[i].Table}]; p != nil {
			p.flowtables = append(p.flowtables, i)
		}
	}
	for i := range l.rules {
		if p := l.parts[tableKey{l.rules[i].Family, l.rules[i].Table}]; p != nil {
			p.rules[l.rules[i].Chain] = append(p.rules[l.rules[i].Chain], i)
		}
	}
}
