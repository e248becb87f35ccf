package ruleset

import (
	"iter"
	"slices"
	"sync"

	"github.com/go-fastpath/fastpath/internal/mark"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// WithFrame is l at a later generation, with the tables, chains and flowtables of a dump that holds nothing else: for commits that
// left the sets and rules of l alone. It is false if the dump is torn; then everything has to be read.
func (l *Loaded) WithFrame(frame iter.Seq2[Message, error]) (now *Loaded, ok bool, err error) {
	fresh, err := Load(l.owner, frame)
	if err != nil || fresh.torn {
		return nil, false, err
	}
	c := *fresh
	c.sets, c.rules, c.lastSet = l.sets, slices.Clone(l.rules), l.lastSet
	split := slices.IndexFunc(fresh.messages, isFlowtable)
	if split < 0 {
		split = len(fresh.messages)
	}
	c.messages = slices.Grow(slices.Clone(fresh.messages[:split]), len(l.messages))
	at := make([]int, len(l.messages))
	for i, m := range l.messages {
		at[i] = len(c.messages)
		switch m.Type {
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewSet), nlmsg.NFTablesType(nlmsg.NFTMsgNewSetElem), nlmsg.NFTablesType(nlmsg.NFTMsgNewRule):
			m.Generation = uint16(c.generation)
			c.messages = append(c.messages, m)
		}
	}
	for i := range c.rules {
		c.rules[i].message = at[c.rules[i].message]
	}
	c.messages = append(c.messages, fresh.messages[split:]...)
	c.index()
	return &c, true, nil
}

func isFlowtable(m Message) bool { return m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewFlowtable) }

// Follow is the same plan at a later generation, made without planning again. It is false if what the plan was made for is not there as it
// was, or nobody knows: Rebase tells then what there is to do.
func (p *Plan) Follow(now *Loaded) (*Plan, bool) {
	if p.ground == nil || p.generation == 0 || !p.sameGround(p.ground, now) || !sameMarks(p.ground, now, p.Owner()) {
		return nil, false
	}
	c := *p
	c.generation, c.ground = now.generation, now
	if c.have != nil {
		c.have = now
	}
	return &c, true
}

// Unconcerned reports whether a change of a table is nothing to the plan: the table is another's and was there, or elements alone changed, of
// sets that are declared live. Of a table that is new nobody knows, nor of one that has the name of a mark.
func (p *Plan) Unconcerned(f Family, table string, shape, rules bool, sets []string) bool {
	if p.ground == nil || mark.OfTable(table) != nil {
		return false
	}
	t, known := p.ground.table(f, table)
	declared := slices.ContainsFunc(p.want.spec.Tables, func(t Table) bool { return t.Family == f && t.Name == table })
	if !declared && t.Owner != p.Owner() {
		return known || !shape
	}
	return !shape && !rules && !slices.ContainsFunc(sets, func(set string) bool { return !p.ignores(setKey{f, table, set}) })
}

// ignores reports whether the plan does not build on the elements of a set.
func (p *Plan) ignores(key setKey) bool {
	if p.heedless != nil {
		return p.heedless(key)
	}
	for i := range p.want.spec.Tables {
		for j := range p.want.spec.Tables[i].Sets {
			t, s := &p.want.spec.Tables[i], &p.want.spec.Tables[i].Sets[j]
			if key == (setKey{t.Family, t.Name, s.Name}) {
				return s.Live
			}
		}
	}
	return false
}

// At is the same plan for a later generation, after changes that are nothing to it.
func (p *Plan) At(generation uint32) *Plan {
	c := *p
	c.generation = generation
	return &c
}

// sameMarks compares what is marked of an owner.
func sameMarks(then, now *Loaded, owner string) bool {
	of := func(l *Loaded) []mark.Mark {
		return slices.DeleteFunc(slices.Clone(l.marks), func(m mark.Mark) bool { return m.Owner != owner })
	}
	return slices.EqualFunc(of(then), of(now), func(a, b mark.Mark) bool {
		return a.Table == b.Table && slices.Equal(a.Values, b.Values) && a.Restored == b.Restored
	})
}

// At is the batch for another generation, with nothing else changed. It is false for a batch that names none.
func (b *Batch) At(generation uint32) (*Batch, bool) {
	const place = 24 // behind the headers of message, family and attribute
	begin := b.message(0)
	if generation == 0 || len(begin) != place+4 {
		return nil, false
	}
	c := *b
	c.bytes = slices.Clone(b.bytes)
	for i := range 4 {
		c.bytes[int(b.starts[0])+place+i] = byte(generation >> (24 - 8*i))
	}
	return &c, true
}

// Beside is the plan with the conflicts that others' tables make, as they were read apart; nil is none. What the plan was made
// for need not tell of them then.
func (p *Plan) Beside(others *Loaded) *Plan {
	if p.others == nil || p.have == nil {
		return p
	}
	c := *p
	have, want := p.have, p.want
	c.beside = func(fresh *Plan) *Plan { return fresh.Beside(others) }
	c.others = sync.OnceValue(func() []Finding { return want.Conflicts(have.among(others, want.owner())) })
	return &c
}

// MeetsOthers reports whether conflicts with others' tables are looked for: those of a declaration with flowtables.
func (p *Plan) MeetsOthers() bool { return p.others != nil && p.have != nil && p.want.hasFlowtables() }

// among is what l holds of an owner, and what others hold of everyone else.
func (l *Loaded) among(others *Loaded, owner string) *Loaded {
	ours := map[tableKey]bool{}
	for _, t := range slices.Concat(l.owned(owner), others.owned(owner)) {
		ours[tableKey{t.Family, t.Name}] = true
	}
	if others == nil {
		others = &Loaded{}
	}
	c := &Loaded{owner: l.owner, generation: l.generation}
	for _, from := range []*Loaded{l, others} {
		left := func(family Family, table string) bool { return ours[tableKey{family, table}] != (from == l) }
		c.tables = append(c.tables, slices.DeleteFunc(slices.Clone(from.tables), func(t LoadedTable) bool { return left(t.Family, t.Name) })...)
		c.chains = append(c.chains, slices.DeleteFunc(slices.Clone(from.chains), func(x LoadedChain) bool { return left(x.Family, x.Table) })...)
		c.sets = append(c.sets, slices.DeleteFunc(slices.Clone(from.sets), func(x LoadedSet) bool { return left(x.Family, x.Table) })...)
		c.rules = append(c.rules, slices.DeleteFunc(slices.Clone(from.rules), func(x LoadedRule) bool { return left(x.Family, x.Table) })...)
		c.flowtables = append(c.flowtables, slices.DeleteFunc(slices.Clone(from.flowtables), func(x LoadedFlowtable) bool { return left(x.Family, x.Table) })...)
	}
	slices.SortFunc(c.tables, compareTables)
	c.index()
	return c
}
