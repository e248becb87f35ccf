package nlmsg

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func text(t testing.TB, o Order, b []byte) string {
	t.Helper()
	var w strings.Builder
	require.NoError(t, WriteText(&w, o, b))
	return w.String()
}

func TestWriteText(t *testing.T) {
	const want = `#5 NFT_MSG_NEWFLOWTABLE inet REQUEST|CREATE res_id 4660
  NFTA_FLOWTABLE_TABLE "t"
  NFTA_FLOWTABLE_FLAGS 0x2
  NFTA_FLOWTABLE_HOOK
    NFTA_FLOWTABLE_HOOK_PRIORITY -1
    NFTA_FLOWTABLE_HOOK_DEVS
      NFTA_DEVICE_NAME "eth0"
  attribute 90
  attribute 91 07
  attribute 92 0102
  NFTA_FLOWTABLE_HANDLE 3
  attribute 93 010203
`
	assert.Equal(t, want, text(t, LittleEndian, example(LittleEndian)))
	assert.Equal(t, want+want, text(t, BigEndian, append(example(BigEndian), example(BigEndian)...)))
}

// TestWriteTextLosesNothing: what has no name, or not the length that its name promises, is written as bytes and marked.
func TestWriteTextLosesNothing(t *testing.T) {
	b := NewBuilder(LittleEndian, nil)
	b.BeginNetfilter(NFTablesType(NFTMsgNewTable), FlagMulti|FlagDumpIntr|0x40, 1, 99, 0)
	b.Data(NFTATableName, []byte("bare"))
	b.Uint8(NFTATableFlags, 3)
	b.EndNest(b.Nest(NFTATableUse))
	b.Data(NFTATableUserdata, []byte("\x00\x06hello\x00"))
	b.End()
	b.BeginNetfilter(NFTablesType(NFTMsgNewFlowtable), 0, 2, FamilyIPv6, 0)
	b.Data(NFTAFlowtableHook, fromHex(t, "0800 0200 00000005 ff"))
	b.End()
	b.BeginNetfilter(NFTablesType(NFTMsgNewRule), 0, 3, FamilyBridge, 0)
	list := b.Nest(NFTARuleExpressions)
	elem := b.Nest(NFTAListElem)
	b.String(NFTAExprName, "unheard_of")
	data := b.Nest(NFTAExprData)
	b.Uint32BE(1, 5)
	b.EndNest(data)
	b.EndNest(elem)
	b.EndNest(list)
	b.End()
	b.Begin(0x0125, FlagAck, 4)
	b.Raw([]byte{1, 2, 3, 4})
	b.End()
	b.BeginNetfilter(NFTablesType(NFTMsgNewSetElem), 0, 6, FamilyARP, 0)
	list = b.Nest(NFTASetElemListElements)
	elem = b.Nest(2) // as nft counts
	b.Uint32BE(NFTASetElemFlags, 1)
	b.EndNest(elem)
	b.EndNest(list)
	b.End()
	assert.Equal(t, `#1 NFT_MSG_NEWTABLE family 99 MULTI|DUMP_INTR|0x40
  NFTA_TABLE_NAME "bare" without NUL
  NFTA_TABLE_FLAGS 03
  NFTA_TABLE_USE (marked nested)
  NFTA_TABLE_USERDATA 000668656c6c6f00 "hello"
#2 NFT_MSG_NEWFLOWTABLE ip6
  NFTA_FLOWTABLE_HOOK (not marked nested)
    NFTA_FLOWTABLE_HOOK_PRIORITY 5
    ff not an attribute: malformed netlink message: 1 bytes left, an attribute header has 4
#3 NFT_MSG_NEWRULE bridge
  NFTA_RULE_EXPRESSIONS
    NFTA_LIST_ELEM
      NFTA_EXPR_NAME "unheard_of"
      NFTA_EXPR_DATA (marked nested) 0800010000000005
#4 type 0x125 ACK 01020304
#6 NFT_MSG_NEWSETELEM arp
  NFTA_SET_ELEM_LIST_ELEMENTS
    NFTA_LIST_ELEM(2)
      NFTA_SET_ELEM_FLAGS 0x1
`, text(t, LittleEndian, b.Bytes()))
}

func TestWriteTextErrors(t *testing.T) {
	b := example(LittleEndian)
	err := WriteText(io.Discard, LittleEndian, b[:len(b)-1])
	require.ErrorIs(t, err, ErrMalformed)
	err = WriteText(failingWriter{}, LittleEndian, b)
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestAttrAt(t *testing.T) {
	for _, o := range []Order{LittleEndian, BigEndian} {
		b := example(o)
		for offset, want := range map[uint32]string{
			20:  `NFTA_FLOWTABLE_TABLE "t"`,
			27:  `NFTA_FLOWTABLE_TABLE "t"`,
			28:  `NFTA_FLOWTABLE_FLAGS 0x2`,
			36:  `NFTA_FLOWTABLE_HOOK`,
			40:  `NFTA_FLOWTABLE_HOOK.NFTA_FLOWTABLE_HOOK_PRIORITY -1`,
			48:  `NFTA_FLOWTABLE_HOOK.NFTA_FLOWTABLE_HOOK_DEVS`,
			52:  `NFTA_FLOWTABLE_HOOK.NFTA_FLOWTABLE_HOOK_DEVS.NFTA_DEVICE_NAME "eth0"`,
			64:  `attribute 90`,
			103: `attribute 93 010203`,
			0:   "", 15: "", 19: "", 104: "", 1 << 31: "", 1<<32 - 1: "",
		} {
			assert.Equal(t, want, AttrAt(o, b, offset), "offset %d", offset)
		}
		assert.Empty(t, AttrAt(o, b[:10], 20))
		assert.Empty(t, AttrAt(o, nil, 20))
	}
}

// FuzzText prints any bytes and names the attribute at any offset.
func FuzzText(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed, uint32(52))
	}
	f.Fuzz(func(t *testing.T, b []byte, offset uint32) {
		for _, o := range []Order{LittleEndian, BigEndian} {
			var w bytes.Buffer
			if err := WriteText(&w, o, b); err != nil {
				requireMalformed(t, err)
			}
			AttrAt(o, b, offset)
		}
	})
}
