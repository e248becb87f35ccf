package nftvalue

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseValue(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		word string
		want Span
		text string
	}{
		{IPv4, "192.0.2.1", Span{Low: []byte{192, 0, 2, 1}, High: []byte{192, 0, 2, 1}}, "192.0.2.1"},
		{IPv4, "192.0.2.0/31", Span{[]byte{192, 0, 2, 0}, []byte{192, 0, 2, 1}, true}, "192.0.2.0/31"},
		{IPv4, "192.0.2.1/32", Span{Low: []byte{192, 0, 2, 1}, High: []byte{192, 0, 2, 1}}, "192.0.2.1"},
		{IPv4, "0.0.0.0/0", Span{make([]byte, 4), []byte{255, 255, 255, 255}, true}, "0.0.0.0/0"},
		{IPv4, "10.0.0.1-10.0.1.0", Span{Low: []byte{10, 0, 0, 1}, High: []byte{10, 0, 1, 0}}, "10.0.0.1-10.0.1.0"},
		{IPv6, "2001:DB8:0::1", Span{Low: address6(0x20, 0x01, 0x0d, 0xb8, 1), High: address6(0x20, 0x01, 0x0d, 0xb8, 1)}, "2001:db8::1"},
		{IPv6, "::/1", Span{make([]byte, 16), []byte{0x7f, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, true}, "::/1"},
		{Port, "0", Span{Low: []byte{0, 0}, High: []byte{0, 0}}, "0"},
		{Port, "0x1bb", Span{Low: []byte{1, 0xbb}, High: []byte{1, 0xbb}}, "443"},
		{Port, "1024-65535", Span{Low: []byte{4, 0}, High: []byte{255, 255}}, "1024-65535"},
		{Port, "7-7", Span{Low: []byte{0, 7}, High: []byte{0, 7}}, "7"},
		{IfName, "eth0", Span{Low: []byte("eth0"), High: []byte("eth0")}, `"eth0"`},
		{IfName, "ppp1*", Span{[]byte("ppp1"), []byte("ppp1"), true}, `"ppp1*"`},
		{Proto, "tcp", Span{Low: []byte{6}, High: []byte{6}}, "tcp"},
		{Proto, "17", Span{Low: []byte{17}, High: []byte{17}}, "udp"},
		{Proto, "gre", Span{Low: []byte{47}, High: []byte{47}}, "47"},
		{Proto, "ipv6-icmp", Span{Low: []byte{58}, High: []byte{58}}, "icmpv6"},
		{NFProto, "ipv6", Span{Low: []byte{10}, High: []byte{10}}, "ipv6"},
		{Mark, "0xFFFFFFFF", Span{Low: []byte{255, 255, 255, 255}, High: []byte{255, 255, 255, 255}}, "0xffffffff"},
		{Mark, "16", Span{Low: []byte{0, 0, 0, 16}, High: []byte{0, 0, 0, 16}}, "0x10"},
		{CTDir, "reply", Span{Low: []byte{1}, High: []byte{1}}, "reply"},
		{CTState, "untracked", Span{Low: []byte{0, 0, 0, 64}, High: []byte{0, 0, 0, 64}}, ""},
		{CTStatus, "dying", Span{Low: []byte{0, 0, 2, 0}, High: []byte{0, 0, 2, 0}}, ""},
		{DSCP, "af41", Span{Low: []byte{34}, High: []byte{34}}, "af41"},
		{DSCP, "46", Span{Low: []byte{46}, High: []byte{46}}, "ef"},
		{DSCP, "3", Span{Low: []byte{3}, High: []byte{3}}, "0x03"},
		{DSCP, "1-63", Span{Low: []byte{1}, High: []byte{63}}, "1-63"},
		{DSCP, "cs7", Span{Low: []byte{56}, High: []byte{56}}, "cs7"},
	} {
		got, err := Parse(c.kind, c.word)
		require.NoError(t, err, c.word)
		assert.Equal(t, c.want, got, c.word)
		if c.text != "" {
			assert.Equal(t, c.text, got.Text(c.kind), c.word)
		}
	}
}

// address6 has the bytes given at its ends: the last argument is the last byte.
func address6(b ...byte) []byte {
	a := make([]byte, 16)
	copy(a, b[:len(b)-1])
	a[15] = b[len(b)-1]
	return a
}

func TestParseValueRefuses(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		word string
	}{
		{IPv4, "192.0.2"}, {IPv4, "192.0.2.256"}, {IPv4, "192.0.2.0/33"}, {IPv4, "192.0.2.1-"}, {IPv4, "::ffff:192.0.2.1"},
		{IPv6, "::1-192.0.2.1"}, {IPv6, "fe80::1%1"}, {IPv6, "[::1]"},
		{Port, "-1"}, {Port, "1-2-3"}, {Port, " 1"}, {Port, "1_0"}, {Port, "+1"}, {Port, "0x"}, {Port, "00"},
		{IfName, "*"}, {IfName, "**"}, {IfName, "a*b"}, {IfName, "."}, {IfName, "abcdefghijklmnop"},
		{Proto, "TCP"}, {Proto, "-"}, {Proto, "6-17"}, {NFProto, "4"}, {CTDir, "0"}, {CTState, "2"},
		{CTState, "established,related"}, {DSCP, "64"}, {DSCP, "cs8"}, {DSCP, "af14"}, {DSCP, "af10"}, {Meter, "5"}, {0, "x"},
		{Helper, "sip*"}, {Helper, "a b"}, {Helper, "abcdefghijklmnop"}, {Helper, "\"x"}, {Zone, "65536"}, {Zone, "1-2"}, {TCPFlags, "syn,ack"}, {Exists, "1"},
	} {
		_, err := Parse(c.kind, c.word)
		assert.Error(t, err, "%d %q", c.kind, c.word)
	}
}

// The encoder reads the values of ten thousand rules: reading must be cheap.
func TestParseValueAllocatesLittle(t *testing.T) {
	for word, kind := range map[string]Kind{"established": CTState, "tcp": Proto, "443": Port, "0x10": Mark} {
		assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = Parse(kind, word) }), 2.0, word)
	}
}
