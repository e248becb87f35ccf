package ruleset

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A LoadedSet is a set that a kernel held, a named one or the anonymous one of a rule. Safe for concurrent reading.
type LoadedSet struct {
	Family Family `json:"family"`
	Table  string `json:"table"`
	Name   string `json:"name"`
	Handle uint64 `json:"handle"`
	// Flags are NFT_SET_*: 1 anonymous, 2 constant, 4 interval, 8 map, ...
	Flags uint32 `json:"flags,omitempty"`
	// KeyType is nft's number of the elements' type, KeyLen their length in bytes.
	KeyType uint32 `json:"keyType"`
	KeyLen  uint32 `json:"keyLen"`

	elements []rawElement     // as the kernel gives them
	ranges   []nftvalue.Range // what they hold, sorted
	adorned  bool             // it is a map, or its elements time out or carry statements
	torn     bool             // beginnings and ends of its intervals do not go together
}

// A rawElement is an element as a kernel gives it. That of an interval is its first value, or the one behind its last.
type rawElement struct {
	key     [16]byte
	end     bool // it ends an interval
	adorned bool // it has data, a timeout, statements
}

// Sets are those of all tables, in the kernel's order.
func (l *Loaded) Sets() []LoadedSet { return slices.Clone(l.sets) }

// Elements are the set's in nft's spelling, sorted by value; those of types that a Set cannot have are hexadecimal. They are read
// only for tables that bear an owner's mark.
func (s *LoadedSet) Elements() []string {
	words := make([]string, len(s.ranges))
	for i := range s.ranges {
		words[i] = s.text(&s.ranges[i])
	}
	return words
}

// Len is how many elements Elements has.
func (s *LoadedSet) Len() int { return len(s.ranges) }

// Type is the type of its elements; "" if a Set cannot have it.
func (s *LoadedSet) Type() SetType { return s.setType() }

// content is a hash of what the set holds, whatever its name.
func (s *LoadedSet) content() digest {
	return digestRanges(s.ranges, s.known())
}

// known is how many bytes of a key are kept.
func (s *LoadedSet) known() int { return int(min(s.KeyLen, uint32(len(rawElement{}.key)))) }

// text is an element in nft's spelling.
func (s *LoadedSet) text(r *nftvalue.Range) string {
	if t := s.setType(); t != "" {
		return r.Span(kindOf(t), int(s.KeyLen)).Text(kindOf(t))
	}
	n := s.known()
	if r.Low == r.High {
		return fmt.Sprintf("0x%x", r.Low[:n])
	}
	return fmt.Sprintf("0x%x-0x%x", r.Low[:n], r.High[:n])
}

func (l *Loaded) addSet(o nlmsg.Order, family byte, b []byte) error {
	s := LoadedSet{Family: familyName(family)}
	err := nlmsg.EachAttr(o, b, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTASetTable:
			s.Table = a.String()
		case nlmsg.NFTASetName:
			s.Name = a.String()
		case nlmsg.NFTASetHandle:
			s.Handle, err = a.Uint64BE()
		case nlmsg.NFTASetFlags:
			s.Flags, err = a.Uint32BE()
		case nlmsg.NFTASetKeyType:
			s.KeyType, err = a.Uint32BE()
		case nlmsg.NFTASetKeyLen:
			s.KeyLen, err = a.Uint32BE()
		case nlmsg.NFTASetDataType, nlmsg.NFTASetTimeout, nlmsg.NFTASetObjType, nlmsg.NFTASetExpr, nlmsg.NFTASetExpressions:
			s.adorned = true
		}
		return err
	})
	l.sets = append(l.sets, s)
	return err
}

func (l *Loaded) addElements(o nlmsg.Order, family byte, b []byte) error {
	var table, name string
	var list []byte
	err := nlmsg.EachAttr(o, b, func(a nlmsg.Attr) error {
		switch a.Type {
		case nlmsg.NFTASetElemListTable:
			table = a.String()
		case nlmsg.NFTASetElemListSet:
			name = a.String()
		case nlmsg.NFTASetElemListElements:
			list = a.Data
		}
		return nil
	})
	if err != nil {
		return err
	}
	s := l.set(familyName(family), table, name)
	if s == nil {
		return fmt.Errorf("%w: elements of set %s %s %s, which was not dumped before", nlmsg.ErrMalformed, familyName(family), table, name)
	}
	for len(list) > 0 {
		var a nlmsg.Attr
		if a, list, err = nlmsg.NextAttr(o, list); err != nil {
			return err
		}
		if err := s.addElement(o, a.Data); err != nil {
			return err
		}
	}
	return nil
}

// set finds one that was read. Elements come set by set in the order of the sets: the search begins where the last one ended.
func (l *Loaded) set(f Family, table, name string) *LoadedSet {
	for n := range l.sets {
		i := (l.lastSet + n) % len(l.sets)
		if s := &l.sets[i]; s.Name == name && s.Table == table && s.Family == f {
			l.lastSet = i
			return s
		}
	}
	return nil
}

func (s *LoadedSet) addElement(o nlmsg.Order, b []byte) error {
	var e rawElement
	for len(b) > 0 {
		a, rest, err := nlmsg.NextAttr(o, b)
		if err != nil {
			return err
		}
		b = rest
		switch a.Type {
		case nlmsg.NFTASetElemKey:
			value, _, err := nlmsg.NextAttr(o, a.Data)
			if err != nil {
				return err
			}
			copy(e.key[:], value.Data)
			e.adorned = e.adorned || len(value.Data) > len(e.key)
		case nlmsg.NFTASetElemFlags:
			flags, err := a.Uint32BE()
			if err != nil {
				return err
			}
			e.end = flags&nlmsg.SetElemIntervalEnd != 0
			e.adorned = e.adorned || flags&^nlmsg.SetElemIntervalEnd != 0
		case nlmsg.NFTASetElemUserdata:
		default:
			e.adorned = true
		}
	}
	s.elements = append(s.elements, e)
	return nil
}

// finish makes ranges of the elements. It is false if one is there twice: the kernel moved a hash table while it listed it, and
// then others are missing (rhashtable grows some time after a commit, and the ruleset's generation does not tell). Keys of more than 16 bytes,
// which only others' concatenations have, are not told apart.
func (s *LoadedSet) finish() bool {
	for i := range s.elements {
		s.adorned = s.adorned || s.elements[i].adorned
	}
	length := s.known()
	if s.Flags&nlmsg.SetInterval == 0 {
		s.ranges = make([]nftvalue.Range, len(s.elements))
		for i := range s.elements {
			s.ranges[i] = nftvalue.Range{Low: s.elements[i].key, High: s.elements[i].key}
		}
		nftvalue.SortRanges(s.ranges)
	} else {
		s.ranges, s.torn = intervals(s.elements, length)
	}
	listed := len(s.ranges)
	s.elements, s.ranges = nil, nftvalue.UniqueRanges(s.ranges)
	return len(s.ranges) == listed || uint64(s.KeyLen) > uint64(len(rawElement{}.key))
}

// intervals puts ends to beginnings. The end at zero, with which nft begins a set, is none; a beginning without an end reaches to the
// greatest value. Kernels take elements one by one, so that other ends without a beginning, and beginnings without an end, can be there
// too: torn tells.
func intervals(elements []rawElement, length int) (ranges []nftvalue.Range, torn bool) {
	slices.SortFunc(elements, func(a, b rawElement) int {
		if c := bytes.Compare(a.key[:], b.key[:]); c != 0 || a.end == b.end {
			return c
		}
		if a.end {
			return -1
		}
		return 1
	})
	ranges = make([]nftvalue.Range, 0, (len(elements)+1)/2)
	open := false
	for i := range elements {
		e := &elements[i]
		torn = torn || open && !e.end || !open && e.end && !isZero(e.key[:])
		if open {
			ranges[len(ranges)-1].High = before(e.key, length)
		}
		if open = !e.end; open {
			ranges = append(ranges, nftvalue.Range{Low: e.key})
		}
	}
	if open {
		last := &ranges[len(ranges)-1]
		for i := range length {
			last.High[i] = 0xff
		}
	}
	return ranges, torn
}

// before is the value before a key.
func before(key [16]byte, length int) [16]byte {
	for i := length - 1; i >= 0; i-- {
		key[i]--
		if key[i] != 0xff {
			break
		}
	}
	return key
}
