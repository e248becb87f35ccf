package ruleset

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// expressionBytes are one expression of a rule: its name, and attributes by type.
func expressionBytes(name string, attrs map[uint16][]byte) []byte {
	b := nlmsg.NewBuilder(nlmsg.LittleEndian, nil)
	elem := b.Nest(nlmsg.NFTAListElem)
	b.String(nlmsg.NFTAExprName, name)
	data := b.Nest(nlmsg.NFTAExprData)
	for typ, v := range attrs {
		b.Data(typ, v)
	}
	b.EndNest(data)
	b.EndNest(elem)
	return b.Bytes()
}

// TestMarkOfCompat reads what iptables-nft makes of -m connmark and -j CONNMARK.
func TestMarkOfCompat(t *testing.T) {
	info := func(words ...uint32) []byte {
		var b []byte
		for _, w := range words {
			b = nlmsg.LittleEndian.AppendUint32(b, w)
		}
		return b
	}
	for _, c := range []struct {
		expr, name string
		info       []byte
		want       uint32
		revision   byte
	}{
		{"match", "connmark", append(info(0x10, 0xff), 0), 0xff, 0},
		{"match", "connmark", append(info(0, 0x300), 1, 0, 0, 0), 0x300, 0},
		{"match", "mark", append(info(0, 0x300), 1, 0, 0, 0), 0, 0},
		{"match", "connmark", []byte{1, 2, 3}, 0, 0},
		{"target", "CONNMARK", append(info(0x100, 0xf, 0xffffffff), 0, 0, 0, 0), 0x10f, 0},
		{"target", "CONNMARK", append(info(0, 0xf, 0xf00), 1, 0, 0, 0), 0xf0f, 0},
		{"target", "CONNMARK", append(info(0, 0xf, 0xf00), 2, 0, 0, 0), 0xf, 0},
		{"target", "CONNMARK", info(0, 0xf, 0xf00), 0, 0},
		{"target", "CONNMARK", append(info(0, 0xf, 0xf00), 0, 0, 0, 0), 0xf, 2},
		{"target", "CONNMARK", append(info(0, 0xf, 0xf00), 0, 0, 1, 0), 0xf0f, 2},
		{"target", "CONNMARK", append(info(0, 0xf, 0xf00), 0, 0, 2, 0), 0xf, 2},
		{"target", "CONNMARK", append(info(0, 0xf, 0xf00), 1, 4, 1, 0), 1<<32 - 1, 2},
		{"target", "CONNMARK", append(info(0, 0xf, 0xf00), 0, 0), 0, 2},
		{"target", "MARK", append(info(0, 0xf, 0xf00), 2, 0, 0, 0), 0, 0},
	} {
		got := ctMarkBits(nlmsg.LittleEndian, expressionBytes(c.expr, map[uint16][]byte{
			compatName: append([]byte(c.name), 0), compatInfo: c.info, compatRevision: {0, 0, 0, c.revision},
		}))
		assert.Equal(t, c.want, got, "%s %s % x", c.expr, c.name, c.info)
	}
}

// TestMarkOfUnknown: an expression that is not known may read what a register holds.
func TestMarkOfUnknown(t *testing.T) {
	load := expressionBytes("ct", map[uint16][]byte{nlmsg.NFTACTKey: {0, 0, 0, ctMark}, nlmsg.NFTACTDreg: {0, 0, 0, 1}})
	assert.EqualValues(t, 0, ctMarkBits(nlmsg.LittleEndian, load))
	assert.EqualValues(t, uint32(1<<32-1), ctMarkBits(nlmsg.LittleEndian, append(load, expressionBytes("of tomorrow", nil)...)))
	assert.EqualValues(t, 0, ctMarkBits(nlmsg.LittleEndian, append(load, expressionBytes("counter", nil)...)))
}

// FuzzMarkBits holds the reader of foreign rules to: no panic whatever comes.
func FuzzMarkBits(f *testing.F) {
	for _, l := range loadSeeds(f) {
		f.Add(l.Data)
	}
	load := expressionBytes("ct", map[uint16][]byte{nlmsg.NFTACTKey: {0, 0, 0, ctMark}, nlmsg.NFTACTDreg: {0, 0, 0, 23}})
	f.Add(append(load, expressionBytes("target", map[uint16][]byte{compatName: []byte("CONNMARK"), compatInfo: make([]byte, 13)})...))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = ctMarkBits(nlmsg.LittleEndian, b)
		_ = ctMarkBits(nlmsg.BigEndian, b)
	})
}
