package offload_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// oddFlowAdd is `flow add` as somebody's JSON may have it: the name of the expression behind its attributes.
func oddFlowAdd(flowtable string) ruleset.Statement {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	data := b.Nest(nlmsg.NFTAExprData)
	b.String(nlmsg.NFTAFlowTableName, flowtable)
	b.EndNest(data)
	b.String(nlmsg.NFTAExprName, "flow_offload")
	return ruleset.Statement{Raw: &ruleset.Raw{Text: "flow add @" + flowtable, Expr: [][]byte{b.Bytes()}}}
}

// rawFast is fast with a raw flow add, to a flowtable of this name.
func rawFast(flowtable string, devices ...string) *ruleset.Spec {
	spec := fast(devices...)
	spec.Tables[0].Chains[0].Rules = []ruleset.Rule{
		ruleset.R(ruleset.L4Proto.Is(ruleset.TCP), oddFlowAdd(flowtable)),
		ruleset.R(ruleset.TCPDport.Is(23), ruleset.Drop()),
	}
	return spec
}

// A raw flow add that the kernel refuses keeps nothing else from being in force, as the typed one: what offloads is left out, and tried again
// with a growing pause.
func TestRunWithoutRawFlowAdd(t *testing.T) {
	jumping := rawFast("fast", "eth0")
	chains := jumping.Tables[0].Chains
	jumping.Tables[0].Chains = []ruleset.Chain{
		{Name: "input", Hook: ruleset.Input, Rules: []ruleset.Rule{ruleset.R(ruleset.Jump("sub"))}},
		{Name: "sub", Rules: chains[0].Rules},
	}
	for name, spec := range map[string]*ruleset.Spec{
		"no such flowtable": rawFast("gone", "eth0"),
		"not in forward":    jumping, // some kernels refuse the rule that jumps there
	} {
		for i, target := range []*flowtable.Target{offloadtest.Linux61("eth0"), offloadtest.Linux612("eth0"), offloadtest.Linux72("eth0")} {
			t.Run(fmt.Sprint(name, " ", i), func(t *testing.T) {
				inBubble(t, target, offload.RunConfig{MaxChanges: -1}, spec, func(t *testing.T, r *running) {
					for range 3 {
						s := r.status()
						assert.Equal(t, offload.PhaseRetrying, s.Phase)
						assert.Contains(t, s.Err, "flowtables are left out")
						require.Len(t, s.Flowtables, 1)
						assert.NotEmpty(t, s.Flowtables[0].Failed)
						left, err := r.m.Plan(t.Context(), spec.WithoutFlowtables())
						require.NoError(t, err)
						assert.Empty(t, left.String(), "all but the fast path is in force")
						r.pass(20 * time.Minute)
					}
					before := r.kernel.dumps.Load() + r.kernel.commits.Load()
					r.pass(10 * time.Minute)
					assert.Less(t, r.kernel.dumps.Load()+r.kernel.commits.Load()-before, int64(40), "it does not try without a pause")

					require.NoError(t, r.m.Update(rawFast("fast", "eth0")))
					r.pass(time.Second)
					assert.Equal(t, offload.PhaseSteady, r.status().Phase, "%v", r.status())
				})
			})
		}
	}
}
