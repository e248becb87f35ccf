package ruleset

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Elements come one by one, as many as a kernel took.
func TestIntervalsOfElements(t *testing.T) {
	begin := func(b byte) rawElement { return rawElement{key: [16]byte{b}} }
	end := func(b byte) rawElement { return rawElement{key: [16]byte{b}, end: true} }
	r := func(low, high byte) nftvalue.Range { return nftvalue.Range{Low: [16]byte{low}, High: [16]byte{high}} }
	for name, c := range map[string]struct {
		elements []rawElement
		ranges   []nftvalue.Range
		torn     bool
	}{
		"nothing":               {nil, []nftvalue.Range{}, false},
		"in any order":          {[]rawElement{end(20), begin(3), end(0), begin(10), end(5)}, []nftvalue.Range{r(3, 4), r(10, 19)}, false},
		"one touches the other": {[]rawElement{begin(3), end(5), begin(5), end(7)}, []nftvalue.Range{r(3, 4), r(5, 6)}, false},
		"from zero":             {[]rawElement{end(0), begin(0), end(2)}, []nftvalue.Range{r(0, 1)}, false},
		"to the end":            {[]rawElement{end(0), begin(9)}, []nftvalue.Range{r(9, 255)}, false},
		"two beginnings":        {[]rawElement{begin(1), begin(2), end(5)}, []nftvalue.Range{r(1, 1), r(2, 4)}, true},
		"two ends":              {[]rawElement{begin(1), end(2), end(5)}, []nftvalue.Range{r(1, 1)}, true},
		"an end alone":          {[]rawElement{end(5)}, []nftvalue.Range{}, true},
	} {
		ranges, torn := intervals(c.elements, 1)
		assert.Equal(t, c.ranges, ranges, name)
		assert.Equal(t, c.torn, torn, name)
	}
}

// A set's length may be anything where no kernel wrote it.
func TestElementsOfKeysTooLong(t *testing.T) {
	for _, length := range []uint32{17, 1 << 31, 1<<32 - 1} {
		s := LoadedSet{KeyLen: length, elements: []rawElement{{key: [16]byte{1}}, {key: [16]byte{1}}}}
		assert.True(t, s.finish(), "elements of which not all is kept are not told apart")
		assert.Equal(t, []string{"0x01000000000000000000000000000000"}, s.Elements())
		assert.NotPanics(t, func() { s.content() })
	}
}

// A kernel lists elements twice, and misses as many, while a large hash table grows: the dump is to be read again.
func TestLoadSeesSetsThatMoved(t *testing.T) {
	for name, c := range map[string]struct {
		words []string
		torn  bool
	}{"as it was": {[]string{"192.0.2.1", "192.0.2.2"}, false}, "listed twice": {[]string{"192.0.2.1", "192.0.2.2", "192.0.2.1"}, true}} {
		var k kernelState
		k.table(nlmsg.FamilyInet, "t", "managed by fastpath")
		k.add(nlmsg.NFTMsgNewSet, nlmsg.FamilyInet, func(b *nlmsg.Builder) {
			b.String(nlmsg.NFTASetTable, "t")
			b.String(nlmsg.NFTASetName, "s")
			b.Uint32BE(nlmsg.NFTASetKeyLen, 4)
		})
		k.add(nlmsg.NFTMsgNewSetElem, nlmsg.FamilyInet, func(b *nlmsg.Builder) {
			b.String(nlmsg.NFTASetElemListTable, "t")
			b.String(nlmsg.NFTASetElemListSet, "s")
			list := b.Nest(nlmsg.NFTASetElemListElements)
			for _, word := range c.words {
				elem, key := b.Nest(nlmsg.NFTAListElem), b.Nest(nlmsg.NFTASetElemKey)
				b.Data(nlmsg.NFTADataValue, netip.MustParseAddr(word).AsSlice())
				b.EndNest(key)
				b.EndNest(elem)
			}
			b.EndNest(list)
		})
		assert.Equal(t, c.torn, k.load(t, "").Torn(), name)
	}
}
