package ruleset

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryFieldIsDescribed(t *testing.T) {
	for _, f := range []Field{
		fieldNFProto, fieldL4Proto, fieldIIFName, fieldOIFName, fieldMetaMark, fieldIPSaddr, fieldIPDaddr, fieldIP6Saddr, fieldIP6Daddr,
		fieldIPDSCP, fieldIP6DSCP, fieldTCPSport, fieldTCPDport, fieldUDPSport, fieldUDPDport, fieldTHSport, fieldTHDport, fieldCTState,
		fieldCTStatus, fieldCTMark, fieldCTDir, fieldCTPackets, fieldCTBytes, fieldOrigPkts, fieldOrigBytes, fieldReplyPkts, fieldReplyBytes,
	} {
		info, ok := infoOf(f)
		require.True(t, ok, f)
		assert.NotZero(t, info.source, f)
		assert.NotEqual(t, "a known kind of value", info.kind.Expects(), f)
		assert.Equal(t, info.source == fromPayload, info.length != 0, f)
	}
	_, ok := infoOf("ip ttl")
	assert.False(t, ok)
}
