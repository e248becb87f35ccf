package offload_test

import (
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/kernel"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// forgedKey is a setting of the namespace that SetSettings does not take.
const forgedKey = "net.ipv4.conf.lo.forwarding"

// forgedMark is a mark as builds with short names wrote them, for a setting that none of them would have changed.
func forgedMark() string {
	sum := fnv.New32a()
	_, _ = io.WriteString(sum, ruleset.DefaultOwner+"\x00"+forgedKey)
	return fmt.Sprintf("table inet fastpath_setting_%08x {\n\tcomment \"managed by %s, changed %s to 1, before 0\"\n}\n", sum.Sum32(), ruleset.DefaultOwner, forgedKey)
}

// Whoever may write tables in a namespace can forge a mark; a process that uninstalls may write more than he: it changes nothing by it, and says
// which table it passed over.
func TestUninstallPassesOverForgedMarks(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "forged")
	_, err := ns.Run(t.Context(), "", "sysctl", "-q", "-w", forgedKey+"=1")
	require.NoError(t, err)
	require.NoError(t, ns.NFT(t.Context(), forgedMark()))
	var log strings.Builder
	m, err := offload.Open(t.Context(), &offload.Config{NetNS: ns.Path(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	defer m.Close()
	done, err := m.Uninstall(t.Context(), "")
	require.NoError(t, err)
	assert.Empty(t, done.Restored)
	is, err := ns.Sysctl(forgedKey)
	require.NoError(t, err)
	assert.Equal(t, "1", is, "nobody of ours changed it")
	assert.Contains(t, listing(t, ns), forgedKey, "somebody else's table stays")
	assert.Contains(t, log.String(), "fastpath_setting_")
	assert.Contains(t, log.String(), "none of the settings")

	plan, err := m.Plan(t.Context(), &ruleset.Spec{Tables: []ruleset.Table{{Name: "lab"}}})
	require.NoError(t, err)
	var warned bool
	for _, w := range plan.Warnings() {
		warned = warned || strings.Contains(w, "fastpath_setting_")
	}
	assert.True(t, warned, "%v", plan.Warnings())
}

// Nothing but the settings of the list is written, whoever asks for it.
func TestNoOtherSettingIsWritten(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "listed")
	writer, err := kernel.Open(ns.Path())
	require.NoError(t, err)
	defer writer.Close()
	for _, key := range []string{forgedKey, "net/ipv4/ip_forward", "net.ipv4.ip_forward/../ip_forward", "..net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding", ""} {
		assert.ErrorContains(t, writer.WriteSysctl(t.Context(), key, "0"), "none of the settings", "%q", key)
	}
	assert.ErrorContains(t, writer.WriteSysctl(t.Context(), forward, "0\n1"), "no value", "values too")
	require.NoError(t, writer.WriteSysctl(t.Context(), forward, "1"))
	is, err := ns.Sysctl(forward)
	require.NoError(t, err)
	assert.Equal(t, "1", is)
}
