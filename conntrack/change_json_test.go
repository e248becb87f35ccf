package conntrack

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A change as JSON says what there is to say of its kind, and no more.
func TestChangeJSON(t *testing.T) {
	e := flowNumber(1, Confirmed|SeenReply|Offload, 10)
	e.Flowtable = "fast"
	entry, err := json.Marshal(e)
	require.NoError(t, err)
	both := Delta{Sent: Counters{3, 180, true}, Received: Counters{0, 0, true}}
	for want, c := range map[string]Change{
		`{"kind":"path changed","from":"slow","delta":{"sent":{"packets":3,"bytes":180},"received":{"packets":0,"bytes":0}},"entry":` + string(entry) + `}`: {Kind: PathChanged, From: Slow, Entry: e, Delta: both},
		`{"kind":"counted","delta":{"sent":{"packets":3,"bytes":180}},"entry":` + string(entry) + `}`:                                                       {Kind: Counted, Entry: e, Delta: Delta{Sent: both.Sent}},
		`{"kind":"new","entry":` + string(entry) + `}`:                   {Kind: New, Entry: e},
		`{"kind":"destroyed","lost":true,"entry":` + string(entry) + `}`: {Kind: Destroyed, Lost: true, Entry: e},
		`{"kind":"overrun","lost":true}`:                                 {Kind: Overrun, Lost: true},
		`{"kind":"full","lost":true}`:                                    {Kind: Full, Lost: true},
		`{"kind":"synced"}`:                                              {Kind: Synced},
	} {
		got, err := json.Marshal(c)
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
		assert.True(t, json.Valid(got))
	}
	assert.Contains(t, string(entry), `"flowtable":"fast"`)
}
