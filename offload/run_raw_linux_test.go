package offload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestRunWithoutRawFlowAddOnKernels has a kernel refuse a raw flow add: for its flowtable, and for the chain that jumps to it. The rest is in
// force, and the fast path is there once the Spec is right.
func TestRunWithoutRawFlowAddOnKernels(t *testing.T) {
	l := newLab(t, nil)
	rest := ruleset.R(ruleset.TCPDport.Is(9), ruleset.Counter())
	raw := func(flowtable string) ruleset.Spec {
		spec := accelerate(ruleset.Inet, l.fast())
		spec.Tables[0].Chains[0].Rules = []ruleset.Rule{ruleset.R(ruleset.L4Proto.Is(ruleset.TCP), oddFlowAdd(flowtable)), rest}
		return spec
	}
	l.runs(t, raw("gone"))
	jumping := raw("fast")
	chains := jumping.Tables[0].Chains
	jumping.Tables[0].Chains = []ruleset.Chain{
		{Name: "input", Hook: ruleset.Input, Rules: []ruleset.Rule{ruleset.R(ruleset.Jump("sub"))}}, {Name: "sub", Rules: chains[0].Rules},
	}
	for i, spec := range []ruleset.Spec{raw("gone"), jumping} {
		if i > 0 {
			require.NoError(t, l.manager.Update(&spec))
		}
		s := until(t, l.manager, func(s *offload.Status) bool {
			return s.Phase == offload.PhaseRetrying && s.Changes == uint64(i+1)
		})
		assert.Contains(t, s.Err, "flowtables are left out")
		text, err := l.NS.Ruleset(t.Context())
		require.NoError(t, err)
		assert.Contains(t, text, "tcp dport 9 counter", "the rest is in force")
		assert.NotContains(t, text, "flow add")
	}
	right := raw("fast")
	require.NoError(t, l.manager.Update(&right))
	until(t, l.manager, func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady && s.Changes == 3 })
	testns.AssertSoftwarePath(t, l.Router, l.DialT(t, "tcp", testns.IPv4), within)
}
