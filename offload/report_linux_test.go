package offload

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// Real connections, of both families and protocols, on the slow path.
func TestReportOfRealFlows(t *testing.T) {
	testns.CheckLeaks(t)
	r := testns.NewRouterT(t, nil)
	ctx := testContext(t)
	m, err := Open(ctx, &Config{NetNS: r.NS.Path()})
	require.NoError(t, err)
	defer m.Close()
	w, err := conntrack.Open(ctx, &conntrack.Config{NetNS: r.NS.Path()})
	require.NoError(t, err)
	defer w.Close()
	require.NoError(t, r.NS.NFT(ctx, "table inet t { chain c { type filter hook forward priority 0; ct state established accept; }; }\n"))
	for _, network := range []string{"tcp", "udp"} {
		for _, family := range testns.Families() {
			f := r.DialT(t, network, family)
			_, err := f.RoundTrip(ctx, 10, 100)
			require.NoError(t, err)
		}
	}
	report, err := m.Report(ctx, w)
	require.NoError(t, err)
	assert.True(t, report.Accounting)
	rows := map[[2]uint8]ReportRow{}
	for _, row := range report.Rows {
		rows[[2]uint8{row.Protocol, uint8(row.Family)}] = row
		assert.Equal(t, conntrack.Slow, row.Path)
	}
	for _, proto := range []uint8{conntrack.TCP, conntrack.UDP} {
		for _, family := range []conntrack.Family{conntrack.IPv4, conntrack.IPv6} {
			row := rows[[2]uint8{proto, uint8(family)}]
			assert.Positive(t, row.Flows, "%d %d", proto, family)
			assert.Equal(t, row.Flows, row.Counted)
			assert.GreaterOrEqual(t, row.Packets, uint64(20), "ten round trips")
			assert.GreaterOrEqual(t, row.Bytes, uint64(2000))
		}
	}
}
