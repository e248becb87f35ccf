package replay

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What an image may hold, message by message; docs/firmware.md says it in words. Kernels take far more: a DELTABLE without a name
// deletes every table, the last of two equal attributes is the one that counts, and a handle or an ID names what the eye does not see.
// So nothing is allowed that ruleset/image.go does not write: not another type, flag, attribute, or order of them.

// A form is one kind of message: its type, its flags beside NLM_F_REQUEST, and its attributes in their order.
type form struct {
	typ, flags uint16
	attrs      []part
}

// A part is one attribute of a form.
type part struct {
	typ      uint16
	optional bool
}

// Messages of include/uapi/linux/netfilter/nf_tables.h that an image holds, and their attributes.
const (
	delTable   = subsysNFTables<<8 | 2
	newChain   = subsysNFTables<<8 | 3
	newRule    = subsysNFTables<<8 | 6
	newSet     = subsysNFTables<<8 | 9
	newElement = subsysNFTables<<8 | 12

	inTable = 1 // of everything that is in a table

	tableFlags = 2

	chainName   = 3
	chainHook   = 4
	chainPolicy = 5
	chainType   = 7
	hookNumber  = 1
	hookPrio    = 2

	setName     = 2
	setFlags    = 3
	setKeyType  = 4
	setKeyLen   = 5
	setDesc     = 9
	setID       = 10
	setUserdata = 13

	elementSet   = 2
	elementList  = 3
	elementSetID = 4

	ruleChain       = 2
	ruleExpressions = 4
	ruleUserdata    = 7

	flowtableFlags = 7
)

var (
	formDeclare   = form{newTable, flagCreate, []part{{tableName, false}}}
	formDelete    = form{delTable, 0, []part{{tableName, false}}}
	formCreate    = form{newTable, flagCreate | flagExcl, []part{{tableName, false}, {tableFlags, false}, {tableUserdata, false}}}
	formChain     = form{newChain, flagCreate, []part{{inTable, false}, {chainName, false}}}
	formBaseChain = form{newChain, flagCreate, []part{{inTable, false}, {chainName, false}, {chainType, false}, {chainPolicy, false}, {chainHook, false}}}
	formSet       = form{newSet, flagCreate, []part{{inTable, false}, {setName, false}, {setFlags, false}, {setKeyType, false}, {setKeyLen, false},
		{setID, false}, {setDesc, true}, {setUserdata, false}}}
	formElement   = form{newElement, flagCreate, []part{{inTable, false}, {elementSet, false}, {elementSetID, false}, {elementList, false}}}
	formFlowtable = form{newFlowtable, flagCreate, []part{{inTable, false}, {flowtableName, false}, {flowtableFlags, false}, {flowtableHook, false}}}
	formRule      = form{newRule, flagCreate | flagAppend, []part{{inTable, false}, {ruleChain, false}, {ruleExpressions, false}, {ruleUserdata, false}}}
	formDevice    = form{newFlowtable, flagCreate, []part{{inTable, false}, {flowtableName, false}, {flowtableHook, false}}}

	hookOfChain     = []part{{hookNumber, false}, {hookPrio, false}}
	hookOfFlowtable = hookOfChain
	hookOfDevice    = []part{{hookDevices, false}}
)

// read takes the attributes of a message that has this form; false if it has another. Acknowledgements and echoes may be asked for.
func (f form) read(o binary.ByteOrder, m message) ([][]byte, bool) {
	if m.typ != f.typ || m.flags&^(flagAck|flagEcho) != flagRequest|f.flags || m.data[1] != 0 || m.data[2] != 0 || m.data[3] != 0 {
		return nil, false
	}
	_, attrs := m.netfilter()
	return readParts(o, attrs, f.attrs)
}

// readParts takes attributes that are these, in this order, and no others, whole to the last byte. One that is left out is nil.
func readParts(o binary.ByteOrder, b []byte, parts []part) ([][]byte, bool) {
	values := make([][]byte, len(parts))
	for i, p := range parts {
		a, rest, ok := nextAttribute(o, b)
		switch {
		case ok && a.typ == p.typ:
			values[i], b = a.data, rest
		case !p.optional:
			return nil, false
		}
	}
	return values, len(b) == 0
}

// A base is what is known of the base of an image while it is read.
type base struct {
	order  binary.ByteOrder
	tables []table         // that it declares, in order
	made   map[string]bool // the keys of tables, chains and flowtables that were made so far
	sets   []string        // the keys of sets by their ID, which counts from 1
}

// readBase checks a base message by message. First each of its tables is added, so that there is one, and deleted; then everything
// is made anew.
func readBase(t batch) (base, error) {
	b := base{order: t.order, made: map[string]bool{}}
	messages := t.inside()
	first := 0
	for first+1 < len(messages) && b.declare(messages[first], messages[first+1]) {
		first += 2
	}
	if first < len(messages) {
		if _, ok := formDeclare.read(t.order, messages[first]); ok {
			return b, refused("message " + strconv.Itoa(first+1) + " of the base (" + messages[first].object(t.order) +
				") declares no table of its own, or the next one does not delete that table and no other")
		}
	}
	for i, m := range messages[first:] {
		if why := b.make(m); why != "" {
			return b, refused("message " + strconv.Itoa(first+i+1) + " of the base (" + m.object(t.order) + ") " + why)
		}
	}
	for _, t := range b.tables {
		if t.mark == "" {
			return b, refused("the base deletes " + t.String() + " and does not make it again")
		}
		if t.mark != b.tables[0].mark {
			return b, refused("the tables of the base bear marks of different owners, " + shown(t.mark) + " and " + shown(b.tables[0].mark))
		}
	}
	return b, nil
}

// refused is the error about what no image holds.
func refused(what string) error {
	return malformed(what + ": an image of this library holds no such thing; build it again from its Spec")
}

// declare takes the two messages that add and delete a table.
func (b *base) declare(add, del message) bool {
	added, ok := formDeclare.read(b.order, add)
	deleted, also := formDelete.read(b.order, del)
	if !ok || !also || !isName(added[0]) || string(added[0]) != string(deleted[0]) || add.data[0] != del.data[0] || !ours(add.data[0]) {
		return false
	}
	t := table{family: add.data[0], name: text(added[0])}
	if reserved(t.name) || b.find(t.family, t.name) != nil {
		return false
	}
	b.tables = append(b.tables, t)
	return true
}

// ours reports whether a Spec can have tables of a family: inet, ip, ip6.
func ours(family byte) bool { return family == 1 || family == 2 || family == 10 }

// reserved reports whether a table's name is that of a mark, which says what was done to a namespace (internal/mark), or of a lock, which keeps every Run of
// an owner away where no socket holds it (internal/runlock).
func reserved(name string) bool {
	for _, prefix := range []string{"fastpath_off_", "fastpath_on_", "fastpath_unconfirmed_", "fastpath_setting_", "fastpath_run_", "fastpath_takeover_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func (b *base) find(family byte, name string) *table {
	for i := range b.tables {
		if t := &b.tables[i]; t.family == family && t.name == name {
			return t
		}
	}
	return nil
}

// make takes a message that makes something in one of the tables, or says why it may not stand there.
func (b *base) make(m message) (why string) {
	family, attrs := m.netfilter()
	first, _, ok := nextAttribute(b.order, attrs)
	if !ok || first.typ != tableName || !isName(first.data) {
		return "names no table first"
	}
	t := b.find(family, text(first.data))
	switch {
	case t == nil:
		return "is not about a table that the base declares"
	case m.typ == newTable:
		return b.makeTable(m, t)
	case t.mark == "":
		return "comes before its table"
	}
	switch m.typ {
	case newChain:
		ok = b.makeChain(m)
	case newSet:
		ok = b.makeSet(m)
	case newElement:
		ok = b.fillSet(m)
	case newFlowtable:
		ok = b.makeFlowtable(m)
	case newRule:
		ok = b.makeRule(m)
	default:
		return "does not make a part of a table"
	}
	if !ok {
		return "has a flag, an attribute or a name that does not belong there"
	}
	return ""
}

// makeTable takes the message that makes a table, with its owner's mark.
func (b *base) makeTable(m message, t *table) (why string) {
	v, ok := formCreate.read(b.order, m)
	switch {
	case t.mark != "":
		return "makes a table again"
	case !ok || !isNumber(v[1], 0):
		return "has a flag or an attribute that does not belong there"
	}
	if t.mark = onlyComment(v[2]); t.mark == "" {
		return "bears no owner's mark"
	}
	return ""
}

// makeChain takes a chain, which packets reach by a jump or by one hook of the network layer.
func (b *base) makeChain(m message) bool {
	if v, ok := formChain.read(b.order, m); ok {
		return b.add(m, "chain", v[1])
	}
	v, ok := formBaseChain.read(b.order, m)
	if !ok {
		return false
	}
	hook, ok := readParts(b.order, v[4], hookOfChain)
	return ok && isNumber(hook[0], hookMost) && isNumber(v[3], 1) && b.add(m, "chain", v[1])
}

// makeSet takes a set and notes its ID.
func (b *base) makeSet(m message) bool {
	v, ok := formSet.read(b.order, m)
	if !ok || !isName(v[1]) || !isNumber(v[2], setMost) || !isNumber(v[5], uint32(len(b.sets)+1)) || isNumber(v[5], uint32(len(b.sets))) {
		return false
	}
	b.sets = append(b.sets, key(m, "set", v[0], v[1]))
	return true
}

// fillSet takes elements of a set that was made before: a kernel finds it by its name, and if there is none by its ID.
func (b *base) fillSet(m message) bool {
	v, ok := formElement.read(b.order, m)
	if !ok || len(v[2]) != 4 {
		return false
	}
	id := binary.BigEndian.Uint32(v[2])
	return id >= 1 && uint64(id) <= uint64(len(b.sets)) && b.sets[id-1] == key(m, "set", v[0], v[1])
}

// makeFlowtable takes a flowtable without devices.
func (b *base) makeFlowtable(m message) bool {
	v, ok := formFlowtable.read(b.order, m)
	if !ok || !isNumber(v[2], flowtableMost) {
		return false
	}
	hook, ok := readParts(b.order, v[3], hookOfFlowtable)
	return ok && isNumber(hook[0], 0) && len(hook[1]) == 4 && b.add(m, "flowtable", v[1])
}

// makeRule takes a rule at the end of a chain that was made before. What the rule does is between the Spec and the kernel.
func (b *base) makeRule(m message) bool {
	v, ok := formRule.read(b.order, m)
	return ok && b.made[key(m, "chain", v[0], v[1])]
}

// add notes something that is made, once.
func (b *base) add(m message, kind string, name []byte) bool {
	_, attrs := m.netfilter()
	k := key(m, kind, find(b.order, attrs, inTable), name)
	fresh := !b.made[k]
	b.made[k] = true
	return fresh && isName(name)
}

// key names a part of a table.
func key(m message, kind string, table, name []byte) string {
	return string(m.data[:1]) + kind + "\x00" + string(table) + string(name)
}

// isNumber reports whether b is a number as nf_tables writes them, and how large at most.
func isNumber(b []byte, most uint32) bool { return len(b) == 4 && binary.BigEndian.Uint32(b) <= most }

// The greatest values that a Spec leads to.
const (
	hookMost      = 4 // NF_INET_POST_ROUTING
	setMost       = 7 // anonymous, constant, interval
	flowtableMost = 3 // hardware offload, counter
)

// isName reports whether b is a name as this library writes it: a string that ends in its only NUL, without control characters.
func isName(b []byte) bool {
	n := len(b) - 1
	if n < 1 || n > maxName || b[n] != 0 {
		return false
	}
	for _, c := range b[:n] {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// maxName is NFT_NAME_MAXLEN without the NUL.
const maxName = 255

// onlyComment reads the mark out of a table's user data; "" if there is anything else in it, or what no terminal should print.
func onlyComment(udata []byte) string {
	if len(udata) < 2 || udata[0] != udataComment || int(udata[1]) != len(udata)-2 {
		return ""
	}
	mark := text(udata[2:])
	if len(mark) != len(udata)-3 || !strings.HasPrefix(mark, ownerPrefix) || !utf8.ValidString(mark) || strings.IndexFunc(mark, unicode.IsControl) >= 0 {
		return ""
	}
	return mark
}

// ownerPrefix begins the comment of every table that this library makes.
const ownerPrefix = "managed by "
