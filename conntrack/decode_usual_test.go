package conntrack

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// usualTuples are those that are read at once.
func usualTuples() []Tuple {
	return []Tuple{
		{Src: netip.MustParseAddrPort("10.1.2.3:4567"), Dst: netip.MustParseAddrPort("192.0.2.1:53"), Proto: UDP},
		{Src: netip.MustParseAddrPort("[2001:db8::1]:4567"), Dst: netip.MustParseAddrPort("[2001:db8::2]:443"), Proto: TCP},
	}
}

func TestUsualTuple(t *testing.T) {
	d := decoder{order: nlmsg.LittleEndian}
	for _, want := range usualTuples() {
		var got, slow Tuple
		b := nest(func(b *nlmsg.Builder) { appendTuple(b, nlmsg.CTATupleOrig, &want) })
		require.True(t, d.usualTuple(&got, b))
		assert.Equal(t, want, got)
		require.NoError(t, d.anyTuple(&slow, b))
		assert.Equal(t, want, slow)
	}
}

// What is not quite usual is left to the other way, or comes to the same.
func TestUsualIsExact(t *testing.T) {
	d := decoder{order: nlmsg.LittleEndian}
	for _, tuple := range usualTuples() {
		eachDamage(nest(func(b *nlmsg.Builder) { appendTuple(b, nlmsg.CTATupleOrig, &tuple) }), func(b []byte) {
			var fast, slow Tuple
			if d.usualTuple(&fast, b) {
				require.NoError(t, d.anyTuple(&slow, b), "% x", b)
				require.Equal(t, slow, fast, "% x", b)
			}
		})
	}
	counters := nest(func(b *nlmsg.Builder) {
		n := b.Nest(nlmsg.CTACountersOrig)
		b.Uint64BE(nlmsg.CTACountersPackets, 3)
		b.Uint64BE(nlmsg.CTACountersBytes, 1<<40)
		b.EndNest(n)
	})
	var c Counters
	require.True(t, d.usualCounters(&c, counters))
	assert.Equal(t, Counters{Packets: 3, Bytes: 1 << 40, OK: true}, c)
	eachDamage(counters, func(b []byte) {
		var fast, slow Counters
		if d.usualCounters(&fast, b) {
			require.NoError(t, d.anyCounters(&slow, b), "% x", b)
			require.Equal(t, slow, fast, "% x", b)
		}
	})
}

// nest is what a little-endian kernel puts into the one attribute that is appended.
func nest(add func(*nlmsg.Builder)) []byte {
	b := nlmsg.NewBuilder(nlmsg.LittleEndian, nil)
	add(b)
	return b.Bytes()[4:]
}

// eachDamage hands out b with each of its bytes changed in some ways, and cut short.
func eachDamage(b []byte, try func([]byte)) {
	for i := range b {
		for _, x := range []byte{1, 2, 4, 0x40, 0x80, 0xff} {
			b[i] ^= x
			try(b)
			b[i] ^= x
		}
		try(b[:i])
	}
}
