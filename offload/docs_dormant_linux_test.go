package offload_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsDormant: `flags dormant` stops the base chains of a table, its drops among them, and nothing else: its flowtables go on to look at
// packets, and live flows to run. That is no kill switch, and Conflicts says so; Off is one.
func TestDocsDormant(t *testing.T) {
	l := newLab(t, nil)
	spec := accelerate(ruleset.Inet, l.fast())
	l.apply(t, spec)
	f := l.dialFast(t, "udp", testns.IPv4)
	require.NoError(t, l.NS.NFT(t.Context(), "add table inet accel { flags dormant; }"))
	seen := l.forwarded(t, f, func() { talk(t, f, trips, 100) })
	assert.Zero(t, seen, "the flow runs on")
	assert.Equal(t, conntrack.Software, l.path(t, f))
	late := l.DialT(t, "udp", testns.IPv4)
	testns.AssertSlowPath(t, l.Router, late, within)
	assert.Equal(t, conntrack.Slow, l.path(t, late), "the base chain sleeps")

	findings, err := l.manager.Conflicts(t.Context(), &spec)
	require.NoError(t, err)
	assert.True(t, slices.ContainsFunc(findings, func(f ruleset.Finding) bool { return f.Code == "dormant-table" }), "%v", findings)
	require.NoError(t, l.manager.Off(t.Context(), ""))
	seen = l.forwarded(t, f, func() { talk(t, f, trips, 100) })
	assert.NotZero(t, seen, "Off ends it")
}
