package judge

import (
	"cmp"
	"iter"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A Ruleset is some tables as packets meet them. It serves one goroutine: what it looks up is prepared when it is first asked for.
type Ruleset struct {
	order  nlmsg.Order
	tables map[tableKey]*table
	bases  []*chain // in the order in which packets meet them
}

type tableKey struct {
	family byte
	name   string
}

type table struct {
	tableKey
	place  int
	chains map[string]*chain
	sets   map[string]*set
}

type chain struct {
	table    *table
	name     string
	base     bool
	hook     uint32
	priority int32
	drop     bool // its policy
	typ      string
	rules    []rule
}

type rule struct {
	handle  uint64
	comment string
	steps   []step
}

// Of reads the tables of a dump that keep picks.
func Of(have *ruleset.Loaded, keep func(ruleset.LoadedTable) bool) (*Ruleset, error) {
	r := newReader(nlmsg.Native())
	for _, t := range have.Tables() {
		if family, ok := familyNumber(t.Family); ok && keep(t) {
			r.table(tableKey{family, t.Name})
		}
	}
	return r.read(have.Messages())
}

// OfBatch reads the tables that a batch makes. Its byte order is this machine's.
func OfBatch(b *ruleset.Batch) (*Ruleset, error) {
	r := newReader(nlmsg.Native())
	r.every = true
	return r.read(messages(b))
}

// messages are those of a batch.
func messages(b *ruleset.Batch) iter.Seq[ruleset.Message] {
	return func(yield func(ruleset.Message) bool) {
		for rest := b.Bytes(); len(rest) > 0; {
			m, next, err := nlmsg.NextMessage(nlmsg.Native(), rest)
			if err != nil || !yield(ruleset.Message{Type: m.Type, Flags: m.Flags, Data: m.Data}) {
				return
			}
			rest = next
		}
	}
}

// A reader builds a Ruleset out of messages.
type reader struct {
	Ruleset
	every bool          // tables are taken as they come
	fresh map[*set]bool // sets that nobody else looks at
}

func newReader(o nlmsg.Order) *reader {
	return &reader{Ruleset: Ruleset{order: o, tables: map[tableKey]*table{}}, fresh: map[*set]bool{}}
}

func (r *reader) table(key tableKey) *table {
	t := r.tables[key]
	if t == nil {
		t = &table{key, len(r.tables), map[string]*chain{}, map[string]*set{}}
		r.tables[key] = t
	}
	return t
}

func (r *reader) read(list iter.Seq[ruleset.Message]) (*Ruleset, error) {
	for m := range list {
		if err := r.message(m); err != nil {
			return nil, err
		}
	}
	for _, t := range r.tables {
		for _, c := range t.chains {
			if c.base && c.typ != string(ruleset.NATChain) { // these see the first packet of a connection alone
				r.bases = append(r.bases, c)
			}
		}
	}
	slices.SortFunc(r.bases, func(a, b *chain) int {
		return cmp.Or(cmp.Compare(a.hook, b.hook), cmp.Compare(a.priority, b.priority), cmp.Compare(a.table.place, b.table.place), cmp.Compare(a.name, b.name))
	})
	return &r.Ruleset, nil
}

func (r *reader) message(m ruleset.Message) error {
	family, _, attrs, err := nlmsg.Netfilter(m.Data)
	if err != nil {
		return err
	}
	switch m.Type {
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewTable):
		if r.every {
			return nlmsg.EachAttr(r.order, attrs, func(a nlmsg.Attr) error {
				if a.Type == nlmsg.NFTATableName {
					r.table(tableKey{family, a.String()})
				}
				return nil
			})
		}
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewChain):
		return r.chain(family, attrs)
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewSet):
		return r.set(family, attrs)
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewSetElem):
		return r.elements(family, attrs, (*set).add)
	case nlmsg.NFTablesType(nlmsg.NFTMsgDelSetElem):
		return r.elements(family, attrs, (*set).remove)
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewRule):
		return r.rule(family, attrs)
	}
	return nil
}

func (r *reader) chain(family byte, attrs []byte) error {
	c := &chain{}
	err := nlmsg.EachAttr(r.order, attrs, func(a nlmsg.Attr) error {
		switch a.Type {
		case nlmsg.NFTAChainTable:
			c.table = r.tables[tableKey{family, a.String()}]
		case nlmsg.NFTAChainName:
			c.name = a.String()
		case nlmsg.NFTAChainType:
			c.typ = a.String()
		case nlmsg.NFTAChainPolicy:
			v, err := a.Uint32BE()
			c.drop = v == nlmsg.VerdictDrop
			return err
		case nlmsg.NFTAChainHook:
			c.base = true
			return nlmsg.EachAttr(r.order, a.Data, func(a nlmsg.Attr) (err error) {
				var v uint32
				switch a.Type {
				case nlmsg.NFTAHookHookNum:
					c.hook, err = a.Uint32BE()
				case nlmsg.NFTAHookPriority:
					v, err = a.Uint32BE()
					c.priority = int32(v)
				}
				return err
			})
		}
		return nil
	})
	if c.table != nil {
		c.table.chains[c.name] = c
	}
	return err
}

func (r *reader) set(family byte, attrs []byte) error {
	var t *table
	var name string
	var id uint32
	s := &set{}
	err := nlmsg.EachAttr(r.order, attrs, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTASetTable:
			t = r.tables[tableKey{family, a.String()}]
		case nlmsg.NFTASetName:
			name = a.String()
		case nlmsg.NFTASetID:
			id, err = a.Uint32BE()
		case nlmsg.NFTASetFlags:
			s.flags, err = a.Uint32BE()
		case nlmsg.NFTASetDesc:
			s.fields, err = concatenation(r.order, a.Data)
		}
		return err
	})
	if t != nil {
		t.sets[setName(name, id)] = s
		r.fresh[s] = true
	}
	return err
}

// longestKey is what fits the registers.
const longestKey = 64

// concatenation reads NFTA_SET_DESC_CONCAT: a list of fields with their lengths.
func concatenation(o nlmsg.Order, b []byte) (fields []int, err error) {
	err = nlmsg.EachAttr(o, b, func(a nlmsg.Attr) error {
		if a.Type != nlmsg.NFTASetDescConcat {
			return nil
		}
		return nlmsg.EachAttr(o, a.Data, func(elem nlmsg.Attr) error {
			return nlmsg.EachAttr(o, elem.Data, func(a nlmsg.Attr) error { // NFTA_SET_FIELD_LEN
				n, err := a.Uint32BE()
				fields = append(fields, int(min(n, longestKey)+3)&^3)
				return err
			})
		})
	})
	return fields, err
}

func (r *reader) elements(family byte, attrs []byte, change func(*set, []element)) error {
	var t *table
	var name string
	var id uint32
	var list []element
	err := nlmsg.EachAttr(r.order, attrs, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTASetElemListTable:
			t = r.tables[tableKey{family, a.String()}]
		case nlmsg.NFTASetElemListSet:
			name = a.String()
		case nlmsg.NFTASetElemListSetID:
			id, err = a.Uint32BE()
		case nlmsg.NFTASetElemListElements:
			if t != nil {
				list, err = readElements(r.order, a.Data)
			}
		}
		return err
	})
	if err != nil || t == nil || t.sets[setName(name, id)] == nil {
		return err
	}
	s := t.sets[setName(name, id)]
	if r.fresh[s] {
		s.elements = append(s.elements, list...)
		return nil
	}
	s = s.clone()
	change(s, list)
	t.sets[setName(name, id)] = s
	return nil
}

func (r *reader) rule(family byte, attrs []byte) error {
	var t *table
	var c *chain
	var x rule
	err := nlmsg.EachAttr(r.order, attrs, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTARuleTable:
			t = r.tables[tableKey{family, a.String()}]
		case nlmsg.NFTARuleChain:
			if t != nil {
				c = t.chains[a.String()]
			}
		case nlmsg.NFTARuleHandle:
			x.handle, err = a.Uint64BE()
		case nlmsg.NFTARuleUserdata:
			x.comment = commentOf(a.Data)
		case nlmsg.NFTARuleExpressions:
			if c != nil {
				x.steps, err = readSteps(r.order, a.Data)
			}
		}
		return err
	})
	if c != nil {
		c.rules = append(c.rules, x)
	}
	return err
}
