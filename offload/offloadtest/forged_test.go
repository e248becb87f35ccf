package offloadtest

import (
	"io/fs"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/offload"
)

// A table of somebody else that looks like the mark of a setting has nothing written, stays, and is told of once.
func TestForgedMarksArePassedOver(t *testing.T) {
	const key = "net.ipv4.conf.lo.forwarding"
	k := New(t, Linux612("eth0"))
	k.SetSysctl(key, "1")
	comment := "managed by fastpath, changed " + key + " to 1, before 0\x00"
	forge := step{batch: func(b *batch) {
		b.inet(nlmsg.NFTMsgNewTable, create, str(nlmsg.NFTATableName, "fastpath_setting_98e894f4"),
			raw(nlmsg.NFTATableUserdata, "\x00"+string(rune(len(comment)))+comment))
	}}
	_, err := k.send(t.Context(), forge.bytes(0).Bytes(), atCommit)
	require.NoError(t, err)
	var log strings.Builder
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: k, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	defer m.Close()
	for range 2 {
		done, err := m.Uninstall(t.Context(), "")
		require.NoError(t, err)
		assert.Empty(t, done.Restored)
	}
	is, err := k.Sysctl(t.Context(), key)
	require.NoError(t, err)
	assert.Equal(t, "1", is)
	assert.Contains(t, k.Ruleset(), "before 0", "somebody else's table stays")
	assert.Equal(t, 1, strings.Count(log.String(), "is ignored"), "%s", &log)
	plan, err := m.Plan(t.Context(), declare("fw"))
	require.NoError(t, err)
	assert.Contains(t, strings.Join(plan.Warnings(), "\n"), "fastpath_setting_98e894f4 is ignored")

	for _, other := range []string{key, "net/ipv4/ip_forward", "net.ipv4.ip_forward/../ip_forward", "..net.ipv4.ip_forward", ""} {
		require.ErrorContains(t, k.WriteSysctl(t.Context(), other, "0"), "none of the settings", "%q", other)
		if other != key {
			_, err := k.Sysctl(t.Context(), other)
			assert.ErrorIs(t, err, fs.ErrNotExist, "%q", other)
		}
	}
}
