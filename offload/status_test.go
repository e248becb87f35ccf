package offload_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

func TestStatusReads(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	s := offload.Status{
		Owner: "fastpath", Phase: offload.PhaseRetrying, Since: at, Generation: 7, Changes: 3, Err: "refused", Retry: at.Add(time.Second),
		Devices: []offload.DeviceStatus{{
			Binding: flowtable.Binding{Flowtable: "fast", Device: "eth0", State: flowtable.Bound, Hardware: true, Why: "it is there"}, Since: at,
		}},
		Flowtables: []offload.FlowtableStatus{
			{Family: ruleset.Inet, Table: "fw", Name: "fast", Handle: 2, Hardware: "asked"},
			{Family: ruleset.Inet, Table: "fw", Name: "more", Failed: "no such thing"},
		},
		Drift: []string{"add rule inet fw forward counter"}, Pending: []string{"add chain inet fw x"}, Warnings: []string{"mind the gap"},
	}
	assert.Equal(t, `fastpath: retrying since 03:04:05.006, generation 7, 3 changes, next try at 03:04:06.006
error: refused
flowtable inet fw fast: handle 2, hardware asked
flowtable inet fw more: not in the kernel, failed: no such thing
FLOWTABLE  DEVICE  STATE            SINCE         WHY
fast       eth0    bound, hardware  03:04:05.006  it is there
changed by others: add rule inet fw forward counter
to be done: add chain inet fw x
warning: mind the gap
`, s.String())
	text, err := json.Marshal(&s)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"devices":[{"flowtable":"fast","device":"eth0","state":"bound"`)
	var back offload.Status
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, s, back)

	text, err = json.Marshal(&offload.Status{Owner: "fastpath", Phase: offload.PhaseSteady})
	require.NoError(t, err)
	assert.Equal(t, `{"owner":"fastpath","phase":"steady","since":"0001-01-01T00:00:00Z","generation":0,"changes":0}`, string(text))
}
