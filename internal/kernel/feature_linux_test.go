package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// encodeFeatures encodes an answer to FEATURES_GET: bitmaps of 64 features of the link with index 2.
func encodeFeatures(changeable, active, never []byte) []byte {
	o := nlmsg.Native()
	b := nlmsg.NewBuilder(o, nil)
	b.Raw(make([]byte, genericHeader))
	header := b.Nest(unix.ETHTOOL_A_FEATURES_HEADER)
	b.Data(unix.ETHTOOL_A_HEADER_DEV_INDEX, o.AppendUint32(nil, 2))
	b.EndNest(header)
	for typ, words := range map[uint16][]byte{
		unix.ETHTOOL_A_FEATURES_HW: changeable, unix.ETHTOOL_A_FEATURES_ACTIVE: active, unix.ETHTOOL_A_FEATURES_NOCHANGE: never,
	} {
		set := b.Nest(typ)
		b.Data(unix.ETHTOOL_A_BITSET_SIZE, o.AppendUint32(nil, 64))
		b.Data(unix.ETHTOOL_A_BITSET_VALUE, words)
		b.EndNest(set)
	}
	return b.Bytes()
}

// encodeStrings encodes an answer to STRSET_GET with one string.
func encodeStrings(index uint32, name string) []byte {
	o := nlmsg.Native()
	b := nlmsg.NewBuilder(o, nil)
	b.Raw(make([]byte, genericHeader))
	var nests []int
	for _, typ := range []uint16{unix.ETHTOOL_A_STRSET_STRINGSETS, unix.ETHTOOL_A_STRINGSETS_STRINGSET, unix.ETHTOOL_A_STRINGSET_STRINGS, unix.ETHTOOL_A_STRINGS_STRING} {
		nests = append(nests, b.Nest(typ))
	}
	b.Data(unix.ETHTOOL_A_STRING_INDEX, o.AppendUint32(nil, index))
	b.String(unix.ETHTOOL_A_STRING_VALUE, name)
	for i := range nests {
		b.EndNest(nests[len(nests)-1-i])
	}
	return b.Bytes()
}

func TestParseFeature(t *testing.T) {
	o := nlmsg.Native()
	none, bit40 := make([]byte, 8), append(make([]byte, 4), o.AppendUint32(nil, 1<<8)...)
	for want, data := range map[string][]byte{
		"on": encodeFeatures(bit40, bit40, none), "off": encodeFeatures(bit40, none, none),
		"on [fixed]": encodeFeatures(none, bit40, none), "off [fixed]": encodeFeatures(bit40, none, bit40),
	} {
		index, feature, err := parseFeature(o, data, 40)
		require.NoError(t, err)
		assert.Equal(t, 2, index)
		assert.Equal(t, want, feature)
	}
}

// A place that an int of 32 bits cannot hold is one that no bitmap has.
func TestFeatureFarOut(t *testing.T) {
	o := nlmsg.Native()
	for _, want := range []uint32{64, 1 << 31, 1<<32 - 1} {
		place, found, err := findString(o, encodeStrings(want, tcOffload), tcOffload)
		require.NoError(t, err)
		require.True(t, found)
		assert.EqualValues(t, want, place)
		_, _, err = parseFeature(o, encodeFeatures(make([]byte, 8), make([]byte, 8), make([]byte, 8)), place)
		assert.ErrorIs(t, err, nlmsg.ErrMalformed, "bit %d of 64", place)
	}
}
