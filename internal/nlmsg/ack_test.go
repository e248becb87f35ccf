package nlmsg

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type ackCase struct {
	name, bytes string
	want        Ack
}

// ackCases are answers as kernels give them, little endian. The one of Linux 7.2 is its answer to a flowtable with reserved
// flag bits.
func ackCases() []ackCase {
	const request = "24000000 160a 0104 07000000 00000000 01000000 0600 0100 74000000 0600 0200 66000000"
	return []ackCase{
		{"success", "24000000 0200 0000 07000000 00000000  00000000  24000000 160a 0104 07000000 00000000", Ack{Seq: 7}},
		{"success, capped", "24000000 0200 0001 07000000 00000000  00000000  24000000 160a 0104 07000000 00000000", Ack{Seq: 7}},
		{"error that echoes the request", "38000000 0200 0000 07000000 00000000  feffffff " + request, Ack{Seq: 7, Errno: 2}},
		{"error with an offset behind the echo", "40000000 0200 0002 07000000 00000000  feffffff " + request + "0800 0200 14000000", Ack{Seq: 7, Errno: 2, Offset: 20}},
		{"capped error with text and offset", "44000000 0200 0003 07000000 00000000  eaffffff 24000000 160a 0104 07000000 00000000" +
			"1500 0100 726573657276656420626974207365740000 0000 0800 0200 44000000", Ack{Seq: 7, Errno: 22, Text: "reserved bit set", Offset: 68}},
		{"missing attribute", "2c000000 0200 0003 07000000 00000000  eaffffff 24000000 160a 0104 07000000 00000000 0800 0500 03000000", Ack{Seq: 7, Errno: 22, MissType: 3}},
		{"success with a warning", "34000000 0200 0002 07000000 00000000  00000000 24000000 160a 0104 07000000 00000000 0900 0100 6f6c640000000000 0600 63000100 0000", Ack{Seq: 7, Text: "old"}},
		{"end of a dump with an error", "14000000 0300 0200 07000000 00000000  f4ffffff", Ack{Seq: 7, Errno: 12}},
		{"end of a dump with text", "20000000 0300 0202 07000000 00000000  f0ffffff 0900 0100 6275737900000000", Ack{Seq: 7, Errno: 16, Text: "busy"}},
	}
}

func TestParseAck(t *testing.T) {
	for _, c := range ackCases() {
		b := fromHex(t, c.bytes)
		LittleEndian.PutUint32(b, uint32(len(b))) // the length is not what is tested
		m, rest, err := NextMessage(LittleEndian, b)
		require.NoError(t, err, c.name)
		require.Empty(t, rest, c.name)
		got, err := ParseAck(LittleEndian, m)
		require.NoError(t, err, c.name)
		assert.Equal(t, c.want, got, c.name)
	}
}

func TestParseAckRefuses(t *testing.T) {
	for name, m := range map[string]Message{
		"no errno":                {Type: TypeError, Data: []byte{0, 0, 0}},
		"attributes, no header":   {Type: TypeError, Flags: FlagAckTLVs, Data: make([]byte, 8)},
		"echo longer than it all": {Type: TypeError, Flags: FlagAckTLVs, Data: append(fromHex(t, "ffffffff 90000000"), make([]byte, 12)...)},
		"echo of nothing":         {Type: TypeError, Flags: FlagAckTLVs, Data: append(fromHex(t, "ffffffff 00000000"), make([]byte, 12)...)},
		"short offset":            {Type: TypeDone, Flags: FlagAckTLVs, Data: fromHex(t, "00000000 0600 0200 0000")},
		"half an attribute":       {Type: TypeDone, Flags: FlagAckTLVs, Data: fromHex(t, "00000000 0600")},
	} {
		_, err := ParseAck(LittleEndian, m)
		assert.ErrorIs(t, err, ErrMalformed, name)
	}
}

// FuzzParseAck reads any message as an ack.
func FuzzParseAck(f *testing.F) {
	for _, c := range ackCases() {
		b := fromHex(f, c.bytes)
		f.Add(uint16(TypeError), LittleEndian.Uint16(b[6:]), b[16:])
	}
	f.Fuzz(func(t *testing.T, typ, flags uint16, data []byte) {
		for _, o := range []Order{LittleEndian, BigEndian} {
			a, err := ParseAck(o, Message{Type: typ, Flags: flags, Seq: 3, Data: data})
			if err != nil {
				requireMalformed(t, err)
			}
			if a.Seq != 3 {
				t.Fatal("the sequence number is the header's")
			}
		}
	})
}
