package judge

import (
	"bytes"
	"hash/fnv"
	"slices"
	"strconv"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A set is a named or an anonymous one, with its elements as they came.
type set struct {
	flags    uint32
	fields   []int // lengths of a concatenation's fields in bytes, padded to registers
	elements []element

	sorted   bool     // elements are in order of their keys
	identity string   // of the content, once it was asked for
	any      *element // the catch-all element
}

// An element is a key, a range of keys, or the end of an interval.
type element struct {
	key, last []byte // last is the upper bound of a range in a set of concatenations
	end       bool   // the interval before ends here
	catchAll  bool
	data      []byte // of a map: content of NFTA_SET_ELEM_DATA
}

const elemCatchAll = 1 << 1 // NFT_SET_ELEM_CATCHALL

// readElements takes the content of NFTA_SET_ELEM_LIST_ELEMENTS.
func readElements(o nlmsg.Order, b []byte) ([]element, error) {
	var list []element
	err := nlmsg.EachAttr(o, b, func(elem nlmsg.Attr) error {
		var e element
		err := nlmsg.EachAttr(o, elem.Data, func(a nlmsg.Attr) error {
			switch a.Type {
			case nlmsg.NFTASetElemKey:
				e.key = value(o, a.Data)
			case nlmsg.NFTASetElemKeyEnd:
				e.last = value(o, a.Data)
			case nlmsg.NFTASetElemData:
				e.data = a.Data
			case nlmsg.NFTASetElemFlags:
				flags, err := a.Uint32BE()
				e.end, e.catchAll = flags&nlmsg.SetElemIntervalEnd != 0, flags&elemCatchAll != 0
				return err
			}
			return nil
		})
		list = append(list, e)
		return err
	})
	return list, err
}

// clone is a set that can be changed without changing s.
func (s *set) clone() *set {
	return &set{flags: s.flags, fields: s.fields, elements: slices.Clone(s.elements)}
}

func (s *set) add(list []element) {
	for _, e := range list {
		if !slices.ContainsFunc(s.elements, e.same) {
			s.elements = append(s.elements, e)
		}
	}
}

func (s *set) remove(list []element) {
	for _, e := range list {
		s.elements = slices.DeleteFunc(s.elements, e.same)
	}
}

func (e element) same(f element) bool {
	return e.end == f.end && e.catchAll == f.catchAll && bytes.Equal(e.key, f.key) && bytes.Equal(e.last, f.last)
}

func (s *set) interval() bool { return s.flags&nlmsg.SetInterval != 0 }

// prepare sorts the elements, ends before the beginnings of the same key, and tells the catch-all apart.
func (s *set) prepare() {
	if s.sorted {
		return
	}
	s.sorted = true
	for i := range s.elements {
		if s.elements[i].catchAll {
			e := s.elements[i]
			s.any = &e
		}
	}
	s.elements = slices.DeleteFunc(s.elements, func(e element) bool { return e.catchAll })
	slices.SortFunc(s.elements, func(a, b element) int {
		if c := bytes.Compare(a.key, b.key); c != 0 || a.end == b.end {
			return c
		}
		if a.end {
			return -1
		}
		return 1
	})
}

// find looks up a key whose bytes are known; nil if the set does not have it.
func (s *set) find(key []byte) *element {
	s.prepare()
	if len(s.fields) > 1 && s.interval() {
		for i := range s.elements {
			if s.within(&s.elements[i], key) {
				return &s.elements[i]
			}
		}
		return s.any
	}
	// The last element that is not behind the key.
	i, _ := slices.BinarySearchFunc(s.elements, key, func(e element, key []byte) int {
		if bytes.Compare(e.key, key) <= 0 {
			return -1
		}
		return 1
	})
	if i > 0 {
		switch e := &s.elements[i-1]; {
		case s.interval() && !e.end, !s.interval() && bytes.Equal(e.key, key):
			return e
		}
	}
	return s.any
}

// within compares field by field.
func (s *set) within(e *element, key []byte) bool {
	last := e.last
	if last == nil {
		last = e.key
	}
	if len(e.key) != len(key) || len(last) != len(key) {
		return false
	}
	at := 0
	for _, n := range s.fields {
		to := min(at+n, len(key))
		if bytes.Compare(key[at:to], e.key[at:to]) < 0 || bytes.Compare(key[at:to], last[at:to]) > 0 {
			return false
		}
		at = to
	}
	return true
}

// few are the keys of a small set of single values.
func (s *set) few() ([]element, bool) {
	s.prepare()
	return s.elements, len(s.elements) <= 8 && !s.interval() && s.any == nil
}

// content names what the set holds, whatever its name.
func (s *set) content() string {
	if s.identity == "" {
		s.prepare()
		h := fnv.New128a()
		for i := range s.elements {
			e := &s.elements[i]
			h.Write(e.key)
			h.Write([]byte{'-', boolByte(e.end)})
			h.Write(e.last)
			h.Write(e.data)
		}
		s.identity = strconv.Itoa(len(s.elements)) + ":" + string(h.Sum(nil))
	}
	return s.identity
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// keyLength is the length of the keys in bytes.
func (s *set) keyLength() int {
	s.prepare()
	for i := range s.elements {
		return len(s.elements[i].key)
	}
	return 0
}

func (s *set) anonymous() bool { return s.flags&nlmsg.SetAnonymous != 0 }
