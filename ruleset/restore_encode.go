package ruleset

import (
	"bytes"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// copying is an operation that writes its messages from those of a dump.
type copying func(e *encoder, op *Operation)

// A rawTable is a table in the messages of a dump.
type rawTable struct {
	attrs        []byte
	chains, sets []rawObject
	rules        []rawObject // by the names of their chains
	elements     map[string][]rawElem
	intervals    map[string]bool // of sets
	flowtables   []LoadedFlowtable
}

// A rawObject is an object with the attributes of its message.
type rawObject struct {
	name  string
	attrs []byte
}

// A rawElem is an element of a set: the content of NFTA_LIST_ELEM, and what its place in an interval set depends on.
type rawElem struct {
	key, data []byte
	end       bool
}

// rawTableOf finds what belongs to a table. The messages were read before, so they are whole.
func rawTableOf(l *Loaded, key tableKey) rawTable {
	o := nlmsg.Native()
	t := rawTable{elements: map[string][]rawElem{}, intervals: map[string]bool{}}
	for _, m := range l.messages {
		if tableOf(o, m) != key {
			continue
		}
		_, _, attrs, _ := nlmsg.Netfilter(m.Data)
		switch m.Type {
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewTable):
			t.attrs = attrs
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewChain):
			t.chains = append(t.chains, rawObject{attrText(o, attrs, nlmsg.NFTAChainName), attrs})
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewSet):
			t.sets = append(t.sets, rawObject{attrText(o, attrs, nlmsg.NFTASetName), attrs})
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewSetElem):
			name := attrText(o, attrs, nlmsg.NFTASetElemListSet)
			t.elements[name] = append(t.elements[name], rawElems(o, attrOf(o, attrs, nlmsg.NFTASetElemListElements))...)
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewRule):
			t.rules = append(t.rules, rawObject{attrText(o, attrs, nlmsg.NFTARuleChain), attrs})
		}
	}
	for i := range l.sets {
		if s := &l.sets[i]; s.Family == key.family && s.Table == key.name {
			t.intervals[s.Name] = s.Flags&nlmsg.SetInterval != 0
		}
	}
	for i := range l.flowtables {
		if f := &l.flowtables[i]; f.Family == key.family && f.Table == key.name {
			t.flowtables = append(t.flowtables, *f)
		}
	}
	return t
}

func (t *rawTable) flowtable(name string) (LoadedFlowtable, bool) {
	i := slices.IndexFunc(t.flowtables, func(f LoadedFlowtable) bool { return f.Name == name })
	if i < 0 {
		return LoadedFlowtable{}, false
	}
	return t.flowtables[i], true
}

// attrOf is the content of one attribute, nil if it is not there.
func attrOf(o nlmsg.Order, attrs []byte, typ uint16) (data []byte) {
	_ = nlmsg.EachAttr(o, attrs, func(a nlmsg.Attr) error {
		if a.Type == typ {
			data = a.Data
		}
		return nil
	})
	return data
}

func attrText(o nlmsg.Order, attrs []byte, typ uint16) string {
	return nlmsg.Attr{Data: attrOf(o, attrs, typ)}.String()
}

// rawElems reads a list of elements.
func rawElems(o nlmsg.Order, list []byte) (elems []rawElem) {
	_ = nlmsg.EachAttr(o, list, func(a nlmsg.Attr) error {
		e := rawElem{data: a.Data, key: attrOf(o, attrOf(o, a.Data, nlmsg.NFTASetElemKey), nlmsg.NFTADataValue)}
		flags, err := nlmsg.Attr{Data: attrOf(o, a.Data, nlmsg.NFTASetElemFlags)}.Uint32BE()
		e.end = err == nil && flags&nlmsg.SetElemIntervalEnd != 0
		elems = append(elems, e)
		return nil
	})
	return elems
}

// copyAttrs writes attributes as a kernel gave them, without some.
func (e *encoder) copyAttrs(attrs []byte, without ...uint16) {
	err := nlmsg.EachAttr(e.order, attrs, func(a nlmsg.Attr) error {
		if !slices.Contains(without, a.Type) {
			e.b.Data(a.Type, a.Data)
		}
		return nil
	})
	if err != nil {
		e.fail(err)
	}
}

// copySet makes a set with its elements, and gives the id that it has in the batch. A kernel numbers anonymous sets itself.
func (e *encoder) copySet(op *Operation, t *rawTable, name string) (id uint32) {
	id = e.nextSet(0)
	i := slices.IndexFunc(t.sets, func(s rawObject) bool { return s.name == name })
	if i < 0 {
		return id // the kernel will refuse the rule
	}
	sent := name
	if isAnonymous(name) {
		sent = anonymousName
	}
	e.begin(op, nlmsg.NFTMsgNewSet, nlmsg.FlagCreate)
	e.b.String(nlmsg.NFTASetTable, op.Table)
	e.b.String(nlmsg.NFTASetName, sent)
	// 19 and 20 are what newer kernels tell about the set's memory.
	e.copyAttrs(t.sets[i].attrs, nlmsg.NFTASetTable, nlmsg.NFTASetName, nlmsg.NFTASetHandle, 19, 20)
	e.b.Uint32BE(nlmsg.NFTASetID, id)
	e.end()
	elems := t.elements[name]
	if t.intervals[name] { // a kernel gives them in the order of its tree, and takes them from the lowest on
		elems = slices.Clone(elems)
		slices.SortStableFunc(elems, compareElems)
	}
	e.copyElements(op, setBody{name: sent, id: id}, elems)
	return id
}

// compareElems orders the elements of an interval set: the end of one interval comes before the beginning of the next.
func compareElems(a, b rawElem) int {
	if c := bytes.Compare(a.key, b.key); c != 0 || a.end == b.end {
		return c
	}
	if a.end {
		return -1
	}
	return 1
}

// copyElements spreads elements over as many messages as they need.
func (e *encoder) copyElements(op *Operation, s setBody, elems []rawElem) {
	for len(elems) > 0 {
		list := e.beginElements(op, nlmsg.NFTMsgNewSetElem, s)
		for len(elems) > 0 && (e.b.Len()-list)+len(elems[0].data)+8 < maxAttr {
			e.copyElement(elems[0])
			elems = elems[1:]
		}
		e.b.EndNest(list)
		e.end()
	}
}

// copyElement writes an element. Kernels tell a timeout of the end of an interval, and take none.
func (e *encoder) copyElement(x rawElem) {
	elem := e.b.Nest(nlmsg.NFTAListElem)
	if x.end {
		e.copyAttrs(x.data, nlmsg.NFTASetElemTimeout, nlmsg.NFTASetElemExpiration)
	} else {
		e.copyAttrs(x.data)
	}
	e.b.EndNest(elem)
}

// copyRule appends a rule to its chain, or puts it in place of another, and makes its anonymous sets before it.
func (e *encoder) copyRule(op *Operation, t *rawTable, attrs []byte) {
	ids := map[string]uint32{}
	expressions := attrOf(e.order, attrs, nlmsg.NFTARuleExpressions)
	err := eachReference(e.order, expressions, func(x object) {
		if x.kind == KindSet && isAnonymous(x.name) {
			ids[x.name] = e.copySet(op, t, x.name)
		}
	})
	if err != nil {
		e.fail(err)
		return
	}
	if op.Verb == VerbReplace {
		e.begin(op, nlmsg.NFTMsgNewRule, nlmsg.FlagReplace)
		e.b.Uint64BE(nlmsg.NFTARuleHandle, op.Handle)
	} else {
		e.begin(op, nlmsg.NFTMsgNewRule, nlmsg.FlagCreate|nlmsg.FlagAppend)
	}
	e.copyAttrs(attrs, nlmsg.NFTARuleHandle, nlmsg.NFTARulePosition, nlmsg.NFTARuleExpressions)
	list := e.b.Nest(nlmsg.NFTARuleExpressions)
	err = nlmsg.EachAttr(e.order, expressions, func(a nlmsg.Attr) error {
		e.copyExpression(a.Data, ids)
		return nil
	})
	if err != nil {
		e.fail(err)
	}
	e.b.EndNest(list)
	e.end()
}

// copyExpression writes an expression; a lookup in an anonymous set names it by its id.
func (e *encoder) copyExpression(expr []byte, ids map[string]uint32) {
	name, data, err := nlmsg.Expression(e.order, expr)
	if err != nil {
		e.fail(err)
		return
	}
	set := attrText(e.order, data, nlmsg.NFTALookupSet)
	id, anonymous := ids[set]
	if name != "lookup" || !anonymous {
		e.b.Data(nlmsg.NFTAListElem|nlmsg.AttrNested, expr)
		return
	}
	elem := e.b.Nest(nlmsg.NFTAListElem)
	e.b.String(nlmsg.NFTAExprName, name)
	nest := e.b.Nest(nlmsg.NFTAExprData)
	e.b.String(nlmsg.NFTALookupSet, anonymousName)
	e.copyAttrs(data, nlmsg.NFTALookupSet)
	e.b.Uint32BE(nlmsg.NFTALookupSetID, id)
	e.b.EndNest(nest)
	e.b.EndNest(elem)
}
