package nlmsg

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	require.NoError(t, err)
	return b
}

// example is one message with every kind of attribute.
func example(o Order) []byte {
	b := NewBuilder(o, nil)
	b.BeginNetfilter(NFTablesType(NFTMsgNewFlowtable), FlagRequest|FlagCreate, 5, FamilyInet, 0x1234)
	b.String(NFTAFlowtableTable, "t")
	b.Uint32BE(NFTAFlowtableFlags, 2)
	hook := b.Nest(NFTAFlowtableHook)
	b.Uint32BE(NFTAFlowtableHookPriority, 0xffffffff)
	devs := b.Nest(NFTAFlowtableHookDevs)
	b.String(NFTADeviceName, "eth0")
	b.EndNest(devs)
	b.EndNest(hook)
	b.Data(90, nil)
	b.Uint8(91, 7)
	b.Uint16BE(92, 0x0102)
	b.Uint64BE(NFTAFlowtableHandle, 3)
	b.Data(93, []byte{1, 2, 3})
	b.End()
	return b.Bytes()
}

// TestBuilderBytes holds the builder to bytes written by hand, in both byte orders.
func TestBuilderBytes(t *testing.T) {
	assert.Equal(t, fromHex(t, `
		68000000 160a 0104 05000000 00000000  01 00 1234
		0600 0100 74000000  0800 0700 00000002
		1c00 0380  0800 0200 ffffffff  1000 0380 0900 0100 6574683000 000000
		0400 5a00  0500 5b00 07000000  0600 5c00 01020000  0c00 0500 0000000000000003  0700 5d00 01020300`), example(LittleEndian))
	assert.Equal(t, fromHex(t, `
		00000068 0a16 0401 00000005 00000000  01 00 1234
		0006 0001 74000000  0008 0007 00000002
		001c 8003  0008 0002 ffffffff  0010 8003 0009 0001 6574683000 000000
		0004 005a  0005 005b 07000000  0006 005c 01020000  000c 0005 0000000000000003  0007 005d 01020300`), example(BigEndian))
}

func TestBuilderReset(t *testing.T) {
	b := NewBuilder(LittleEndian, make([]byte, 3, 100))
	assert.Zero(t, b.Len())
	b.Begin(TypeNoop, 0, 1)
	b.Data(1, make([]byte, 1<<16))
	b.End()
	require.Error(t, b.Err())
	b.Reset()
	assert.NoError(t, b.Err())
	assert.Empty(t, b.Bytes())
	b.Begin(TypeNoop, 0, 1)
	b.Raw([]byte{1})
	b.End()
	assert.Equal(t, fromHex(t, "14000000 0100 0000 01000000 00000000 01000000"), b.Bytes())
}

// TestBuilderTooLong: lengths never wrap, the first attribute that does not fit is named.
func TestBuilderTooLong(t *testing.T) {
	b := NewBuilder(LittleEndian, nil)
	b.Begin(TypeNoop, 0, 1)
	nest := b.Nest(NFTARuleExpressions)
	b.Data(1, make([]byte, 40_000))
	b.Data(2, make([]byte, 40_000))
	require.NoError(t, b.Err())
	b.EndNest(nest)
	b.End()
	assert.ErrorContains(t, b.Err(), "attribute 4 has 80012 bytes")

	b.Reset()
	b.Begin(TypeNoop, 0, 1)
	b.Data(1, make([]byte, maxAttr-attrLen))
	b.End()
	assert.NoError(t, b.Err())
	m, rest, err := NextMessage(LittleEndian, b.Bytes())
	require.NoError(t, err)
	assert.Empty(t, rest)
	a, _, err := NextAttr(LittleEndian, m.Data)
	require.NoError(t, err)
	assert.Len(t, a.Data, maxAttr-attrLen)
}

func TestBuilderDoesNotAllocate(t *testing.T) {
	b := NewBuilder(LittleEndian, make([]byte, 0, 1024))
	n := testing.AllocsPerRun(100, func() {
		b.Reset()
		b.BeginNetfilter(NFTablesType(NFTMsgNewRule), FlagRequest, 1, FamilyInet, 0)
		nest := b.Nest(NFTARuleExpressions)
		b.String(NFTAExprName, "meta")
		b.Uint32BE(NFTAMetaKey, 1)
		b.EndNest(nest)
		b.End()
	})
	assert.Zero(t, n)
}

func TestOrder(t *testing.T) {
	for o, std := range map[Order]binary.ByteOrder{LittleEndian: binary.LittleEndian, BigEndian: binary.BigEndian} {
		assert.Equal(t, o, OrderOf(std))
		assert.Equal(t, std.String(), o.String())
		b := []byte{1, 2, 3, 4, 5, 6, 7, 8}
		assert.Equal(t, std.Uint16(b), o.Uint16(b))
		assert.Equal(t, std.Uint32(b), o.Uint32(b))
		assert.Equal(t, std.Uint64(b), o.Uint64(b))
		assert.Equal(t, b[:2], o.AppendUint16(nil, o.Uint16(b)))
		assert.Equal(t, b[:4], o.AppendUint32(nil, o.Uint32(b)))
		assert.Equal(t, b, o.AppendUint64(nil, o.Uint64(b)))
		put := bytes.Clone(b)
		o.PutUint16(put, 0xabcd)
		o.PutUint32(put[4:], 0x12345678)
		want := bytes.Clone(b)
		std.PutUint16(want, 0xabcd)
		std.PutUint32(want[4:], 0x12345678)
		assert.Equal(t, want, put)
	}
	assert.Equal(t, binary.NativeEndian.Uint16([]byte{0, 1}), Native().Uint16([]byte{0, 1}))
	assert.Equal(t, Native(), OrderOf(nil))
}
