package ruleset

import (
	"bytes"
	"encoding/binary"
	enchex "encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/oncehost"
)

// batchOf compiles s for an empty kernel.
func batchOf(t testing.TB, s *Spec, order binary.ByteOrder) *Batch {
	t.Helper()
	r, err := s.Resolve(nil)
	require.NoError(t, err)
	p, err := Diff(nil, r)
	require.NoError(t, err)
	b, err := p.Batch(order)
	require.NoError(t, err)
	return b
}

// messagesOf walks a batch.
func messagesOf(t testing.TB, b *Batch) []nlmsg.Message {
	t.Helper()
	var list []nlmsg.Message
	for rest := b.Bytes(); len(rest) > 0; {
		m, next, err := nlmsg.NextMessage(b.order, rest)
		require.NoError(t, err)
		list, rest = append(list, m), next
	}
	require.Len(t, list, b.Messages())
	return list
}

// TestBytesOfBothOrders holds one rule to bytes written by hand: headers, attribute headers and the mark turn with the byte
// order of the machine; numbers of attributes, lengths in them and the interval's port do not.
func TestBytesOfBothOrders(t *testing.T) {
	spec := &Spec{Tables: []Table{{Family: IP, Name: "t", Chains: []Chain{{Name: "c", Rules: []Rule{R(CTMark.Has(0x10, 0x1ff))}}}}}}
	const little = `
		b8000000 060a 050c 03000000 00000000  02 00 0000
		0600 0100 74000000  0600 0200 63000000
		9400 0480
		 2000 0180  0700 0100 637400 00
		  1400 0280  0800 0200 00000003  0800 0100 00000001
		 4400 0180  0c00 0100 6269747769736500
		  3400 0280  0800 0100 00000001  0800 0200 00000001  0800 0300 00000004
		   0c00 0480 0800 0100 ff010000  0c00 0580 0800 0100 00000000
		 2c00 0180  0800 0100 636d7000
		  2000 0280  0800 0100 00000001  0800 0200 00000000  0c00 0380 0800 0100 10000000`
	const big = `
		000000b8 0a06 0c05 00000003 00000000  02 00 0000
		0006 0001 74000000  0006 0002 63000000
		0094 8004
		 0020 8001  0007 0001 637400 00
		  0014 8002  0008 0002 00000003  0008 0001 00000001
		 0044 8001  000c 0001 6269747769736500
		  0034 8002  0008 0001 00000001  0008 0002 00000001  0008 0003 00000004
		   000c 8004 0008 0001 000001ff  000c 8005 0008 0001 00000000
		 002c 8001  0008 0001 636d7000
		  0020 8002  0008 0001 00000001  0008 0002 00000000  000c 8003 0008 0001 00000010`
	for order, want := range map[binary.ByteOrder]string{binary.LittleEndian: little, binary.BigEndian: big} {
		b := batchOf(t, spec, order)
		require.Equal(t, 5, b.Messages())
		bytes, err := enchex.DecodeString(strings.Join(strings.Fields(want), ""))
		require.NoError(t, err)
		message := b.message(3)
		rule, udata := message[4:len(bytes)], message[len(bytes):] // behind the expressions stands our identity
		assert.Equal(t, enchex.Dump(bytes[4:]), enchex.Dump(rule), "%s", order)
		require.Len(t, udata, 4+2+identityLength+2)
		_, _, ours := readUdata(udata[4:])
		assert.True(t, ours)
	}
}

// TestBigEndianSets: marks and states in sets are in the machine's order, and so is what nft is told about it.
func TestBigEndianSets(t *testing.T) {
	spec := &Spec{Tables: []Table{{Name: "t", Chains: []Chain{{Name: "c", Rules: []Rule{
		R(MetaMark.Is(0x11, 0x22)), R(CTState.Is(Established)), R(WordField(TCPDport).Is("80", "1024-65535")), R(CTMark.Set(1, 1)), R(CTBytes.AtLeast(7)),
		R(CTZone.Is("1", "0x105")), R(TCPFlags.Is("syn")),
	}}}}}}
	var text strings.Builder
	require.NoError(t, batchOf(t, spec, binary.BigEndian).WriteText(&text))
	for _, want := range []string{
		"NFTA_SET_USERDATA 000400000001",                       // KEYBYTEORDER, 4 bytes, host order, big endian
		"NFTA_DATA_VALUE 00000011", "NFTA_DATA_VALUE 00000022", // marks
		"NFTA_DATA_VALUE 00000002",                     // the bit of established
		"NFTA_SET_ELEM_USERDATA 010400000001",          // 1024-65535 is open
		"NFTA_DATA_VALUE 0400", "NFTA_DATA_VALUE 0050", // ports are in network order anyway
		"NFTA_DATA_VALUE fffffffe", "NFTA_DATA_VALUE 00000001", // mark & ^1 ^ 1
		"NFTA_DATA_VALUE 0000000000000007",           // after hton
		"NFTA_DATA_VALUE 0105", "NFTA_DATA_VALUE 02", // a zone, the bit of SYN
	} {
		assert.Contains(t, text.String(), want+"\n")
	}
}

func TestEveryMessageHasItsOperation(t *testing.T) {
	for name, spec := range goldenSpecs() {
		b := batchOf(t, spec, nil)
		messages := messagesOf(t, b)
		for i, m := range messages {
			assert.EqualValues(t, i, m.Seq, name)
			op, ok := b.Operation(i)
			frame := i == 0 || i == len(messages)-1
			assert.Equal(t, !frame, ok, "%s: message %d", name, i)
			ack := m.Flags&nlmsg.FlagAck != 0
			assert.Equal(t, i == len(messages)-2, ack, "%s: only the last operation asks for an ack", name)
			if !frame {
				assert.Contains(t, kindsOf(m.Type&0xff), op.Kind, "%s: message %d is of %s", name, i, op)
			}
		}
		_, ok := b.Operation(-1)
		assert.False(t, ok)
		_, ok = b.Operation(len(messages))
		assert.False(t, ok)
	}
}

// kindsOf are the operations that a message can belong to: anonymous sets come with their rule.
func kindsOf(msg uint16) []Kind {
	switch msg {
	case nlmsg.NFTMsgNewTable, nlmsg.NFTMsgDelTable:
		return []Kind{KindTable}
	case nlmsg.NFTMsgNewChain:
		return []Kind{KindChain}
	case nlmsg.NFTMsgNewSet:
		return []Kind{KindSet, KindRule}
	case nlmsg.NFTMsgNewSetElem:
		return []Kind{KindElement, KindRule}
	case nlmsg.NFTMsgNewFlowtable:
		return []Kind{KindFlowtable}
	case nlmsg.NFTMsgNewRule:
		return []Kind{KindRule}
	}
	return nil
}

// TestEqualSpecsGiveEqualBytes compiles a JSON document and the same with its keys, set elements and values of lists shuffled.
func TestEqualSpecsGiveEqualBytes(t *testing.T) {
	for name, spec := range goldenSpecs() {
		plain, err := json.Marshal(spec)
		require.NoError(t, err)
		one, err := Parse(bytes.NewReader(plain))
		require.NoError(t, err)
		two, err := Parse(bytes.NewReader(reversedKeys(t, plain)))
		require.NoError(t, err)
		for i := range two.Tables {
			for j := range two.Tables[i].Sets {
				slices.Reverse(two.Tables[i].Sets[j].Elements)
			}
			for j := range two.Tables[i].Flowtables {
				slices.Reverse(two.Tables[i].Flowtables[j].Devices)
			}
		}
		a, b := batchOf(t, one, binary.LittleEndian), batchOf(t, two, binary.LittleEndian)
		assert.Equal(t, a.Bytes(), b.Bytes(), name)
		assert.Equal(t, a.Bytes(), batchOf(t, one, binary.LittleEndian).Bytes(), "%s, again", name)
	}
}

// reversedKeys writes a JSON document with the keys of every object in descending order.
func reversedKeys(t *testing.T, doc []byte) []byte {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	require.NoError(t, d.Decode(&v))
	var write func(v any) string
	write = func(v any) string {
		var parts []string
		switch v := v.(type) {
		case map[string]any:
			keys := slices.Collect(func(yield func(string) bool) {
				for k := range v {
					if !yield(k) {
						return
					}
				}
			})
			slices.Sort(keys)
			slices.Reverse(keys)
			for _, k := range keys {
				parts = append(parts, fmt.Sprintf("%q:%s", k, write(v[k])))
			}
			return "{" + strings.Join(parts, ",") + "}"
		case []any:
			for _, e := range v {
				parts = append(parts, write(e))
			}
			return "[" + strings.Join(parts, ",") + "]"
		}
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return string(b)
	}
	return []byte(write(v))
}

// TestResolvedIsADeepCopy scrambles everything that a Spec points to after Resolve.
func TestResolvedIsADeepCopy(t *testing.T) {
	group := uint16(3)
	spec := routerSpec()
	spec.Tables[0].Chains[0].Rules = append(spec.Tables[0].Chains[0].Rules,
		R(Statement{Log: &Logging{Group: &group}}), R(CTMark.Set(1, 1)), R(Statement{Raw: &Raw{Text: "x", Expr: [][]byte{{8, 0, 1, 0, 'x', 'y', 'z', 0}}}}))
	spec.Tables[0].Offload = []Policy{everything()}
	spec.Tables[0].Offload[0].Flowtable = "f"
	spec.Tables[0].Offload[0].Except.Sets = []string{"slow"}
	spec.Tables[0].Offload[0].Only.Between = spec.Tables[0].Offload[0].Only.Between[:1]
	r, err := spec.Resolve(nil)
	require.NoError(t, err)
	before := r.Spec()
	p, err := Diff(nil, r)
	require.NoError(t, err)
	want, err := p.Batch(nil)
	require.NoError(t, err)
	plan := p.String()

	scramble(reflect.ValueOf(spec))
	got := r.Spec()
	scramble(reflect.ValueOf(&got))
	ops := p.Operations()
	for i := range ops {
		f, devices, _ := ops[i].Flowtable()
		rule, _ := ops[i].Rule()
		scramble(reflect.ValueOf(&f))
		scramble(reflect.ValueOf(&devices))
		scramble(reflect.ValueOf(&rule))
		ops[i].Table = "scrambled"
	}

	assert.Equal(t, before, r.Spec())
	assert.Equal(t, plan, p.String())
	again, err := p.Batch(nil)
	require.NoError(t, err)
	assert.Equal(t, want.Bytes(), again.Bytes())
}

// scramble changes every string, number and bool that can be reached from v.
func scramble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			scramble(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			scramble(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			scramble(v.Index(i))
		}
	case reflect.String:
		v.SetString(v.String() + "!")
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(v.Uint() + 1)
	case reflect.Bool:
		v.SetBool(!v.Bool())
	}
}

// TestManyDevices: a message names at most 255 devices, the others follow without flags, hook number and priority.
func TestManyDevices(t *testing.T) {
	f := flowtable.Spec{Name: "f"}
	var names []string
	for i := range 600 {
		names = append(names, fmt.Sprintf("d%03d", i))
		f.Devices = append(f.Devices, flowtable.Selector{Name: names[i]})
	}
	f.Devices = append(f.Devices, flowtable.Selector{Prefix: "ppp"})
	b := batchOf(t, &Spec{Tables: []Table{{Name: "t", Flowtables: []flowtable.Spec{f}}}}, binary.LittleEndian)
	l := loadBatch(t, b)
	var got []string
	for i, part := range l.Flowtables() {
		assert.LessOrEqual(t, len(part.Devices), 255)
		assert.Equal(t, i == 0, part.Counter(), "flags in message %d", i)
		for _, d := range part.Devices {
			if d.Prefix != "" {
				assert.Equal(t, "ppp", d.Prefix)
				continue
			}
			got = append(got, d.Name)
		}
	}
	assert.Len(t, l.Flowtables(), 3)
	assert.Equal(t, names, got)
	var text strings.Builder
	require.NoError(t, b.WriteText(&text))
	assert.Equal(t, 1, strings.Count(text.String(), "NFTA_FLOWTABLE_HOOK_NUM"))
	assert.Equal(t, 1, strings.Count(text.String(), "NFTA_FLOWTABLE_FLAGS"))
	assert.NotContains(t, text.String(), "without NUL")
}

// loadBatch reads a batch as if it were a dump.
func loadBatch(t *testing.T, b *Batch) *Loaded {
	t.Helper()
	l, err := load(b.order, "", func(yield func(Message, error) bool) {
		for _, m := range messagesOf(t, b) {
			if m.Type>>8 == nlmsg.SubsysNFTables && !yield(Message{Type: m.Type, Flags: m.Flags, Data: m.Data}, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	return l
}

// TestBigSetsAreSpread: attributes hold 64 KiB; every message of a large set stays below, and no element is lost or doubled.
func TestBigSetsAreSpread(t *testing.T) {
	oncehost.Skip(t)
	s := Set{Name: "big", Type: IPv4Addr}
	for i := range 100_000 {
		s.Elements = append(s.Elements, fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&0xff, i&0xff))
	}
	b := batchOf(t, &Spec{Tables: []Table{{Name: "t", Sets: []Set{s}}}}, nil)
	keys := elementKeys(t, b)
	require.Len(t, keys, 100_000)
	assert.True(t, slices.IsSorted(keys))
	assert.Equal(t, 100_000, len(slices.Compact(keys)))
	assert.Greater(t, b.Messages(), 20)
	for i := range b.Messages() {
		if op, ok := b.Operation(i); ok && op.Kind == KindElement {
			assert.Equal(t, "big", op.Name)
			assert.Less(t, len(b.message(i)), 1<<16+100)
		}
	}
}

// elementKeys are the keys of all elements of a batch, in hexadecimal.
func elementKeys(t *testing.T, b *Batch) []string {
	t.Helper()
	var text strings.Builder
	require.NoError(t, b.WriteText(&text))
	var keys []string
	for line := range strings.Lines(text.String()) {
		if key, ok := strings.CutPrefix(strings.TrimSpace(line), "NFTA_DATA_VALUE "); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// TestAttributeTooLong: what does not fit is an error that names the operation, never a wrapped length.
func TestAttributeTooLong(t *testing.T) {
	long := bytes.Repeat([]byte{4, 0, 99, 0}, 20_000)
	r := &Resolved{spec: Spec{Owner: "x", Tables: []Table{{Family: Inet, Name: "t", Chains: []Chain{{Name: "c", Rules: []Rule{
		R(Statement{Raw: &Raw{Text: "something long", Expr: [][]byte{long}}}),
	}}}}}}, bindings: make([][][]flowtable.Binding, 1), devices: make([][][]string, 1)}
	p, err := Diff(nil, r)
	require.NoError(t, err)
	_, err = p.Batch(nil)
	require.ErrorContains(t, err, "add rule inet t c something long: ")
	require.ErrorContains(t, err, "bytes")
}
