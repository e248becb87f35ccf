package ruleset

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Marks are read back as they were written, of one owner, and nothing else is taken for one.
func TestChangedSettings(t *testing.T) {
	set := ChangedSetting{Owner: "me", Key: "net.ipv4.ip_forward", Value: "1", Before: "0"}
	other := ChangedSetting{Owner: "me too", Key: "net.ipv4.ip_forward", Value: "1", Before: "0"}
	have := &Loaded{tables: []LoadedTable{
		{Family: Inet, Name: set.table(), Owner: set.mark()},
		{Family: Inet, Name: other.table(), Owner: other.mark()},
		{Family: Inet, Name: "another name", Owner: set.mark()},
		{Family: IP, Name: set.table(), Owner: set.mark()},
		{Family: Inet, Name: "fw", Owner: "me"},
	}}
	assert.Equal(t, []ChangedSetting{set}, have.ChangedSettings("me"))
	assert.Equal(t, []ChangedSetting{other}, have.ChangedSettings("me too"))
	assert.Empty(t, have.ChangedSettings(""))

	plan, err := MarkSettings(have, "me", set)
	require.NoError(t, err)
	assert.True(t, plan.Empty(), "%v", plan)
	again := set
	again.Value, again.Before = "2", "1"
	plan, err = MarkSettings(have, "me", again)
	require.NoError(t, err)
	require.Len(t, plan.Operations(), 2, "kernels take a comment with a new table alone")
	assert.Contains(t, plan.String(), "to 2, before 0", "what it was first stays")
	plan, err = UnmarkSettings(have, "me")
	require.NoError(t, err)
	assert.Len(t, plan.Operations(), 1)

	_, err = MarkSettings(nil, strings.Repeat("o", 100), set)
	require.ErrorContains(t, err, "too long")
}
