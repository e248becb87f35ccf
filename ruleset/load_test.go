package ruleset

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

func TestLoadTables(t *testing.T) {
	var k kernelState
	k.generation(7)
	k.table(nlmsg.FamilyNetdev, "z", "managed by ")
	k.table(nlmsg.FamilyInet, "b", "managed by fastpath")
	k.table(nlmsg.FamilyInet, "a", "just a comment")
	k.add(nlmsg.NFTMsgNewTable, nlmsg.FamilyIPv4, func(b *nlmsg.Builder) {
		b.String(nlmsg.NFTATableName, "binary")
		b.Data(nlmsg.NFTATableUserdata, []byte{9, 200, 1})
		b.Data(4000, []byte("an attribute of a later kernel"))
	})
	l := k.load(t, "me")
	assert.Equal(t, "me", l.Owner())
	assert.EqualValues(t, 7, l.Generation())
	assert.Equal(t, []LoadedTable{
		{Family: Inet, Name: "a", Handle: 12, Use: 3},
		{Family: Inet, Name: "b", Owner: "fastpath", Handle: 12, Use: 3},
		{Family: IP, Name: "binary"},
		{Family: "netdev", Name: "z", Handle: 12, Use: 3},
	}, l.Tables())
}

// Kernels take empty names. Someone else's table of that name is read like any other, and stops no plan.
func TestLoadEmptyNames(t *testing.T) {
	var k kernelState
	k.table(nlmsg.FamilyInet, "", "")
	k.add(nlmsg.NFTMsgNewFlowtable, nlmsg.FamilyInet, func(b *nlmsg.Builder) {
		b.String(nlmsg.NFTAFlowtableTable, "")
		b.String(nlmsg.NFTAFlowtableName, "")
	})
	l := k.load(t, "me")
	assert.Len(t, l.Tables(), 1)
	assert.Len(t, l.Flowtables(), 1)
}

func TestLoadFlowtable(t *testing.T) {
	var k kernelState
	k.add(nlmsg.NFTMsgNewFlowtable, nlmsg.FamilyInet, func(b *nlmsg.Builder) {
		b.String(nlmsg.NFTAFlowtableTable, "t")
		b.String(nlmsg.NFTAFlowtableName, "f")
		b.Uint64BE(nlmsg.NFTAFlowtableHandle, 1<<40)
		b.Uint32BE(nlmsg.NFTAFlowtableUse, 2)
		b.Uint32BE(nlmsg.NFTAFlowtableFlags, 3)
		hook := b.Nest(nlmsg.NFTAFlowtableHook)
		b.Uint32BE(nlmsg.NFTAFlowtableHookNum, 0)
		b.Uint32BE(nlmsg.NFTAFlowtableHookPriority, 1<<32-10)
		devs := b.Nest(nlmsg.NFTAFlowtableHookDevs)
		b.String(nlmsg.NFTADeviceName, "wan0")
		b.String(nlmsg.NFTADevicePrefix, "ppp")
		b.Data(nlmsg.NFTADeviceName, []byte("veth")) // without its NUL it is a name all the same
		b.Data(77, []byte{1})
		b.EndNest(devs)
		b.EndNest(hook)
	})
	l := k.load(t, "")
	want := []LoadedFlowtable{{Family: Inet, Table: "t", Name: "f", Handle: 1 << 40, Use: 2, Priority: -10, Flags: 3,
		Devices: []flowtable.Selector{{Name: "wan0"}, {Prefix: "ppp"}, {Name: "veth"}}}}
	got := l.Flowtables()
	require.Equal(t, want, got)
	assert.True(t, got[0].Hardware())
	assert.True(t, got[0].Counter())
	got[0].Devices[0].Name = "scrambled"
	assert.Equal(t, want, l.Flowtables(), "a copy")
}

func TestLoadErrors(t *testing.T) {
	broken := errors.New("broken")
	_, err := Load("", func(yield func(Message, error) bool) { yield(Message{}, broken) })
	require.ErrorIs(t, err, broken)

	message := func(msg uint16, fill func(*nlmsg.Builder)) Message {
		var k kernelState
		k.add(msg, nlmsg.FamilyInet, fill)
		return k.messages[0]
	}
	long := func(hook, devices, device uint16) func(*nlmsg.Builder) {
		return func(b *nlmsg.Builder) {
			b.String(nlmsg.NFTAFlowtableTable, "t") // of a chain, too
			outer := b.Nest(hook)
			inner := b.Nest(devices)
			b.String(device, "sixteen.letters.")
			b.EndNest(inner)
			b.EndNest(outer)
		}
	}
	for name, m := range map[string]Message{
		"long name of a device":  message(nlmsg.NFTMsgNewFlowtable, long(nlmsg.NFTAFlowtableHook, nlmsg.NFTAFlowtableHookDevs, nlmsg.NFTADeviceName)),
		"long prefix of devices": message(nlmsg.NFTMsgNewFlowtable, long(nlmsg.NFTAFlowtableHook, nlmsg.NFTAFlowtableHookDevs, nlmsg.NFTADevicePrefix)),
		"long device of a chain": message(nlmsg.NFTMsgNewChain, long(nlmsg.NFTAChainHook, nlmsg.NFTAHookDevs, nlmsg.NFTADeviceName)),
		"no nfgenmsg":            {Type: nlmsg.NFTablesType(nlmsg.NFTMsgNewTable), Data: []byte{1, 0, 0}},
		"attribute longer than the message": {Type: nlmsg.NFTablesType(nlmsg.NFTMsgNewTable),
			Data: nlmsg.Native().AppendUint16(nlmsg.Native().AppendUint16([]byte{1, 0, 0, 0}, 99), nlmsg.NFTATableName)},
		"short handle":             message(nlmsg.NFTMsgNewTable, func(b *nlmsg.Builder) { b.Data(nlmsg.NFTATableHandle, []byte{1, 2, 3, 4}) }),
		"short generation":         message(nlmsg.NFTMsgNewGen, func(b *nlmsg.Builder) { b.Data(nlmsg.NFTAGenID, nil) }),
		"table without a name":     message(nlmsg.NFTMsgNewTable, func(b *nlmsg.Builder) { b.Uint32BE(nlmsg.NFTATableUse, 1) }),
		"flowtable without table":  message(nlmsg.NFTMsgNewFlowtable, func(b *nlmsg.Builder) { b.String(nlmsg.NFTAFlowtableName, "f") }),
		"short flags":              message(nlmsg.NFTMsgNewFlowtable, func(b *nlmsg.Builder) { b.Data(nlmsg.NFTAFlowtableFlags, []byte{0}) }),
		"short priority in a hook": message(nlmsg.NFTMsgNewFlowtable, func(b *nlmsg.Builder) { b.Data(nlmsg.NFTAFlowtableHook, []byte{6, 0, 2, 0, 0, 0}) }),
	} {
		_, err := Load("", func(yield func(Message, error) bool) { yield(m, nil) })
		assert.ErrorIs(t, err, nlmsg.ErrMalformed, name)
	}
}

func TestLoadSeesTornDumps(t *testing.T) {
	var k kernelState
	k.generation(0x50007)
	k.table(nlmsg.FamilyInet, "a", "")
	require.False(t, k.load(t, "").Torn())
	k.messages[1].Generation = 8
	assert.True(t, k.load(t, "").Torn())
	k.messages[0], k.messages[1].Generation = k.messages[1], 8
	k.messages = k.messages[:1]
	assert.False(t, k.load(t, "").Torn(), "one generation, though NEWGEN did not tell it")
}

// TestLoadKeepsNoMemoryOfOthers: a stream may use its buffer again.
func TestLoadKeepsNoMemoryOfOthers(t *testing.T) {
	var k kernelState
	k.table(nlmsg.FamilyInet, "a", "")
	m := k.messages[0]
	l := k.load(t, "")
	clear(m.Data)
	assert.NotEqual(t, m.Data, l.messages[0].Data)
}

// FuzzLoad feeds Load one message of any kind, and what it makes of it to Diff: no panic, and every error is one of ours.
func FuzzLoad(f *testing.F) {
	var k kernelState
	k.generation(7)
	k.table(nlmsg.FamilyInet, "a", "managed by fastpath")
	k.flowtable(nlmsg.FamilyInet, "a", "f")
	k.table(nlmsg.FamilyUnspec, "a", "managed by fastpath")
	for _, m := range k.messages {
		f.Add(m.Type, m.Data)
	}
	for _, seed := range loadSeeds(f) {
		f.Add(seed.Type, seed.Data)
	}
	want, err := smallSpec().Resolve(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, typ uint16, data []byte) {
		for _, o := range []nlmsg.Order{nlmsg.LittleEndian, nlmsg.BigEndian} {
			l, err := load(o, "", func(yield func(Message, error) bool) { yield(Message{Type: typ, Data: data}, nil) })
			if err != nil {
				if !errors.Is(err, nlmsg.ErrMalformed) {
					t.Fatal(err)
				}
				continue
			}
			l.Tables()
			l.Flowtables()
			if p, err := Diff(l, want); err == nil {
				if _, err := p.Batch(nil); err != nil {
					t.Fatal(err)
				}
			} else if !errors.Is(err, ErrForeign) {
				t.Fatal(err)
			}
		}
	})
}
