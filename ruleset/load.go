package ruleset

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/internal/mark"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/runlock"
)

// A Message is one nf_tables message as a kernel sends or takes it. Safe for concurrent reading.
type Message struct {
	Type, Flags uint16 // of the netlink header; Type is 10<<8 | NFT_MSG_*
	Generation  uint16 // low bits of the ruleset's generation (nfgenmsg's res_id in dumps)
	Data        []byte // nfgenmsg and attributes, numbers of the header in this machine's byte order
}

// A Loaded is what a kernel held at one generation. It keeps every message as it came, so that nothing is lost. Immutable
// and safe for concurrent use.
type Loaded struct {
	owner      string
	generation uint32
	torn       bool
	messages   []Message
	tables     []LoadedTable
	chains     []LoadedChain
	sets       []LoadedSet
	lastSet    int // whose elements came last
	rules      []LoadedRule
	flowtables []LoadedFlowtable
	parts      map[tableKey]*loadedParts // of the tables that bear a mark
	marks      []mark.Mark
	ignored    []IgnoredMark
}

// A LoadedTable is a table that a kernel held, of any family and anyone's. Safe for concurrent reading.
type LoadedTable struct {
	Family Family `json:"family"` // also the families that a Spec cannot name: "arp", "bridge", "netdev"
	Name   string `json:"name"`
	// Owner is the name in the mark of its comment, "" if it bears none, or one that cannot be ours.
	Owner string `json:"owner,omitempty"`
	// Note is what Plan.Remember left in it.
	Note   string `json:"note,omitempty"`
	Handle uint64 `json:"handle"`
	Use    uint32 `json:"use"` // number of chains, sets and flowtables in it
	// Flags are NFT_TABLE_F_*: 1 dormant, 2 owned by a socket.
	Flags uint32 `json:"flags,omitempty"`
}

// Load reads what a dump of tables, chains, sets, rules and flowtables holds, and the generation from an NFT_MSG_NEWGEN
// message among them. Messages of other kinds are kept unread. The owner says for whom it was read ("" is DefaultOwner); a Diff
// touches only tables of its Spec's owner, whoever this is. An error of the stream or a message that contradicts itself ends it.
func Load(owner string, messages iter.Seq2[Message, error]) (*Loaded, error) {
	return load(nlmsg.Native(), owner, messages)
}

func load(o nlmsg.Order, owner string, messages iter.Seq2[Message, error]) (*Loaded, error) {
	if owner == "" {
		owner = DefaultOwner
	}
	l := &Loaded{owner: owner}
	for m, err := range messages {
		if err != nil {
			return nil, err
		}
		m.Data = bytes.Clone(m.Data)
		if err := l.add(o, m); err != nil {
			return nil, fmt.Errorf("message %d of the dump, type %#x: %w", len(l.messages), m.Type, err)
		}
		l.messages = append(l.messages, m)
	}
	l.torn = l.isTorn()
	l.readTables()
	l.finish(o)
	l.index()
	return l, nil
}

// Owner is the owner given to Load.
func (l *Loaded) Owner() string { return l.owner }

// Generation is the ruleset's generation when the dump began; 0 if it did not say.
func (l *Loaded) Generation() uint32 { return l.generation }

// At is the same at another generation: somebody committed in between, and nothing of what a Loaded tells came of it.
func (l *Loaded) At(generation uint32) *Loaded {
	c := *l
	c.generation = generation
	c.messages = slices.Clone(l.messages)
	for i := range c.messages {
		if m := &c.messages[i]; m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewGen) {
			m.Data = generationData(nlmsg.Native(), generation)
		}
	}
	return &c
}

// Torn reports whether the messages do not belong together: they are of different generations, or a set changed its memory while
// it was listed. Read again.
func (l *Loaded) Torn() bool { return l.torn }

// Tables are all tables, ours and others', sorted by family and name. The locks of those who keep an owner's ruleset are none: they come
// and go with processes, and hold nothing.
func (l *Loaded) Tables() []LoadedTable { return slices.Clone(l.tables) }

// Flowtables are those of all tables, in the kernel's order.
func (l *Loaded) Flowtables() []LoadedFlowtable {
	list := slices.Clone(l.flowtables)
	for i := range list {
		list[i].Devices = slices.Clone(list[i].Devices)
	}
	return list
}

func (l *Loaded) add(o nlmsg.Order, m Message) error {
	family, _, attrs, err := nlmsg.Netfilter(m.Data)
	if err != nil {
		return err
	}
	switch m.Type {
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewTable):
		return l.addTable(o, family, attrs)
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewChain):
		return l.addChain(o, family, attrs)
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewSet):
		return l.addSet(o, family, attrs)
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewSetElem):
		return l.addElements(o, family, attrs)
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewRule):
		return l.addRule(o, family, attrs)
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewFlowtable):
		return l.addFlowtable(o, family, attrs)
	case nlmsg.NFTablesType(nlmsg.NFTMsgNewGen):
		return l.addGeneration(o, attrs)
	}
	return nil
}

func (l *Loaded) addTable(o nlmsg.Order, family byte, b []byte) error {
	t := LoadedTable{Family: familyName(family)}
	named := false
	err := nlmsg.EachAttr(o, b, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTATableName:
			t.Name, named = a.String(), true
		case nlmsg.NFTATableHandle:
			t.Handle, err = a.Uint64BE()
		case nlmsg.NFTATableUse:
			t.Use, err = a.Uint32BE()
		case nlmsg.NFTATableFlags:
			t.Flags, err = a.Uint32BE()
		case nlmsg.NFTATableUserdata:
			t.Owner, t.Note = readTableUdata(a.Data)
		}
		return err
	})
	if err != nil {
		return err
	}
	if !named { // an empty name is one: kernels take it
		return fmt.Errorf("%w: a table without a name", nlmsg.ErrMalformed)
	}
	if t.Family == Inet && runlock.Is(t.Name, t.Flags, t.Use) {
		return nil
	}
	l.tables = append(l.tables, t)
	return nil
}

func (l *Loaded) addGeneration(o nlmsg.Order, b []byte) error {
	return nlmsg.EachAttr(o, b, func(a nlmsg.Attr) (err error) {
		if a.Type == nlmsg.NFTAGenID {
			l.generation, err = a.Uint32BE()
		}
		return err
	})
}

// isTorn compares the generations that the messages bear with each other and with that of NEWGEN.
func (l *Loaded) isTorn() bool {
	first, known := uint16(l.generation), l.generation != 0
	for _, m := range l.messages {
		if m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewGen) {
			continue
		}
		if known && m.Generation != first {
			return true
		}
		first, known = m.Generation, true
	}
	return false
}

// table finds one table; a nil Loaded has none.
func (l *Loaded) table(f Family, name string) (LoadedTable, bool) {
	if l == nil {
		return LoadedTable{}, false
	}
	i, ok := slices.BinarySearchFunc(l.tables, LoadedTable{Family: f, Name: name}, compareTables)
	if !ok {
		return LoadedTable{}, false
	}
	return l.tables[i], true
}

// compareTables orders tables by family and name.
func compareTables(a, b LoadedTable) int {
	return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Name, b.Name))
}

// owned are the tables that bear an owner's mark.
func (l *Loaded) owned(owner string) []LoadedTable {
	if l == nil {
		return nil
	}
	var list []LoadedTable
	for _, t := range l.tables {
		if t.Owner == owner && mark.OfTable(t.Name) == nil {
			list = append(list, t)
		}
	}
	return list
}

// readTableUdata reads the mark in a table's user data: the comment, if it says whose the table is; and the note beside it. User data
// that is not a list of type, length and value is someone else's.
func readTableUdata(udata []byte) (owner, note string) {
	for len(udata) >= 2 {
		typ, n := udata[0], int(udata[1])
		if len(udata)-2 < n {
			return owner, note
		}
		value := udata[2 : 2+n]
		udata = udata[2+n:]
		text := string(bytes.TrimRight(value, "\x00"))
		switch typ {
		case nlmsg.UdataTableComment:
			if name, ok := strings.CutPrefix(text, mark.OwnerPrefix); ok && owner == "" {
				owner = name
			}
		case udataNote:
			note = text
		}
	}
	return owner, note
}

// familyName is a family as nft names it.
func familyName(n byte) Family { return Family(nlmsg.FamilyName(n)) }
