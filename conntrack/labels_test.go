package conntrack

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// The kernel's 16 bytes of `ct label set BIT`: to nft they are one number of the machine's order. TestLabelsOfNFT asks the kernel.
func TestLabelsInEitherOrder(t *testing.T) {
	for _, c := range []struct {
		order binary.ByteOrder
		bit   uint8
		at    int
		value byte
	}{
		{binary.LittleEndian, 0, 0, 0x01}, {binary.BigEndian, 0, 15, 0x01},
		{binary.LittleEndian, 31, 3, 0x80}, {binary.BigEndian, 31, 12, 0x80},
		{binary.LittleEndian, 64, 8, 0x01}, {binary.BigEndian, 64, 7, 0x01},
		{binary.LittleEndian, 100, 12, 0x10}, {binary.BigEndian, 100, 3, 0x10},
		{binary.LittleEndian, 127, 15, 0x80}, {binary.BigEndian, 127, 0, 0x80},
	} {
		var kernel [16]byte
		kernel[c.at] = c.value
		e := tcpEntry("10.1.0.1:1000", "10.2.0.1:80", "10.2.0.1:80", "10.1.0.1:1000")
		b := encode(nlmsg.OrderOf(c.order), &e)
		b = nlmsg.OrderOf(c.order).AppendUint16(b, 4+16)
		b = nlmsg.OrderOf(c.order).AppendUint16(b, nlmsg.CTALabels)
		got, err := Decode(c.order, append(b, kernel[:]...))
		require.NoError(t, err)
		for bit := range uint8(128) {
			assert.Equal(t, bit == c.bit, got.Labels.Has(bit), "%v: bit %d of label %d", c.order, bit, c.bit)
		}
		e.Labels = got.Labels
		again, err := Decode(c.order, encode(nlmsg.OrderOf(c.order), &e))
		require.NoError(t, err)
		assert.Equal(t, got.Labels, again.Labels)
	}
}

// Fewer bytes are the number's lower ones.
func TestShortLabels(t *testing.T) {
	for _, order := range []nlmsg.Order{nlmsg.LittleEndian, nlmsg.BigEndian} {
		d := decoder{order: order}
		b := []byte{0x02, 0, 0, 0, 0, 0, 0, 0}
		if order == nlmsg.BigEndian {
			b = []byte{0, 0, 0, 0, 0, 0, 0, 0x02}
		}
		var l Labels
		require.NoError(t, d.labels(&l, b))
		assert.Equal(t, Labels{0x02}, l, "%v", order)
		assert.ErrorIs(t, d.labels(&l, make([]byte, 20)), nlmsg.ErrMalformed)
		assert.ErrorIs(t, d.labels(&l, make([]byte, 6)), nlmsg.ErrMalformed)
	}
}
