package nlmsg

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWalk(t *testing.T) {
	for _, o := range []Order{LittleEndian, BigEndian} {
		both := append(example(o), example(o)...)
		m, rest, err := NextMessage(o, both)
		require.NoError(t, err)
		assert.Equal(t, example(o), rest)
		assert.Equal(t, Message{Type: 0x0a16, Flags: 0x401, Seq: 5, Data: example(o)[16:]}, m)
		family, resID, attrs, err := Netfilter(m.Data)
		require.NoError(t, err)
		assert.EqualValues(t, FamilyInet, family)
		assert.EqualValues(t, 0x1234, resID)

		var got []Attr
		for len(attrs) > 0 {
			var a Attr
			a, attrs, err = NextAttr(o, attrs)
			require.NoError(t, err)
			got = append(got, a)
		}
		require.Len(t, got, 8)
		assert.Equal(t, "t", got[0].String())
		v32, err := got[1].Uint32BE()
		require.NoError(t, err)
		assert.EqualValues(t, 2, v32)
		assert.True(t, got[2].Nested)
		assert.EqualValues(t, NFTAFlowtableHook, got[2].Type)
		assert.Empty(t, got[3].Data)
		v8, err := got[4].Uint8()
		require.NoError(t, err)
		assert.EqualValues(t, 7, v8)
		v16, err := got[5].Uint16BE()
		require.NoError(t, err)
		assert.EqualValues(t, 0x0102, v16)
		v64, err := got[6].Uint64BE()
		require.NoError(t, err)
		assert.EqualValues(t, 3, v64)
	}
}

func TestWalkRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                    "",
		"half a header":              "10000000 0100 0000 0100",
		"length below a header":      "0f000000 0100 0000 01000000 00000000",
		"length beyond the buffer":   "11000000 0100 0000 01000000 00000000",
		"length of four billion":     "ffffffff 0100 0000 01000000 00000000",
		"length of two billion more": "00000080 0100 0000 01000000 00000000",
	} {
		_, _, err := NextMessage(LittleEndian, fromHex(t, text))
		if assert.ErrorIs(t, err, ErrMalformed, name) {
			assert.NotContains(t, err.Error(), "-", "a length is not negative, where int has 32 bits either")
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "half a header": "0400 01", "length below a header": "0300 0100", "length beyond the buffer": "0900 0100 00000000",
	} {
		_, _, err := NextAttr(LittleEndian, fromHex(t, text))
		assert.ErrorIs(t, err, ErrMalformed, name)
	}
	short := Attr{Type: 3, Data: []byte{}}
	for name, read := range map[string]func() error{
		"8":  func() error { _, err := short.Uint8(); return err },
		"16": func() error { _, err := short.Uint16BE(); return err },
		"32": func() error { _, err := short.Uint32BE(); return err },
		"64": func() error { _, err := short.Uint64BE(); return err },
	} {
		assert.ErrorIs(t, read(), ErrMalformed, name)
	}
	_, _, _, err := Netfilter([]byte{1, 0, 0})
	assert.ErrorIs(t, err, ErrMalformed)
}

// TestWalkUnpaddedEnd: the last message or attribute may lack its padding.
func TestWalkUnpaddedEnd(t *testing.T) {
	m, rest, err := NextMessage(LittleEndian, fromHex(t, "11000000 0100 0000 01000000 00000000 aa"))
	require.NoError(t, err)
	assert.Equal(t, []byte{0xaa}, m.Data)
	assert.Empty(t, rest)
	a, rest, err := NextAttr(LittleEndian, fromHex(t, "0500 0100 bb"))
	require.NoError(t, err)
	assert.Equal(t, []byte{0xbb}, a.Data)
	assert.Empty(t, rest)
}

func TestAttrString(t *testing.T) {
	assert.Equal(t, "eth0", Attr{Data: []byte("eth0\x00junk")}.String())
	assert.Equal(t, "eth0", Attr{Data: []byte("eth0")}.String())
	assert.Empty(t, Attr{}.String())
}

// FuzzNextMessage walks any bytes: it ends, never reads beyond, and gives no more than it took.
func FuzzNextMessage(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, o := range []Order{LittleEndian, BigEndian} {
			total := 0
			for rest := b; len(rest) > 0; {
				m, next, err := NextMessage(o, rest)
				if err != nil {
					requireMalformed(t, err)
					break
				}
				taken := len(rest) - len(next)
				if taken < headerLen || len(m.Data) > taken-headerLen {
					t.Fatalf("took %d bytes for %d of data", taken, len(m.Data))
				}
				total += taken
				rest = next
			}
			if total > len(b) {
				t.Fatalf("took %d of %d bytes", total, len(b))
			}
		}
	})
}

// FuzzNextAttr walks any bytes as attributes, into every nest.
func FuzzNextAttr(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed[headerLen+netfilterLen:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, o := range []Order{LittleEndian, BigEndian} {
			walkAttrs(t, o, b, 0)
		}
	})
}

func walkAttrs(t *testing.T, o Order, b []byte, depth int) {
	for len(b) > 0 {
		a, rest, err := NextAttr(o, b)
		typ, data, cutRest, ok := CutAttr(o, b)
		if ok != (err == nil) || typ != a.Type || !bytes.Equal(data, a.Data) || !bytes.Equal(cutRest, rest) {
			t.Fatalf("CutAttr: %d %x %v, NextAttr: %d %x %v", typ, data, ok, a.Type, a.Data, err)
		}
		if err != nil {
			requireMalformed(t, err)
			return
		}
		if taken := len(b) - len(rest); taken < attrLen || len(a.Data) > taken-attrLen {
			t.Fatalf("took %d bytes for %d of data", taken, len(a.Data))
		}
		_ = a.String()
		for _, read := range []func() error{
			func() error { _, err := a.Uint8(); return err }, func() error { _, err := a.Uint16BE(); return err },
			func() error { _, err := a.Uint32BE(); return err }, func() error { _, err := a.Uint64BE(); return err },
		} {
			if err := read(); err != nil {
				requireMalformed(t, err)
			}
		}
		if a.Nested && depth < 20 {
			walkAttrs(t, o, a.Data, depth+1)
		}
		b = rest
	}
}

func requireMalformed(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrMalformed) {
		t.Fatal(err)
	}
}

// seeds are messages of every kind that this package meets.
func seeds(t testing.TB) [][]byte {
	list := [][]byte{example(LittleEndian), example(BigEndian)}
	for _, c := range ackCases() {
		list = append(list, fromHex(t, c.bytes))
	}
	return list
}

func TestAttrName(t *testing.T) {
	for text, want := range map[string]string{"lo\x00": "lo", "lo\x00\x00": "lo", "four\x00": "four", "lo": "", "": "", "\x00": "", "fives\x00": ""} {
		got, err := Attr{Data: []byte(text)}.Name(4)
		assert.Equal(t, want, got, "%q", text)
		assert.Equal(t, want == "", errors.Is(err, ErrMalformed), "%q", text)
	}
}
