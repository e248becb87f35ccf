package ruleset

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseValue(t *testing.T) {
	for _, c := range []struct {
		kind valueKind
		word string
		want span
		text string
	}{
		{kindIPv4, "192.0.2.1", span{low: []byte{192, 0, 2, 1}, high: []byte{192, 0, 2, 1}}, "192.0.2.1"},
		{kindIPv4, "192.0.2.0/31", span{[]byte{192, 0, 2, 0}, []byte{192, 0, 2, 1}, true}, "192.0.2.0/31"},
		{kindIPv4, "192.0.2.1/32", span{low: []byte{192, 0, 2, 1}, high: []byte{192, 0, 2, 1}}, "192.0.2.1"},
		{kindIPv4, "0.0.0.0/0", span{make([]byte, 4), []byte{255, 255, 255, 255}, true}, "0.0.0.0/0"},
		{kindIPv4, "10.0.0.1-10.0.1.0", span{low: []byte{10, 0, 0, 1}, high: []byte{10, 0, 1, 0}}, "10.0.0.1-10.0.1.0"},
		{kindIPv6, "2001:DB8:0::1", span{low: address6(0x20, 0x01, 0x0d, 0xb8, 1), high: address6(0x20, 0x01, 0x0d, 0xb8, 1)}, "2001:db8::1"},
		{kindIPv6, "::/1", span{make([]byte, 16), []byte{0x7f, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, true}, "::/1"},
		{kindPort, "0", span{low: []byte{0, 0}, high: []byte{0, 0}}, "0"},
		{kindPort, "0x1bb", span{low: []byte{1, 0xbb}, high: []byte{1, 0xbb}}, "443"},
		{kindPort, "1024-65535", span{low: []byte{4, 0}, high: []byte{255, 255}}, "1024-65535"},
		{kindPort, "7-7", span{low: []byte{0, 7}, high: []byte{0, 7}}, "7"},
		{kindIfName, "eth0", span{low: []byte("eth0"), high: []byte("eth0")}, `"eth0"`},
		{kindIfName, "ppp1*", span{[]byte("ppp1"), []byte("ppp1"), true}, `"ppp1*"`},
		{kindProto, "tcp", span{low: []byte{6}, high: []byte{6}}, "tcp"},
		{kindProto, "17", span{low: []byte{17}, high: []byte{17}}, "udp"},
		{kindProto, "gre", span{low: []byte{47}, high: []byte{47}}, "47"},
		{kindProto, "ipv6-icmp", span{low: []byte{58}, high: []byte{58}}, "icmpv6"},
		{kindNFProto, "ipv6", span{low: []byte{10}, high: []byte{10}}, "ipv6"},
		{kindMark, "0xFFFFFFFF", span{low: []byte{255, 255, 255, 255}, high: []byte{255, 255, 255, 255}}, "0xffffffff"},
		{kindMark, "16", span{low: []byte{0, 0, 0, 16}, high: []byte{0, 0, 0, 16}}, "0x10"},
		{kindCTDir, "reply", span{low: []byte{1}, high: []byte{1}}, "reply"},
		{kindCTState, "untracked", span{low: []byte{0, 0, 0, 64}, high: []byte{0, 0, 0, 64}}, ""},
		{kindCTStatus, "dying", span{low: []byte{0, 0, 2, 0}, high: []byte{0, 0, 2, 0}}, ""},
		{kindDSCP, "af41", span{low: []byte{34}, high: []byte{34}}, "af41"},
		{kindDSCP, "46", span{low: []byte{46}, high: []byte{46}}, "ef"},
		{kindDSCP, "3", span{low: []byte{3}, high: []byte{3}}, "0x03"},
		{kindDSCP, "1-63", span{low: []byte{1}, high: []byte{63}}, "1-63"},
		{kindDSCP, "cs7", span{low: []byte{56}, high: []byte{56}}, "cs7"},
	} {
		got, err := parseValue(c.kind, c.word)
		require.NoError(t, err, c.word)
		assert.Equal(t, c.want, got, c.word)
		if c.text != "" {
			assert.Equal(t, c.text, got.text(c.kind), c.word)
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
		kind valueKind
		word string
	}{
		{kindIPv4, "192.0.2"}, {kindIPv4, "192.0.2.256"}, {kindIPv4, "192.0.2.0/33"}, {kindIPv4, "192.0.2.1-"}, {kindIPv4, "::ffff:192.0.2.1"},
		{kindIPv6, "::1-192.0.2.1"}, {kindIPv6, "fe80::1%1"}, {kindIPv6, "[::1]"},
		{kindPort, "-1"}, {kindPort, "1-2-3"}, {kindPort, " 1"}, {kindPort, "1_0"}, {kindPort, "+1"}, {kindPort, "0x"}, {kindPort, "00"},
		{kindIfName, "*"}, {kindIfName, "**"}, {kindIfName, "a*b"}, {kindIfName, "."}, {kindIfName, "abcdefghijklmnop"},
		{kindProto, "TCP"}, {kindProto, "-"}, {kindProto, "6-17"}, {kindNFProto, "4"}, {kindCTDir, "0"}, {kindCTState, "2"},
		{kindCTState, "established,related"}, {kindDSCP, "64"}, {kindDSCP, "cs8"}, {kindDSCP, "af14"}, {kindDSCP, "af10"}, {kindMeter, "5"}, {0, "x"},
		{kindHelper, "sip*"}, {kindHelper, "a b"}, {kindHelper, "abcdefghijklmnop"}, {kindHelper, "\"x"}, {kindZone, "65536"}, {kindZone, "1-2"}, {kindTCPFlags, "syn,ack"}, {kindExists, "1"},
	} {
		_, err := parseValue(c.kind, c.word)
		assert.Error(t, err, "%d %q", c.kind, c.word)
	}
}

func TestEveryFieldIsDescribed(t *testing.T) {
	for _, f := range []Field{
		fieldNFProto, fieldL4Proto, fieldIIFName, fieldOIFName, fieldMetaMark, fieldIPSaddr, fieldIPDaddr, fieldIP6Saddr, fieldIP6Daddr,
		fieldIPDSCP, fieldIP6DSCP, fieldTCPSport, fieldTCPDport, fieldUDPSport, fieldUDPDport, fieldTHSport, fieldTHDport, fieldCTState,
		fieldCTStatus, fieldCTMark, fieldCTDir, fieldCTPackets, fieldCTBytes, fieldOrigPkts, fieldOrigBytes, fieldReplyPkts, fieldReplyBytes,
	} {
		info, ok := infoOf(f)
		require.True(t, ok, f)
		assert.NotZero(t, info.source, f)
		assert.NotEqual(t, "a known kind of value", info.kind.expects(), f)
		assert.Equal(t, info.source == fromPayload, info.length != 0, f)
	}
	_, ok := infoOf("ip ttl")
	assert.False(t, ok)
}

// The encoder reads the values of ten thousand rules: reading must be cheap.
func TestParseValueAllocatesLittle(t *testing.T) {
	for word, kind := range map[string]valueKind{"established": kindCTState, "tcp": kindProto, "443": kindPort, "0x10": kindMark} {
		assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = parseValue(kind, word) }), 2.0, word)
	}
}
