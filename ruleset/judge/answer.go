package judge

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// An answer is that of a test: known, or a question.
type answer struct {
	known, yes bool
	any        []question // yes to any of them is a yes
	negate     bool       // the test wants a no
	varies     bool
}

func know(yes bool) answer { return answer{known: true, yes: yes} }

func unknown(text string, negate, varies bool) answer {
	return answer{any: []question{{text: text}}, negate: negate, varies: varies}
}

// test goes on with the rule if the test holds.
func (x *run) test(c *chain, r *rule, i int, s *step) end {
	if s.do == lookup && s.dreg != noRegister {
		return x.lookupMap(c, r, s)
	}
	a := x.answer(c, s)
	switch {
	case a.known && a.yes:
		return goOn
	case a.known:
		return breakRule
	case x.lookingOut:
		return goOn
	case x.futile(c, r, i):
		return breakRule
	}
	yes := slices.ContainsFunc(a.any, func(q question) bool { return x.ask(q, a.varies) })
	if yes != a.negate {
		return goOn
	}
	return breakRule
}

func (x *run) ask(q question, varies bool) bool {
	if varies {
		return x.choices.varying.ask(q)
	}
	return x.choices.steady.ask(q)
}

func (x *run) answer(c *chain, s *step) answer {
	switch s.do {
	case compare:
		return x.compare(s)
	case inRange:
		return x.inRange(s)
	case lookup:
		return x.lookup(c, s)
	}
	return unknown(s.name+" "+string(s.a), false, true)
}

func (x *run) compare(s *step) answer {
	if v, known := x.registers.get(s.sreg, len(s.a), &x.buf); known {
		return know(holds(s.key, bytes.Compare(v, s.a)))
	}
	if a, ok := x.compareMeter(s); ok {
		return a
	}
	name, varies := x.registers.name(s.sreg, len(s.a))
	data := string(s.a)
	switch s.key {
	case nlmsg.CmpEq, nlmsg.CmpNeq:
		return answer{any: []question{equals(name, s.a)}, negate: s.key == nlmsg.CmpNeq, varies: varies}
	case nlmsg.CmpLt, nlmsg.CmpGte:
		return unknown(name+"< "+data, s.key == nlmsg.CmpGte, varies)
	}
	return unknown(name+"<= "+data, s.key == nlmsg.CmpGt, varies)
}

// holds reads a comparison.
func holds(op uint32, c int) bool {
	switch op {
	case nlmsg.CmpEq:
		return c == 0
	case nlmsg.CmpNeq:
		return c != 0
	case nlmsg.CmpLt:
		return c < 0
	case nlmsg.CmpLte:
		return c <= 0
	case nlmsg.CmpGt:
		return c > 0
	}
	return c >= 0
}

// compareMeter compares what a connection has carried: what is reached stays reached.
func (x *run) compareMeter(s *step) (answer, bool) {
	i, ok := at(s.sreg)
	if !ok || x.registers[i].meter == nil || len(s.a) != 8 {
		return answer{}, false
	}
	m := x.registers[i].meter
	limit := x.rules.order.Uint64(s.a)
	if m.big {
		limit = binary.BigEndian.Uint64(s.a)
	}
	switch {
	case m.least > limit, m.least == limit && (s.key == nlmsg.CmpLt || s.key == nlmsg.CmpGte):
		return know(s.key == nlmsg.CmpNeq || s.key == nlmsg.CmpGt || s.key == nlmsg.CmpGte), true
	}
	return answer{}, false
}

func (x *run) inRange(s *step) answer {
	if v, known := x.registers.get(s.sreg, len(s.a), &x.buf); known {
		in := bytes.Compare(v, s.a) >= 0 && bytes.Compare(v, s.b) <= 0
		return know(in != s.negate)
	}
	name, varies := x.registers.name(s.sreg, len(s.a))
	return unknown(name+"in "+string(s.a)+" to "+string(s.b), s.negate, varies)
}

// lookup tests for a set. A small set is asked for value by value, so that a change of one matters to that one alone.
func (x *run) lookup(c *chain, s *step) answer {
	list := c.table.sets[s.target]
	if list == nil {
		return unknown("set "+s.target, s.negate, false)
	}
	length := list.keyLength()
	if v, known := x.registers.get(s.sreg, length, &x.buf); known {
		return know((list.find(v) != nil) != s.negate)
	}
	name, varies := x.registers.name(s.sreg, length)
	few, ok := list.few()
	if !ok {
		return unknown(name+"in set "+list.content(), s.negate, varies)
	}
	a := answer{negate: s.negate, varies: varies, known: len(few) == 0, yes: s.negate}
	for i := range few {
		a.any = append(a.any, equals(name, few[i].key))
	}
	return a
}

func equals(name string, key []byte) question {
	return question{text: name + "== " + string(key), field: name, value: string(key)}
}

// lookupMap takes the value of a map's element. Of an unknown key each element is tried.
func (x *run) lookupMap(c *chain, r *rule, s *step) end {
	list := c.table.sets[s.target]
	if list == nil {
		return breakRule
	}
	length := list.keyLength()
	if v, known := x.registers.get(s.sreg, length, &x.buf); known {
		return x.take(c, r, s, list.find(v))
	}
	if x.lookingOut {
		x.registers.hide(s.dreg, 16, "map "+s.target, false)
		return goOn
	}
	name, varies := x.registers.name(s.sreg, length)
	list.prepare()
	for i := range list.elements {
		if e := &list.elements[i]; !e.end && x.ask(equals(name, e.key), varies) {
			return x.take(c, r, s, e)
		}
	}
	return x.take(c, r, s, list.any)
}

// take puts the value of a map's element where the lookup wants it.
func (x *run) take(c *chain, r *rule, s *step, e *element) end {
	if e == nil {
		return breakRule
	}
	if code, chain, ok := verdictOf(x.rules.order, e.data); ok {
		return x.verdict(c, r, code, chain)
	}
	x.registers.put(s.dreg, value(x.rules.order, e.data))
	return goOn
}
