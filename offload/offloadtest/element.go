package offloadtest

import (
	"cmp"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// newElements adds elements. Those that are there already are passed over, unless the message is exclusive.
func (t *transaction) newElements(r *request) *refusal {
	list := r.attrs.get(nlmsg.NFTASetElemListElements)
	if !list.there {
		return refuse(eINVAL)
	}
	tab, bad := t.tableOf(r, nlmsg.NFTASetElemListTable)
	if bad != nil {
		return bad
	}
	name := r.attrs.get(nlmsg.NFTASetElemListSet)
	s := t.setOf(tab, name, r.attrs.get(nlmsg.NFTASetElemListSetID))
	if s == nil {
		return t.point(name, eNOENT)
	}
	if s.flags&(nlmsg.SetConstant|nlmsg.SetAnonymous) != 0 && tab.uses().sets[s.name] > 0 {
		return refuse(eBUSY)
	}
	s.own()
	added := map[string]attr{}
	pairs := pairing{set: s, on: t.model >= linux618 && s.interval()}
	for _, a := range list.inside() {
		e, errno := parseElement(a, s)
		if errno != 0 {
			return a.refuse(errno)
		}
		if _, there := s.elements[e.id()]; there {
			if r.has(nlmsg.FlagExcl) || !pairs.fits(e) {
				return a.refuse(eEXIST)
			}
			continue
		}
		if s.size != 0 && uint64(len(s.elements)) >= uint64(s.size) {
			return a.refuse(eNFILE)
		}
		pairs.last = nil
		s.elements[e.id()] = e
		added[e.id()] = a
		t.happened(event{msg: nlmsg.NFTMsgNewSetElem, request: r, table: tab, set: s, element: &e})
		t.changed = true
	}
	if overlap, ok := s.overlap(added); ok {
		return overlap.refuse(eEXIST)
	}
	return nil
}

// id tells the two ends of intervals apart that meet in one key.
func (e element) id() string {
	if e.end {
		return e.key + "e"
	}
	return e.key + "s"
}

func parseElement(a attr, s *set) (element, int32) {
	list := a.inside()
	key, flags := list.get(nlmsg.NFTASetElemKey), list.get(nlmsg.NFTASetElemFlags).u32()
	if !key.there || list.get(nlmsg.NFTASetElemData).there || flags&^3 != 0 {
		return element{}, eINVAL
	}
	value := key.inside().get(nlmsg.NFTADataValue)
	end := flags&nlmsg.SetElemIntervalEnd != 0
	if len(value.Data) != int(s.keyLen) || end && !s.interval() {
		return element{}, eINVAL
	}
	return element{key: string(value.Data), end: end, content: elementBody(list)}, 0
}

// elementBody is what dumps tell of an element.
func elementBody(sent attrs) []byte {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	writeParts(b, sent, []part{
		{typ: nlmsg.NFTASetElemKey, form: asData}, {typ: nlmsg.NFTASetElemFlags, form: unless0}, {typ: nlmsg.NFTASetElemUserdata},
	})
	return b.Bytes()
}

// overlap finds an added element that lies within an interval, or an interval with another in it. A beginning without an end
// is none: that may come later.
func (s *set) overlap(added map[string]attr) (attr, bool) {
	if !s.interval() || len(added) == 0 {
		return attr{}, false
	}
	var last element
	for i, e := range s.sorted() {
		a, isNew := added[e.id()]
		if i > 0 && e.end == last.end {
			if isNew {
				return a, true
			}
			if a, isNew = added[last.id()]; isNew && e.end {
				return a, true
			}
		}
		last = e
	}
	return attr{}, false
}

// A pairing holds that 7.2 knows the end of an interval that is there by its beginning.
type pairing struct {
	set  *set
	on   bool
	ends map[string]string // by the keys of beginnings; as they were before the message
	last *element
}

// fits reports whether an element that is there is not the end of another interval than that whose beginning came before it.
func (p *pairing) fits(e element) bool {
	last := p.last
	p.last = &e
	if !p.on || !e.end || last == nil || last.end {
		return true
	}
	if p.ends == nil {
		p.ends = map[string]string{}
		begin := ""
		for _, x := range p.set.sorted() {
			if x.end {
				p.ends[begin] = x.key
			} else {
				begin = x.key
			}
		}
	}
	end, known := p.ends[last.key]
	return !known || end == e.key
}

// sorted are the elements by key; where one interval ends and the next begins, the end comes first.
func (s *set) sorted() []element {
	list := make([]element, 0, len(s.elements))
	for _, e := range s.elements {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b element) int {
		order := cmp.Compare(a.key, b.key)
		switch {
		case order != 0 || a.end == b.end:
			return order
		case a.end:
			return -1
		}
		return 1
	})
	return list
}

// delElements removes elements, or all of them where the message names none.
func (t *transaction) delElements(r *request) *refusal {
	tab, bad := t.tableOf(r, nlmsg.NFTASetElemListTable)
	if bad != nil {
		return bad
	}
	name := r.attrs.get(nlmsg.NFTASetElemListSet)
	s := tab.set(name.String())
	switch {
	case s == nil:
		return t.point(name, eNOENT)
	case s.anonymous():
		return refuse(eOPNOTSUPP)
	case s.flags&nlmsg.SetConstant != 0 && tab.uses().sets[s.name] > 0:
		return refuse(eBUSY)
	}
	s.own()
	list := r.attrs.get(nlmsg.NFTASetElemListElements)
	if !list.there {
		t.changed = t.changed || len(s.elements) > 0
		clear(s.elements)
		return nil
	}
	for _, a := range list.inside() {
		e, errno := parseElement(a, s)
		if errno != 0 {
			return a.refuse(errno)
		}
		old, there := s.elements[e.id()]
		if !there {
			if r.destroy {
				continue
			}
			return a.refuse(eNOENT)
		}
		t.happened(event{msg: nlmsg.NFTMsgDelSetElem, request: r, table: tab, set: s, element: &old})
		delete(s.elements, e.id())
		t.changed = true
	}
	return nil
}
