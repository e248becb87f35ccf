package rawexpr_test

import (
	"testing"

	"github.com/google/nftables/expr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/rawexpr"
)

func TestRefuses(t *testing.T) {
	var null *expr.Counter
	for name, call := range map[string]func() (ruleset.Statement, error){
		"no text":        func() (ruleset.Statement, error) { return rawexpr.Statement(ruleset.IP, "", &expr.Counter{}) },
		"no expressions": func() (ruleset.Statement, error) { return rawexpr.Statement(ruleset.IP, "counter") },
		"nil":            func() (ruleset.Statement, error) { return rawexpr.Statement(ruleset.IP, "counter", nil) },
		"nil pointer":    func() (ruleset.Statement, error) { return rawexpr.Statement(ruleset.IP, "counter", null) },
		"flow offload": func() (ruleset.Statement, error) {
			return rawexpr.Statement(ruleset.IP, "flow add @f", &expr.FlowOffload{Name: "f"})
		},
	} {
		s, err := call()
		assert.Error(t, err, name)
		assert.Equal(t, ruleset.Statement{}, s, name)
	}
	_, err := rawexpr.Statement(ruleset.IP, "flow add @f", &expr.Counter{}, &expr.FlowOffload{Name: "f"})
	assert.EqualError(t, err, `raw statement "flow add @f", expression 1: write FlowAdd("f") instead`)
}

// TestBytes: a Raw is the contents of a list element, as google/nftables marshals it.
func TestBytes(t *testing.T) {
	s, err := rawexpr.Statement(ruleset.IP6, "counter", &expr.Counter{Packets: 1, Bytes: 2})
	require.NoError(t, err)
	want, err := expr.Marshal(unix.NFPROTO_IPV6, &expr.Counter{Packets: 1, Bytes: 2})
	require.NoError(t, err)
	assert.Equal(t, &ruleset.Raw{Text: "counter", Expr: [][]byte{want}}, s.Raw)
}
