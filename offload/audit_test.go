package offload_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestAudit: every applied plan is told in the log, operation by operation, and nothing is told of one that changes nothing.
func TestAudit(t *testing.T) {
	var log bytes.Buffer
	kernel := offloadtest.New(t, offloadtest.Linux612("lan0", "wan0"))
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	defer m.Close()
	spec := large(150, 1)
	_, err = m.Reconcile(t.Context(), spec)
	require.NoError(t, err)
	told := log.String()
	assert.Equal(t, 1, strings.Count(told, "msg=applied"), told)
	for _, text := range []string{"owner=fastpath", "create table inet large", "add rule inet large c ip saddr 172.16.0.7", "more]"} {
		assert.Contains(t, told, text)
	}
	assert.NotContains(t, told, "172.16.0.149", "a log is no dump")

	log.Reset()
	_, err = m.Reconcile(t.Context(), spec)
	require.NoError(t, err)
	assert.NotContains(t, log.String(), "msg=applied")
	_, err = m.Reconcile(t.Context(), &ruleset.Spec{})
	require.NoError(t, err)
	assert.Contains(t, log.String(), "delete table inet large")
}

// large has so many rules and elements.
func large(rules, elements int) *ruleset.Spec {
	set := ruleset.Set{Name: "many", Type: ruleset.IPv4Addr}
	for i := range elements {
		set.Elements = append(set.Elements, fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
	}
	chain := ruleset.Chain{Name: "c", Hook: ruleset.Forward}
	for i := range rules {
		chain.Rules = append(chain.Rules, ruleset.R(ruleset.IPSaddr.Is(fmt.Sprintf("172.16.%d.%d", i>>8&255, i&255)), ruleset.Counter()))
	}
	return &ruleset.Spec{Tables: []ruleset.Table{{Name: "large", Sets: []ruleset.Set{set}, Chains: []ruleset.Chain{chain}}}}
}
