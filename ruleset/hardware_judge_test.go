package ruleset_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/judge"
)

// However drivers divide a flowtable, a connection that could be offloaded still can: nothing has to go because of its rules.
func TestAutoForbidsNoFlow(t *testing.T) {
	var divided []*judge.Ruleset
	for _, accepting := range [][]string{nil, {"lan1", "lan2", "wan"}, {"wan", "dmz"}, {"dmz", "lan1", "lan2", "wan"}} {
		plan, err := ruleset.Diff(nil, resolveAuto(t, autoSpec(), "6.12", accepting...))
		require.NoError(t, err)
		batch, err := plan.Batch(nil)
		require.NoError(t, err)
		read, err := judge.OfBatch(batch)
		require.NoError(t, err)
		divided = append(divided, read)
	}
	for i, before := range divided {
		for j, after := range divided {
			change := judge.NewChange(before, after, nil)
			for _, f := range someFlows() {
				for _, devices := range [][2]string{{"br0", "wan.7"}, {"br0", "dmz"}, {"dmz", "wan"}, {"", ""}} {
					f.In, f.Out = devices, [2]string{devices[1], devices[0]}
					assert.Equal(t, judge.Finding{}, change.Judge(&f), "from %d to %d: %+v", i, j, f)
				}
			}
		}
	}
}
