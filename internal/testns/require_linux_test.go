package testns

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseRelease(t *testing.T) {
	for text, want := range map[string]Release{
		"6.12.117+deb12-amd64": {Major: 6, Minor: 12}, "7.2.13": {Major: 7, Minor: 2},
		"6.1-rc1": {Major: 6, Minor: 1}, "10.0": {Major: 10},
	} {
		want.Text = text
		got, err := ParseRelease(text)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, bad := range []string{"", "6", "6.", "six.one", ".1"} {
		_, err := ParseRelease(bad)
		require.Error(t, err, bad)
	}
	old := Release{Major: 6, Minor: 12}
	assert.True(t, old.AtLeast(6, 12))
	assert.True(t, old.AtLeast(5, 99))
	assert.False(t, old.AtLeast(6, 16))
	assert.False(t, old.AtLeast(7, 0))
	running, err := Kernel()
	require.NoError(t, err)
	assert.True(t, running.AtLeast(4, 16), running)
}

// TestRequireFlowtables agrees with the kernel at hand: it passes, or it skips, but never where everything must be there.
func TestRequireFlowtables(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	have, reason := HaveFlowtables(t.Context())
	assert.Equal(t, have, reason == "")

	t.Setenv(vmVariable, "")
	tb := runFake(func(tb *fakeTB) { RequireFlowtables(tb) })
	assert.Equal(t, !have, tb.skipped)
	assert.False(t, tb.failed)

	t.Setenv(vmVariable, "1")
	tb = runFake(func(tb *fakeTB) { RequireFlowtables(tb) })
	assert.False(t, tb.skipped)
	assert.Equal(t, !have, tb.failed)
	if !have {
		assert.Contains(t, tb.text(), reason)
	}
}

func TestRequireNamespacesNamesTheMissingTool(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(vmVariable, "")
	tb := runFake(func(tb *fakeTB) { NewRouterT(tb, nil) })
	assert.True(t, tb.skipped)
	assert.Contains(t, tb.text(), "ip is missing")
	t.Setenv(vmVariable, "1")
	tb = runFake(func(tb *fakeTB) { NewT(tb, "a") })
	assert.True(t, tb.failed)
}

func TestPoll(t *testing.T) {
	asked := 0
	require.NoError(t, Poll(t.Context(), time.Microsecond, func() (bool, error) { asked++; return asked == 3, nil }))
	assert.Equal(t, 3, asked)
	broken := errors.New("broken")
	require.ErrorIs(t, Poll(t.Context(), time.Microsecond, func() (bool, error) { return false, broken }), broken)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	require.ErrorIs(t, Poll(ctx, time.Hour, func() (bool, error) { return false, nil }), context.DeadlineExceeded)
}
