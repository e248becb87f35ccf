package ruleset

import (
	"fmt"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A drain plans how one table is left without flowtables.
type drain struct {
	plan  *Plan
	have  *Loaded
	key   tableKey
	order nlmsg.Order
	raw   *rawTable // read when a rule is cut
}

func (d *drain) table() error {
	parts := d.have.parts[d.key]
	if parts == nil {
		return nil
	}
	for _, i := range parts.chains {
		for _, j := range parts.rules[d.have.chains[i].Name] {
			if err := d.rule(&d.have.rules[j]); err != nil {
				return err
			}
		}
	}
	for _, i := range parts.flowtables {
		d.add(Operation{
			Verb: VerbDelete, Kind: KindFlowtable, Name: d.have.flowtables[i].Name, Disruptive: true,
			Reason: "the fast path is switched off; live flows go on on the classic path",
		})
		d.plan.disruptive = true
	}
	return nil
}

func (d *drain) add(op Operation) {
	op.Family, op.Table = d.key.family, d.key.name
	d.plan.operations = append(d.plan.operations, op)
}

// rule deletes a rule with `flow add`, or cuts it there.
func (d *drain) rule(r *LoadedRule) error {
	c, err := cutRule(d.order, r.Expressions)
	if err != nil {
		return fmt.Errorf("rule with handle %d of chain %s %s %s cannot be read: %w; delete it by hand", r.Handle, r.Family, r.Table, r.Chain, err)
	}
	switch {
	case !c.found:
		return nil
	case !c.useful:
		d.add(Operation{Verb: VerbDelete, Kind: KindRule, Name: r.Chain, Handle: r.Handle, Reason: "it offloads, and does nothing else"})
		return nil
	}
	if d.raw == nil {
		raw := rawTableOf(d.have, d.key)
		d.raw = &raw
	}
	_, _, attrs, err := nlmsg.Netfilter(d.have.messages[r.message].Data)
	if err != nil {
		return err
	}
	d.add(Operation{
		Verb: VerbReplace, Kind: KindRule, Name: r.Chain, Handle: r.Handle, Reason: "it offloads; what it does before that stays",
		object: copying(func(e *encoder, op *Operation) {
			e.copyRule(op, d.raw, cutAttrs(d.order, attrs, c.expressions, d.have.userData(d.order, r, c.expressions)))
		}),
	})
	return nil
}

// userData is what a rule that was cut bears: as one of ours it says what it does, and that it was not declared so.
func (l *Loaded) userData(o nlmsg.Order, r *LoadedRule, expressions []byte) []byte {
	if !r.Ours {
		return nil
	}
	reader := bodyReader{order: o, content: func(name string, _ uint32) (digest, bool) {
		for i := range l.sets {
			if s := &l.sets[i]; s.Name == name && s.Table == r.Table && s.Family == r.Family {
				return s.content(), true
			}
		}
		return 0, false
	}}
	var b []byte
	if n := len(r.Comment); n > 0 && n < 255 {
		b = append(append(append(b, nlmsg.UdataRuleComment, byte(n+1)), r.Comment...), 0)
	}
	return identity{body: reader.digest(expressions)}.appendTo(b)
}

// A cutting is a rule without its `flow add` and what stands behind it.
type cutting struct {
	expressions []byte // what is left
	found       bool   // there is one
	useful      bool   // what is left does more than test packets
}

func cutRule(o nlmsg.Order, expressions []byte) (cutting, error) {
	c := cutting{expressions: expressions}
	for rest := expressions; len(rest) > 0; {
		elem, after, err := nlmsg.NextAttr(o, rest)
		if err != nil {
			return c, err
		}
		name, data, err := nlmsg.Expression(o, elem.Data)
		if err != nil {
			return c, err
		}
		if _, is := flowtableOf(o, elem.Data, 0); is {
			c.expressions, c.found = expressions[:len(expressions)-len(rest)], true
			return c, nil
		}
		if !c.useful && name != "limit" {
			a := attrsOf(o, data)
			c.useful = effectOf(o, name, &a) != ""
		}
		rest = after
	}
	return c, nil
}

// cutAttrs are a rule's attributes with other expressions, and other user data where that is not nil.
func cutAttrs(o nlmsg.Order, attrs, expressions, udata []byte) []byte {
	b := nlmsg.NewBuilder(o, make([]byte, 0, len(attrs)))
	_ = nlmsg.EachAttr(o, attrs, func(a nlmsg.Attr) error {
		switch {
		case a.Type == nlmsg.NFTARuleExpressions:
			b.Data(a.Type, expressions)
		case a.Type == nlmsg.NFTARuleUserdata && udata != nil:
			b.Data(a.Type, udata)
		default:
			b.Data(a.Type, a.Data)
		}
		return nil
	})
	return b.Bytes()
}

// switchOff leaves flowtables and `flow add` out of a table that is put back. Rules that it cannot read stay as they are, for the kernel to judge.
func (t *rawTable) switchOff() {
	o := nlmsg.Native()
	t.flowtables = nil
	kept := t.rules[:0]
	for _, r := range t.rules {
		c, err := cutRule(o, attrOf(o, r.attrs, nlmsg.NFTARuleExpressions))
		if err == nil && c.found {
			r.attrs = cutAttrs(o, r.attrs, c.expressions, nil)
		}
		if err != nil || !c.found || c.useful {
			kept = append(kept, r)
		}
	}
	t.rules = kept
}

// hasFlowtables reports whether any is wanted.
func (r *Resolved) hasFlowtables() bool {
	for i := range r.spec.Tables {
		if len(r.spec.Tables[i].Flowtables) > 0 {
			return true
		}
	}
	return false
}
