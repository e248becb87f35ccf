package conntrack

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A flow and its place in a table that was just doubled: what docs/watching.md says of memory.
func TestFlowIsSmall(t *testing.T) {
	assert.LessOrEqual(t, unsafe.Sizeof(flow{})+8, uintptr(200))
}

func TestFlowsKeepEveryField(t *testing.T) {
	f := newFlows(usualLimits())
	for _, c := range allCaptured(t) {
		e, err := Decode(binary.LittleEndian, c.data)
		require.NoError(t, err)
		e.Stop, e.Event = time.Time{}, time.Time{} // of a notification, which nobody keeps
		k := e.Key()
		p := packKey(&k)
		if f.get(&p) != nil {
			f.remove(f.get(&p))
		}
		assert.Equal(t, e, f.entry(f.add(&p, &e, 1)), c.line)
		assert.Equal(t, k, p.key())
	}
}

// Against a map, through growth, removal of all, and new beginnings.
func TestFlowsAgainstAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f, model := newFlows(usualLimits()), map[packedKey]Entry{}
	for step := range 60000 {
		e := flowNumber(r.IntN(5000), slow, uint64(step))
		e.Helper = []string{"", "ftp", "sip"}[r.IntN(3)]
		k := e.Key()
		p := packKey(&k)
		fl := f.get(&p)
		require.Equal(t, model[p].Orig.Src.IsValid(), fl != nil)
		switch {
		case fl == nil:
			f.add(&p, &e, 1)
			model[p] = e
		case step/15000%2 == 1 || r.IntN(3) == 0:
			require.Equal(t, model[p], f.entry(fl))
			f.remove(fl)
			delete(model, p)
		default:
			f.store(fl, &e)
			model[p] = e
		}
		if step%15000 == 14999 {
			for _, fl := range f.from(r.Uint32N(3000)) {
				require.Equal(t, model[fl.key], f.entry(fl))
				if step > 20000 {
					delete(model, fl.key)
					f.remove(fl)
				}
			}
			require.Equal(t, f.count, len(model))
		}
	}
}

func TestPackedTuplesTellAllApart(t *testing.T) {
	four, six := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::ffff:10.0.0.1")
	seen := map[packedTuple]Tuple{}
	for _, tuple := range []Tuple{
		{Src: netip.AddrPortFrom(four, 1), Dst: netip.AddrPortFrom(four, 2), Proto: TCP},
		{Src: netip.AddrPortFrom(four, 2), Dst: netip.AddrPortFrom(four, 1), Proto: TCP},
		{Src: netip.AddrPortFrom(four, 1), Dst: netip.AddrPortFrom(four, 2), Proto: UDP},
		{Src: netip.AddrPortFrom(six, 1), Dst: netip.AddrPortFrom(six, 2), Proto: UDP},
		{Src: netip.AddrPortFrom(four, 1), Dst: netip.AddrPortFrom(four, 2), Proto: UDP, Zone: 1},
		{Src: netip.AddrPortFrom(four, 0), Dst: netip.AddrPortFrom(four, 0), Proto: ICMP, ICMPID: 1, ICMPType: 8},
		{Src: netip.AddrPortFrom(four, 0), Dst: netip.AddrPortFrom(four, 0), Proto: ICMP, ICMPID: 1, ICMPType: 8, ICMPCode: 1},
	} {
		p := packTuple(&tuple)
		assert.Equal(t, tuple, p.tuple())
		assert.NotContains(t, seen, p)
		seen[p] = tuple
	}
}
