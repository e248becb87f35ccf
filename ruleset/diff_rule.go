package ruleset

import (
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A ruleDiff compares the rules of one chain that stays.
type ruleDiff struct {
	*tableDiff
	chain   *Chain
	index   int      // of the chain
	encoder *encoder // of bodies, made when one is needed
}

// diffRules compares the rules of a declared chain, in order. What is the same on both sides keeps its handle and its counters;
// between two rules that stay, others are replaced in place as far as there are some on both sides, inserted, or deleted.
func (d *tableDiff) diffRules(index int, state chainState) {
	c := &d.table.Chains[index]
	r := ruleDiff{tableDiff: d, chain: c, index: index}
	var have []*LoadedRule
	if state == chainKept {
		have = r.remaining(d.present.rules[c.Name])
	}
	want := make([]*Rule, len(c.Rules))
	for i := range c.Rules {
		want[i] = &c.Rules[i]
	}
	r.compare(have, want, 0, r.declarations, r.bodies)
}

// remaining are the rules that can stay; those that refer to something that goes have to go before it.
func (r *ruleDiff) remaining(places []int) []*LoadedRule {
	list := make([]*LoadedRule, 0, len(places))
	for _, i := range places {
		rule := &r.have.rules[i]
		if of, gone := r.refersToGone(rule); gone {
			r.forgetRule(rule, "it refers to "+string(of.kind)+" "+of.name+": "+r.gone[of])
			continue
		}
		list = append(list, rule)
	}
	return list
}

// A keying gives the rules of both sides keys by which they are the same; 0 is the same as none.
type keying func(have []*LoadedRule, want []*Rule) (haveKeys, wantKeys []digest)

// compare finds the rules that are on both sides in the same order by the first keying, and compares what lies between them by
// the next; what is left then is changed. Rules of the last stretch come before the rule with that handle, 0 is the chain's end.
func (r *ruleDiff) compare(have []*LoadedRule, want []*Rule, before uint64, keyings ...keying) {
	if len(have) == 0 || len(want) == 0 || len(keyings) == 0 {
		r.change(have, want, before)
		return
	}
	h, w := 0, 0
	for _, m := range inOrder(keyings[0](have, want)) {
		r.compare(have[h:m.have], want[w:m.want], have[m.have].Handle, keyings[1:]...)
		h, w = m.have+1, m.want+1
	}
	r.compare(have[h:], want[w:], before, keyings[1:]...)
}

// declarations are what rules were declared as. One whose body is not what was sent any more was replaced by someone.
func (r *ruleDiff) declarations(have []*LoadedRule, want []*Rule) (haveKeys, wantKeys []digest) {
	haveKeys = make([]digest, len(have))
	for i, rule := range have {
		if rule.intact() {
			haveKeys[i] = rule.identity.declared
		}
	}
	return haveKeys, r.declaredAs(want)
}

// declaredAs are the digests of rules of the chain. Those of declared chains are known: only policies bring others.
func (r *ruleDiff) declaredAs(rules []*Rule) []digest {
	if known := r.want.tables[r.tableDiff.index].rules; r.index < len(known) && len(rules) == len(known[r.index]) {
		return known[r.index]
	}
	keys := make([]digest, len(rules))
	for i, rule := range rules {
		keys[i] = declaredAs(rule)
	}
	return keys
}

// bodies are what rules do, with their comments: for rules that were declared in other words, or loaded by nft.
func (r *ruleDiff) bodies(have []*LoadedRule, want []*Rule) (haveKeys, wantKeys []digest) {
	haveKeys, wantKeys = make([]digest, len(have)), make([]digest, len(want))
	for i, rule := range have {
		if rule.body != 0 {
			haveKeys[i] = rule.body.text(rule.Comment)
		}
	}
	for i, rule := range want {
		body, expressions := r.encoded(rule)
		wantKeys[i] = body.text(rule.Comment)
		if !rule.hasRaw() {
			continue
		}
		for j, old := range have { // a kernel adds what it likes to expressions that are not ours
			if old.Ours && old.identity == (identity{declaredAs(rule), body}) && contains(r.reader.order, old.Expressions, expressions) {
				haveKeys[j] = wantKeys[i]
			}
		}
	}
	return haveKeys, wantKeys
}

// encoded is a rule's body, and its expressions, which stay valid until the next call.
func (r *ruleDiff) encoded(rule *Rule) (digest, []byte) {
	if r.encoder == nil {
		r.encoder = newEncoder(nlmsg.Native(), nil)
	}
	e := r.encoder
	e.b.Reset()
	e.sets, e.contents = 0, e.contents[:0]
	op := r.operation(VerbAdd, KindRule, r.chain.Name, "", rule)
	e.addRule(&op, rule)
	if e.err != nil && r.err == nil {
		r.err = e.err
	}
	return e.body, e.expressions
}

// change turns one stretch of rules into another.
func (r *ruleDiff) change(have []*LoadedRule, want []*Rule, before uint64) {
	for _, old := range have {
		switch {
		case !old.Ours:
			r.forgetRule(old, "it is not declared; someone else put it there")
		case len(want) == 0 || !r.replaceable(old):
			r.forgetRule(old, changed(old, "it is not declared any more"))
		default:
			op := r.operation(VerbReplace, KindRule, r.chain.Name, changed(old, "it is declared otherwise"), want[0])
			op.Handle = old.Handle
			r.rules = append(r.rules, op)
			want = want[1:]
		}
	}
	for _, rule := range want {
		op := r.operation(VerbAdd, KindRule, r.chain.Name, "", rule)
		if before != 0 {
			op.Verb, op.Handle = VerbInsert, before
		}
		r.rules = append(r.rules, op)
	}
}

func changed(old *LoadedRule, otherwise string) string {
	if old.intact() {
		return otherwise
	}
	return "someone changed what it does"
}

// replaceable reports whether another rule can take the place of this one while everything else is still as it was. Rules that
// lead to other chains, and rules in chains that others lead to, are deleted before anything is added: kernels before 6.4 look
// at once whether chains form a loop and where they are reached from.
func (r *ruleDiff) replaceable(old *LoadedRule) bool {
	if r.chain.Hook == "" {
		return false
	}
	jumps := false
	err := eachReference(r.reader.order, old.Expressions, func(o object) { jumps = jumps || o.kind == KindChain })
	return err == nil && !jumps
}

func (r *ruleDiff) forgetRule(old *LoadedRule, reason string) {
	op := r.operation(VerbDelete, KindRule, r.chain.Name, reason, nil)
	op.Handle = old.Handle
	r.forget = append(r.forget, op)
}

// refersToGone finds something that goes and that the rule refers to.
func (r *ruleDiff) refersToGone(rule *LoadedRule) (first object, gone bool) {
	if len(r.gone) == 0 {
		return object{}, false
	}
	_ = eachReference(r.reader.order, rule.Expressions, func(o object) {
		if _, is := r.gone[o]; is && !gone {
			first, gone = o, true
		}
	})
	return first, gone
}
