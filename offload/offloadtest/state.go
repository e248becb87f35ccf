package offloadtest

import (
	"maps"
	"slices"
)

// A state is what a kernel's nf_tables holds at one generation. Rules and expressions never change once they are made.
type state struct {
	generation uint32
	tables     []*table
}

type table struct {
	family     byte
	name       string
	handle     uint64
	handles    uint64 // given to the table's objects so far
	flags      uint32
	socket     uint32 // that owns it, by `flags owner`; 0 is none
	userdata   []byte
	chains     []*chain
	sets       []*set
	flowtables []*flowTable
	turned     bool // the batch at work put it to sleep or woke it
	unhooked   bool // the batch at work changed a chain, or deleted one with a hook
}

type chain struct {
	name     string
	handle   uint64
	base     *baseChain // nil for a chain without hook
	userdata []byte
	rules    []*rule
}

type baseChain struct {
	typ      string
	hook     uint32
	priority int32
	policy   uint32
}

type rule struct {
	handle   uint64
	id       uint32 // NFTA_RULE_ID, good within the batch that made it
	userdata []byte
	exprs    []expression
	gone     bool // deleted by the batch at work
}

// An expression is kept as it was sent; references are looked up, and written by their names.
type expression struct {
	name                  string
	content               []byte // what stands in NFTA_LIST_ELEM
	set, chain, flowtable string
	natType               uint32
}

type set struct {
	name     string
	handle   uint64
	flags    uint32
	keyLen   uint32
	size     uint32 // most elements that it takes, 0 is any number
	attrs    []byte // as they were sent, without table, name and id
	elements map[string]element
	shared   bool // the map belongs to an older state too
	fresh    bool // made by the batch at work
}

type element struct {
	key     string
	end     bool   // of an interval
	content []byte // what stands in NFTA_LIST_ELEM
}

type flowTable struct {
	name     string
	handle   uint64
	priority int32
	flags    uint32
	devices  []device
	pending  []device // added by the batch at work: they count from the commit on
	flagsNew *uint32  // as the batch at work sets them
}

// A device of a flowtable. Kernels before 6.16 hold the device itself, here its number; later ones hold a name or a prefix.
type device struct {
	name   string
	prefix bool
	link   int
}

// clone copies what a batch may change.
func (s *state) clone() *state {
	c := &state{generation: s.generation, tables: make([]*table, len(s.tables))}
	for i, t := range s.tables {
		c.tables[i] = t.clone()
	}
	return c
}

func (t *table) clone() *table {
	c := *t
	c.chains, c.sets, c.flowtables = slices.Clone(t.chains), slices.Clone(t.sets), slices.Clone(t.flowtables)
	for i, x := range c.chains {
		y := *x
		y.rules = slices.Clone(x.rules)
		if x.base != nil {
			base := *x.base
			y.base = &base
		}
		c.chains[i] = &y
	}
	for i, x := range c.sets {
		y := *x
		y.shared, y.fresh = true, false
		c.sets[i] = &y
	}
	for i, x := range c.flowtables {
		y := *x
		y.devices = slices.Clone(x.devices)
		c.flowtables[i] = &y
	}
	return &c
}

// own makes the set's elements its own before they are changed.
func (s *set) own() {
	if s.shared || s.elements == nil {
		s.elements, s.shared = maps.Clone(s.elements), false
		if s.elements == nil {
			s.elements = map[string]element{}
		}
	}
}

// settle forgets the rules that the batch deleted, and makes what it added to flowtables count.
func (s *state) settle() {
	for _, t := range s.tables {
		t.turned, t.unhooked = false, false
		for _, c := range t.chains {
			c.rules = slices.DeleteFunc(c.rules, func(r *rule) bool { return r.gone })
		}
		for _, f := range t.flowtables {
			f.devices = append(slices.Clone(f.pending), f.devices...)
			f.pending = nil
			if f.flagsNew != nil {
				f.flags, f.flagsNew = *f.flagsNew, nil
			}
		}
	}
}

func (s *state) table(family byte, name string) *table {
	for _, t := range s.tables {
		if t.family == family && t.name == name {
			return t
		}
	}
	return nil
}

func (t *table) chain(name string) *chain {
	for _, c := range t.chains {
		if c.name == name {
			return c
		}
	}
	return nil
}

// count is the number of the chain's rules.
func (c *chain) count() uint32 {
	n := uint32(0)
	for _, r := range c.rules {
		if !r.gone {
			n++
		}
	}
	return n
}

func (t *table) set(name string) *set {
	for _, s := range t.sets {
		if s.name == name {
			return s
		}
	}
	return nil
}

func (t *table) flowtable(name string) *flowTable {
	for _, f := range t.flowtables {
		if f.name == name {
			return f
		}
	}
	return nil
}

// nextHandle numbers the table's objects. What is taken back by an abort is not given again.
func (t *table) nextHandle() uint64 {
	t.handles++
	return t.handles
}

// A uses counts who refers to what in one table.
type uses struct {
	sets, chains, flowtables map[string]uint32
}

func (t *table) uses() uses {
	u := uses{map[string]uint32{}, map[string]uint32{}, map[string]uint32{}}
	for _, c := range t.chains {
		u.chains[c.name] += c.count()
		for _, r := range c.rules {
			for _, e := range r.exprs {
				u.sets[e.set]++
				u.chains[e.chain]++
				u.flowtables[e.flowtable]++
			}
		}
	}
	return u
}
