package replay_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/mark"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/runlock"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/replay"
)

const create, excl, appendFlag = nlmsg.FlagCreate, nlmsg.FlagExcl, nlmsg.FlagAppend

// message is an nf_tables message; attrs may be nil.
func message(order binary.ByteOrder, typ, flags uint16, family byte, attrs func(*nlmsg.Builder)) []byte {
	b := nlmsg.NewBuilder(nlmsg.OrderOf(order), nil)
	b.BeginNetfilter(nlmsg.NFTablesType(typ), nlmsg.FlagRequest|flags, 0, family, 0)
	if attrs != nil {
		attrs(b)
	}
	b.End()
	return b.Bytes()
}

// named is a message with names as its first attributes.
func named(typ, flags uint16, names ...string) []byte {
	return message(binary.LittleEndian, typ, flags, nlmsg.FamilyInet, func(b *nlmsg.Builder) {
		for i, name := range names {
			b.String(uint16(i+1), name)
		}
	})
}

// split cuts a batch into its messages.
func split(t testing.TB, order binary.ByteOrder, batch []byte) [][]byte {
	t.Helper()
	var list [][]byte
	for rest := batch; len(rest) > 0; {
		_, more, err := nlmsg.NextMessage(nlmsg.OrderOf(order), rest)
		require.NoError(t, err)
		list, rest = append(list, bytes.Clone(rest[:len(rest)-len(more)])), more
	}
	return list
}

// join numbers messages and puts them together.
func join(order binary.ByteOrder, messages ...[]byte) []byte {
	var b []byte
	for i, m := range messages {
		m = bytes.Clone(m)
		order.PutUint32(m[8:], uint32(i))
		b = append(b, m...)
	}
	return b
}

// ofConntrack deletes all connections.
func ofConntrack() []byte {
	m := named(nlmsg.NFTMsgDelTable, 0)
	binary.LittleEndian.PutUint16(m[4:], 1<<8|2)
	return m
}

// ofFamily is a message in another family.
func ofFamily(m []byte, family byte) []byte {
	m = bytes.Clone(m)
	m[16] = family
	return m
}

// grown is a message with bytes behind its attributes.
func grown(m []byte, behind ...byte) []byte {
	m = append(bytes.Clone(m), behind...)
	binary.LittleEndian.PutUint32(m, uint32(len(m)))
	return m
}

// attribute is one, padded.
func attribute(typ uint16, data string) []byte {
	b := nlmsg.NewBuilder(nlmsg.LittleEndian, nil)
	b.Data(typ, []byte(data))
	return b.Bytes()
}

// Places of messages in the base of promiseSpec.
const (
	atBegin, atDeclare, atDelete, atCreate, atForward, atMarked, atSet, atElements, atFlowtable, atRule = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
)

// hostile are bases that an image must not have: what each does is done by a kernel to tables of others, or in ways that nobody promised.
func hostile(t testing.TB) map[string][]byte {
	t.Helper()
	o := binary.LittleEndian
	image, err := replay.Read(imageOf(t, routerSpec([]string{}...), o))
	require.NoError(t, err)
	good := split(t, o, image.Base)
	for place, typ := range map[int]uint16{atDeclare: nlmsg.NFTMsgNewTable, atDelete: nlmsg.NFTMsgDelTable, atCreate: nlmsg.NFTMsgNewTable, atForward: nlmsg.NFTMsgNewChain,
		atMarked: nlmsg.NFTMsgNewChain, atSet: nlmsg.NFTMsgNewSet, atElements: nlmsg.NFTMsgNewSetElem, atFlowtable: nlmsg.NFTMsgNewFlowtable, atRule: nlmsg.NFTMsgNewRule} {
		require.Equal(t, nlmsg.NFTablesType(typ), o.Uint16(good[place][4:]), "message %d", place)
	}
	_, err = replay.Read(container(o, section{1, join(o, good...)}))
	require.NoError(t, err, "taken apart and put together again")

	all := map[string][]byte{}
	with := func(name string, change func(m [][]byte) [][]byte) {
		m := make([][]byte, len(good))
		for i := range good {
			m[i] = bytes.Clone(good[i])
		}
		all[name] = join(o, change(m)...)
	}
	insert := func(name string, at int, m []byte) {
		with(name, func(list [][]byte) [][]byte { return append(list[:at:at], append([][]byte{m}, list[at:]...)...) })
	}
	change := func(name string, at int, f func(m []byte) []byte) {
		with(name, func(list [][]byte) [][]byte { list[at] = f(list[at]); return list })
	}
	last := len(good) - 1
	for name, m := range map[string][]byte{
		"delete every table":             named(nlmsg.NFTMsgDelTable, 0),
		"delete a table of others":       named(nlmsg.NFTMsgDelTable, 0, "theirs"),
		"delete its own table again":     named(nlmsg.NFTMsgDelTable, 0, "router"),
		"destroy a table":                named(26, 0, "theirs"),
		"flush a table's rules":          named(nlmsg.NFTMsgDelRule, 0, "theirs"),
		"delete its own rules":           named(nlmsg.NFTMsgDelRule, 0, "router", "forward"),
		"delete a chain":                 named(nlmsg.NFTMsgDelChain, 0, "theirs"),
		"delete a set":                   named(nlmsg.NFTMsgDelSet, 0, "router", "slow"),
		"delete elements":                named(nlmsg.NFTMsgDelSetElem, 0, "theirs", "s"),
		"delete a flowtable":             named(nlmsg.NFTMsgDelFlowtable, 0, "router", "fast"),
		"add a table of others":          named(nlmsg.NFTMsgNewTable, create, "theirs"),
		"add a chain to a table":         named(nlmsg.NFTMsgNewChain, create, "theirs"),
		"add an object":                  named(nlmsg.NFTMsgNewObj, create, "router", "o"),
		"read a table":                   named(nlmsg.NFTMsgGetTable, 0, "router"),
		"reset a rule's counters":        named(25, 0, "router"),
		"read the generation":            named(nlmsg.NFTMsgGetGen, 0),
		"an unknown message":             named(60, 0, "router"),
		"no attribute":                   named(nlmsg.NFTMsgNewRule, create|appendFlag),
		"a rule without expressions":     named(nlmsg.NFTMsgNewRule, create|appendFlag, "router", "forward"),
		"a message of conntrack":         ofConntrack(),
		"the same name in another world": message(o, nlmsg.NFTMsgNewChain, create, nlmsg.FamilyIPv4, func(b *nlmsg.Builder) { b.String(1, "router"); b.String(3, "x") }),
	} {
		insert(name+", at the end", last, m)
		insert(name+", at the beginning", 1, m)
	}
	change("a DELTABLE without a name", atDelete, func([]byte) []byte { return named(nlmsg.NFTMsgDelTable, 0) })
	change("a DELTABLE of every family", atDelete, func(m []byte) []byte { m[16] = 0; return m })
	change("a DELTABLE of another family", atDelete, func(m []byte) []byte { m[16] = nlmsg.FamilyIPv4; return m })
	change("a DELTABLE with a second name", atDelete, func(m []byte) []byte { return grown(m, attribute(1, "theirs\x00")...) })
	change("a DELTABLE with a handle", atDelete, func(m []byte) []byte { return grown(m, attribute(4, "\x00\x00\x00\x00\x00\x00\x00\x01")...) })
	change("a DELTABLE of others", atDelete, func([]byte) []byte { return named(nlmsg.NFTMsgDelTable, 0, "theirs") })
	change("a table of the bridge", atDeclare, func(m []byte) []byte { m[16] = nlmsg.FamilyBridge; return m })
	with("no DELTABLE", func(m [][]byte) [][]byte { return append(m[:atDelete:atDelete], m[atCreate:]...) })
	with("only the deletion", func(m [][]byte) [][]byte { return append(m[:atCreate:atCreate], m[last]) })
	with("no creation", func(m [][]byte) [][]byte { return append(m[:atCreate:atCreate], m[atForward:]...) })
	with("a table made twice", func(m [][]byte) [][]byte { return append(m[:atForward:atForward], m[atCreate:]...) })
	with("a table declared twice", func(m [][]byte) [][]byte { return append(m[:atCreate:atCreate], m[atDeclare:]...) })
	reserved := []string{runlock.Table("fastpath"), runlock.Request("fastpath")}
	for _, k := range []*mark.Kind{mark.Off, mark.On, mark.Unconfirmed, mark.Setting} {
		reserved = append(reserved, k.Table("fastpath", "net.ipv4.ip_forward"))
	}
	for _, name := range reserved {
		with("a mark or a lock, "+name, func(m [][]byte) [][]byte {
			made := message(o, nlmsg.NFTMsgNewTable, create|excl, nlmsg.FamilyInet, func(b *nlmsg.Builder) {
				b.String(1, name)
				b.Uint32BE(2, 0)
				b.Data(6, append([]byte{0, 20}, "managed by fastpath\x00"...))
			})
			return [][]byte{m[0], named(nlmsg.NFTMsgNewTable, create, name), named(nlmsg.NFTMsgDelTable, 0, name), made, m[last]}
		})
	}
	for name, udata := range map[string]string{
		"no mark": "", "a comment that is no mark": "\x00\x05mine\x00", "a note beside the mark": "\x00\x0dmanaged by x\x00\xf6\x02x\x00",
		"a mark that moves the cursor": "\x00\x0fmanaged by \x1b[J\x00", "a mark that goes on behind its end": "\x00\x0fmanaged by x\x00y\x00", "a mark cut off": "\x00\xffmanaged by x\x00",
	} {
		change(name, atCreate, func([]byte) []byte {
			return message(o, nlmsg.NFTMsgNewTable, create|excl, nlmsg.FamilyInet, func(b *nlmsg.Builder) { b.String(1, "router"); b.Uint32BE(2, 0); b.Data(6, []byte(udata)) })
		})
	}
	change("a dormant table", atCreate, func(m []byte) []byte { m[bytes.Index(m, []byte{8, 0, 2, 0, 0, 0, 0, 0})+7] = 1; return m })
	for at := 1; at < last; at++ {
		what := []string{atDeclare: "declare", atDelete: "delete", atCreate: "create", atForward: "base chain", atMarked: "chain", atSet: "set", atElements: "elements",
			atFlowtable: "flowtable"}
		name := "rule"
		if at < len(what) {
			name = what[at]
		}
		change(name+" with bytes behind", at, func(m []byte) []byte { return grown(m, 1, 2, 3, 4) })
		change(name+" with an attribute behind", at, func(m []byte) []byte { return grown(m, attribute(9, "\x00\x00\x00\x01")...) })
		change(name+" with its table again", at, func(m []byte) []byte { return grown(m, attribute(1, "theirs\x00")...) })
		change(name+" of a subsystem's version", at, func(m []byte) []byte { m[17] = 1; return m })
		change(name+" with a resource", at, func(m []byte) []byte { m[19] = 10; return m })
		for bit := range 16 {
			if f := uint16(1) << bit; f != nlmsg.FlagAck && f != nlmsg.FlagEcho {
				change(fmt.Sprintf("%s with flag %#x turned", name, f), at, func(m []byte) []byte { o.PutUint16(m[6:], o.Uint16(m[6:])^f); return m })
			}
		}
		change(name+" in a table of others", at, func(m []byte) []byte { return bytes.Replace(m, []byte("router"), []byte("theirs"), 1) })
		change(name+" with a NUL in its table", at, func(m []byte) []byte { return bytes.Replace(m, []byte("router"), []byte("ro\x00ter"), 1) })
	}
	change("a chain at the edge of devices", atForward, func(m []byte) []byte {
		return bytes.Replace(m, []byte{8, 0, 1, 0, 0, 0, 0, 2}, []byte{8, 0, 1, 0, 0, 0, 0, 5}, 1)
	})
	change("a set of another ID", atSet, func(m []byte) []byte {
		return bytes.Replace(m, []byte{8, 0, 10, 0, 0, 0, 0, 1}, []byte{8, 0, 10, 0, 0, 0, 0, 2}, 1)
	})
	change("elements of another ID", atElements, func(m []byte) []byte {
		return bytes.Replace(m, []byte{8, 0, 4, 0, 0, 0, 0, 1}, []byte{8, 0, 4, 0, 0, 0, 0, 2}, 1)
	})
	change("elements of another set", atElements, func(m []byte) []byte { return bytes.Replace(m, []byte("slow"), []byte("fast"), 1) })
	change("a rule of a chain that is not made", atRule, func(m []byte) []byte { return bytes.Replace(m, []byte("forward"), []byte("foreign"), 1) })
	change("a batch of another subsystem", atBegin, func(m []byte) []byte { m[19] = 1; return m })
	with("a rule before its chain", func(m [][]byte) [][]byte { m[atForward], m[last-1] = m[last-1], m[atForward]; return m })
	return all
}

// TestReadRefusesHostileBases: and names the message, if it is one, and the next step.
func TestReadRefusesHostileBases(t *testing.T) {
	for name, base := range hostile(t) {
		_, err := replay.Read(container(binary.LittleEndian, section{1, base}))
		if !assert.ErrorIs(t, err, replay.ErrMalformed, name) {
			continue
		}
		for _, c := range err.Error() {
			assert.True(t, c >= ' ' && c <= '~', "%s: %q", name, err)
		}
	}
	_, err := replay.Read(container(binary.LittleEndian, section{1, hostile(t)["delete every table, at the end"]}))
	require.ErrorContains(t, err, "message 17 of the base (delete table inet ) names no table first")
	require.ErrorContains(t, err, "build it again from its Spec")
}

// TestReadRefusesHostileDevices: a device goes to a flowtable of the base, and nothing goes with it.
func TestReadRefusesHostileDevices(t *testing.T) {
	o := binary.LittleEndian
	image, err := replay.Read(imageOf(t, routerSpec("lan0"), o))
	require.NoError(t, err)
	good := split(t, o, image.Devices[0].Batch)
	update := func(table, flowtable string, hook func(b *nlmsg.Builder)) []byte {
		return message(o, nlmsg.NFTMsgNewFlowtable, create, nlmsg.FamilyInet, func(b *nlmsg.Builder) {
			b.String(1, table)
			b.String(2, flowtable)
			nest := b.Nest(3)
			hook(b)
			b.EndNest(nest)
		})
	}
	devices := func(fill func(b *nlmsg.Builder)) func(b *nlmsg.Builder) {
		return func(b *nlmsg.Builder) {
			nest := b.Nest(3)
			fill(b)
			b.EndNest(nest)
		}
	}
	one := devices(func(b *nlmsg.Builder) { b.String(1, "lan0") })
	read := func(messages ...[]byte) error {
		_, err := replay.Read(container(o, section{1, image.Base}, section{2, join(o, messages...)}))
		return err
	}
	require.NoError(t, read(good[0], update("router", "fast", one), good[2]))
	for name, bad := range map[string][]byte{
		"another table":       update("theirs", "fast", one),
		"another flowtable":   update("router", "theirs", one),
		"every device":        update("router", "fast", devices(func(b *nlmsg.Builder) { b.String(2, "") })),
		"no device":           update("router", "fast", devices(func(*nlmsg.Builder) {})),
		"two devices":         update("router", "fast", devices(func(b *nlmsg.Builder) { b.String(1, "lan0"); b.String(1, "wan0") })),
		"two lists":           update("router", "fast", func(b *nlmsg.Builder) { one(b); one(b) }),
		"a priority":          update("router", "fast", func(b *nlmsg.Builder) { b.Uint32BE(2, 5); one(b) }),
		"a deletion":          named(nlmsg.NFTMsgDelFlowtable, 0, "router", "fast"),
		"another family":      ofFamily(good[1], nlmsg.FamilyIPv4),
		"bytes behind":        grown(good[1], 0, 0, 0, 0),
		"control characters":  update("router", "fast", devices(func(b *nlmsg.Builder) { b.String(1, "l\x1b[J") })),
		"a name without end":  update("router", "fast", devices(func(b *nlmsg.Builder) { b.Data(1, []byte("lan0")) })),
		"nothing but a frame": nil,
	} {
		messages := [][]byte{good[0], bad, good[2]}
		if bad == nil {
			messages = [][]byte{good[0], good[2]}
		}
		require.ErrorIs(t, read(messages...), replay.ErrMalformed, name)
	}
	require.ErrorIs(t, read(good[0], good[1], good[1], good[2]), replay.ErrMalformed)
}

// touchesOnlyItsOwn commits an image that was read to a kernel that holds tables of others: they stay as they are, and a table that comes is one that
// the image declares.
func touchesOnlyItsOwn(t *testing.T, image *replay.Image) {
	t.Helper()
	ctx := context.Background()
	k := offloadtest.New(t, nil)
	commit := func(order binary.ByteOrder, data []byte) {
		b, err := ruleset.ParseBatch(order, data)
		require.NoError(t, err)
		_, _ = k.Commit(ctx, b) // a kernel may refuse it; then nothing changed
	}
	foreign := imageOf(t, &ruleset.Spec{Owner: "someone", Tables: []ruleset.Table{
		{Name: "theirs", Chains: []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward}}}, {Family: ruleset.IP, Name: "theirs"},
	}}, binary.NativeEndian)
	theirs, err := replay.Read(foreign)
	require.NoError(t, err)
	commit(theirs.Order, theirs.Base)
	declared := declaredBy(t, image)
	before := notOf(t, k, declared)
	require.NotEmpty(t, before)
	if image.Order.Uint16([]byte{0, 1}) == binary.NativeEndian.Uint16([]byte{0, 1}) {
		commit(image.Order, image.Base)
		for _, d := range image.Devices {
			commit(image.Order, d.Batch)
		}
	}
	assert.Equal(t, before, notOf(t, k, declared))
}

// declaredBy are the tables whose creation a base asks for, as a kernel reads its messages: of equal attributes the last counts.
func declaredBy(t *testing.T, image *replay.Image) map[string]bool {
	t.Helper()
	o := nlmsg.OrderOf(image.Order)
	declared := map[string]bool{}
	for _, m := range split(t, image.Order, image.Base) {
		if o.Uint16(m[4:]) == nlmsg.NFTablesType(nlmsg.NFTMsgNewTable) && o.Uint16(m[6:])&excl != 0 {
			declared[tableIn(t, o, m[16:])] = true
		}
	}
	for _, batch := range append([][]byte{image.Base}, batchesOf(image.Devices)...) {
		for _, m := range split(t, image.Order, batch) {
			if typ := o.Uint16(m[4:]); typ != nlmsg.NFTypeBatchBegin && typ != nlmsg.NFTypeBatchEnd {
				require.Contains(t, declared, tableIn(t, o, m[16:]))
			}
		}
	}
	return declared
}

func batchesOf(devices []replay.Device) (list [][]byte) {
	for _, d := range devices {
		list = append(list, d.Batch)
	}
	return list
}

// tableIn is the family and the table that a message is about, whatever its attributes say before.
func tableIn(t *testing.T, o nlmsg.Order, data []byte) string {
	t.Helper()
	family, _, attrs, err := nlmsg.Netfilter(data)
	require.NoError(t, err)
	name := ""
	require.NoError(t, nlmsg.EachAttr(o, attrs, func(a nlmsg.Attr) error {
		if a.Type == nlmsg.NFTATableName {
			name = strings.TrimRight(string(a.Data), "\x00")
		}
		return nil
	}))
	return string(rune(family)) + name
}

// notOf are the messages of a dump about tables that are not declared.
func notOf(t *testing.T, k *offloadtest.Kernel, declared map[string]bool) (list []string) {
	t.Helper()
	for m, err := range k.Dump(context.Background()) {
		require.NoError(t, err)
		if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewGen) && !declared[tableIn(t, nlmsg.Native(), m.Data)] {
			list = append(list, string(m.Data[4:])) // the generation stands before
		}
	}
	return list
}
