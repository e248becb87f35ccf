package ruleset

import (
	"slices"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// maxEchoed is the largest batch in bytes that asks for echoes: what they take in the socket's receive buffer stays far below
// its default size.
const maxEchoed = 8 << 10

// asksEchoes reports whether the plan consists of operations on single rules and elements, so that After can tell what comes of it.
func (p *Plan) asksEchoes() bool {
	if p.generation == 0 {
		return false
	}
	for _, op := range p.operations {
		if op.Kind != KindElement && (op.Kind != KindRule || op.Handle == 0 && op.Verb == VerbDelete) {
			return false
		}
	}
	return true
}

// After is what a kernel holds at the new generation, once it took the plan's batch on top of have and echoed what the batch asked
// for. Nothing is read again. It is false for plans of other operations than on rules and elements, for large ones, and if the
// echoes are not what they should be: only a dump can tell then.
func (p *Plan) After(have *Loaded, echoes []Message, generation uint32) (*Loaded, bool) {
	if have == nil || have.generation != p.generation || !p.asksEchoes() {
		return nil, false
	}
	o := nlmsg.Native()
	fresh, ok := p.echoed(o, have, echoes)
	if !ok {
		return nil, false
	}
	f := follower{o: o, plan: p, old: have, fresh: fresh, generation: generation}
	f.sortOperations()
	f.copy()
	return f.now, f.ok()
}

// echoed reads the echoes: the rules of the plan in order, each after its anonymous sets.
func (p *Plan) echoed(o nlmsg.Order, have *Loaded, echoes []Message) (*Loaded, bool) {
	fresh := &Loaded{owner: have.owner, tables: have.tables}
	for _, m := range echoes {
		if m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgDelRule) || m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgDelSet) { // of those that were replaced
			continue
		}
		if fresh.add(o, m) != nil {
			return nil, false
		}
		fresh.messages = append(fresh.messages, m)
	}
	fresh.finish(o)
	n := 0
	for i := range p.operations {
		op := &p.operations[i]
		rule, ok := op.object.(*Rule)
		if !ok {
			continue
		}
		if n == len(fresh.rules) {
			return nil, false
		}
		r := &fresh.rules[n]
		if r.Family != op.Family || r.Table != op.Table || r.Chain != op.Name || !r.intact() || r.identity.declared != declaredAs(rule) {
			return nil, false
		}
		n++
	}
	return fresh, n == len(fresh.rules)
}

// A ruleKey names a rule by its handle.
type ruleKey struct {
	table  tableKey
	handle uint64
}

// A follower brings a Loaded forward.
type follower struct {
	o          nlmsg.Order
	plan       *Plan
	old, fresh *Loaded
	now        *Loaded
	generation uint32

	deleted  map[ruleKey]bool
	replaced map[ruleKey]int   // by rules of fresh
	before   map[ruleKey][]int // rules of fresh that come before one
	appended []int             // rules of fresh
	sets     map[setKey]bool   // whose elements change
	done     int               // operations on rules that found theirs
	wanted   int
	raw      []Message // of the rules of now, in order
	uses     uses
}

func (f *follower) sortOperations() {
	f.deleted, f.replaced, f.before, f.sets = map[ruleKey]bool{}, map[ruleKey]int{}, map[ruleKey][]int{}, map[setKey]bool{}
	n := 0
	for i := range f.plan.operations {
		op := &f.plan.operations[i]
		key := ruleKey{tableKey{op.Family, op.Table}, op.Handle}
		switch {
		case op.Kind == KindElement:
			f.sets[setKey{op.Family, op.Table, op.Name}] = true
			continue
		case op.Verb == VerbDelete:
			f.deleted[key] = true
		case op.Verb == VerbReplace:
			f.replaced[key] = n
			n++
		case op.Verb == VerbInsert:
			f.before[key] = append(f.before[key], n)
			n++
		default:
			f.appended = append(f.appended, n)
			n++
		}
	}
	f.wanted = len(f.deleted) + len(f.replaced) + len(f.before)
}

// ok reports whether every operation found its rule.
func (f *follower) ok() bool { return f.done == f.wanted }

// copy makes the new Loaded: of everything that stays the old one's memory.
func (f *follower) copy() {
	f.now = &Loaded{
		owner: f.old.owner, generation: f.generation,
		tables: f.old.tables, marks: f.old.marks, ignored: f.old.ignored,
	}
	gone := f.copyRules()
	f.now.chains, f.now.flowtables = f.uses.chains(f.old.chains), f.uses.flowtables(f.old.flowtables)
	f.copySets(gone)
	f.copyMessages(gone)
	f.now.index()
}

// copyRules puts the rules in their new order, and tells which anonymous sets went with those that are gone.
func (f *follower) copyRules() (gone map[setKey]bool) {
	gone, f.uses = map[setKey]bool{}, uses{}
	f.now.rules = make([]LoadedRule, 0, len(f.old.rules)+len(f.fresh.rules))
	for i := range f.old.rules {
		r := &f.old.rules[i]
		key := ruleKey{tableKey{r.Family, r.Table}, r.Handle}
		if ahead, ok := f.before[key]; ok {
			f.done++
			for _, n := range ahead {
				f.rule(f.fresh, n)
			}
		}
		n, replaced := f.replaced[key]
		switch {
		case replaced:
			f.rule(f.fresh, n)
		case !f.deleted[key]:
			f.rule(f.old, i)
			continue
		}
		f.done++
		f.uses.count(f.o, r, -1)
		_ = eachReference(f.o, r.Expressions, func(o object) {
			if o.kind == KindSet && isAnonymous(o.name) {
				gone[setKey{r.Family, r.Table, o.name}] = true
			}
		})
	}
	for _, n := range f.appended {
		f.rule(f.fresh, n)
	}
	for i := range f.fresh.rules {
		f.uses.count(f.o, &f.fresh.rules[i], 1)
	}
	return gone
}

// rule takes over a rule and its message.
func (f *follower) rule(from *Loaded, n int) {
	r := from.rules[n]
	f.raw = append(f.raw, from.messages[r.message])
	r.message = 0 // set when the messages are in order
	f.now.rules = append(f.now.rules, r)
}

// copySets leaves out the anonymous sets that are gone, adds those that came, and changes the elements of named ones.
func (f *follower) copySets(gone map[setKey]bool) {
	for i := range f.old.sets {
		s := f.old.sets[i]
		key := setKey{s.Family, s.Table, s.Name}
		if gone[key] {
			continue
		}
		if f.sets[key] {
			s.ranges = f.changed(key, s.ranges)
		}
		f.now.sets = append(f.now.sets, s)
	}
	f.now.sets = append(f.now.sets, f.fresh.sets...)
}

// changed are the elements of a set after the plan's operations.
func (f *follower) changed(key setKey, ranges []nftvalue.Range) []nftvalue.Range {
	for i := range f.plan.operations {
		op := &f.plan.operations[i]
		x, ok := op.object.(*elements)
		if !ok || key != (setKey{op.Family, op.Table, op.Name}) {
			continue
		}
		switch {
		case x.all:
			ranges = nil
		case op.Verb == VerbDelete:
			ranges, _ = split(ranges, x.ranges, nftvalue.CompareRanges)
		default:
			ranges = slices.Concat(ranges, x.ranges)
			nftvalue.SortRanges(ranges)
		}
	}
	return ranges
}

// copyMessages makes the dump that would be read now. Rules stand in it in their new order; the elements of sets that changed are
// written anew.
func (f *follower) copyMessages(gone map[setKey]bool) {
	chains, flowtables := f.now.chains, f.now.flowtables
	for _, m := range f.old.messages {
		switch m.Type {
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewChain):
			if len(chains) > 0 {
				m.Data, chains = withUse(f.o, m.Data, nlmsg.NFTAChainUse, chains[0].Use), chains[1:]
			}
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewFlowtable):
			if len(flowtables) > 0 {
				m.Data, flowtables = withUse(f.o, m.Data, nlmsg.NFTAFlowtableUse, flowtables[0].Use), flowtables[1:]
			}
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewGen):
			m.Data = generationData(f.o, f.generation)
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewSet):
			if gone[setOf(f.o, m, nlmsg.NFTASetTable, nlmsg.NFTASetName)] {
				continue
			}
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewSetElem):
			if key := setOf(f.o, m, nlmsg.NFTASetElemListTable, nlmsg.NFTASetElemListSet); gone[key] || f.sets[key] {
				continue
			}
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewRule):
			continue
		}
		f.keep(m)
	}
	for _, m := range f.fresh.messages {
		if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewRule) {
			f.keep(m)
		}
	}
	for i := range f.now.sets {
		if s := &f.now.sets[i]; f.sets[setKey{s.Family, s.Table, s.Name}] {
			for _, m := range s.messages(f.o) {
				f.keep(m)
			}
		}
	}
	for i := range f.now.rules {
		f.now.rules[i].message = len(f.now.messages)
		f.keep(f.raw[i])
	}
}

func (f *follower) keep(m Message) {
	m.Generation = uint16(f.generation)
	f.now.messages = append(f.now.messages, m)
}

// setOf names the set that a message is about.
func setOf(o nlmsg.Order, m Message, table, name uint16) (key setKey) {
	family, _, attrs, _ := nlmsg.Netfilter(m.Data) // it was read before
	key.family = familyName(family)
	_ = nlmsg.EachAttr(o, attrs, func(a nlmsg.Attr) error {
		switch a.Type {
		case table:
			key.table = a.String()
		case name:
			key.name = a.String()
		}
		return nil
	})
	return key
}

// generationData is the content of NFT_MSG_NEWGEN.
func generationData(o nlmsg.Order, generation uint32) []byte {
	b := nlmsg.NewBuilder(o, nil)
	b.BeginNetfilter(nlmsg.NFTablesType(nlmsg.NFTMsgNewGen), 0, 0, nlmsg.FamilyUnspec, uint16(generation))
	b.Uint32BE(nlmsg.NFTAGenID, generation)
	b.End()
	m, _, _ := nlmsg.NextMessage(o, b.Bytes()) // it was written just now
	return m.Data
}

// messages are the set's elements as a dump has them.
func (s *LoadedSet) messages(o nlmsg.Order) []Message {
	e := newEncoder(o, nil)
	op := Operation{Family: s.Family, Table: s.Table, Name: s.Name}
	body := setBody{name: s.Name, length: int(s.KeyLen), interval: s.Flags&nlmsg.SetInterval != 0}
	e.elements(&op, nlmsg.NFTMsgNewSetElem, body, s.ranges, true)
	var list []Message
	for b := e.b.Bytes(); len(b) > 0; {
		m, rest, err := nlmsg.NextMessage(o, b)
		if err != nil {
			break
		}
		list, b = append(list, Message{Type: m.Type, Flags: nlmsg.FlagMulti, Data: m.Data}), rest
	}
	return list
}
