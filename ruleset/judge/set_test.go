package judge

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A field's length may be anything where no kernel wrote it, and is none that an int of 32 bits turns negative.
func TestConcatenationOfLongFields(t *testing.T) {
	b := nlmsg.NewBuilder(nlmsg.LittleEndian, nil)
	concat := b.Nest(nlmsg.NFTASetDescConcat)
	for _, length := range []uint32{4, 1 << 31, 1<<32 - 4} {
		elem := b.Nest(nlmsg.NFTAListElem)
		b.Uint32BE(1, length)
		b.EndNest(elem)
	}
	b.EndNest(concat)
	fields, err := concatenation(nlmsg.LittleEndian, b.Bytes())
	require.NoError(t, err)
	assert.Equal(t, []int{4, longestKey, longestKey}, fields)
	s := &set{fields: fields}
	key := make([]byte, 16)
	assert.True(t, s.within(&element{key: key}, key))
}
