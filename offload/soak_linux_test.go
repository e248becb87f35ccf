package offload_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestSoakReplace applies declarations in turn while four flows talk: with counters, without a flowtable, with another
// priority. No flow breaks, and each is proven on the path that the declaration in force gives it. It goes on for
// FASTPATH_SOAK (make soak), or for one round.
func TestSoakReplace(t *testing.T) {
	l := newLab(t, nil)
	var flows []*testns.Flow
	for _, network := range []string{"tcp", "udp"} {
		for _, fam := range testns.Families() {
			flows = append(flows, l.DialT(t, network, fam))
		}
	}
	late := l.fast()
	late.Priority = "filter + 5"
	for round, end := 0, soakUntil(t); round < 1 || time.Now().Before(end); round++ {
		for _, f := range []flowtable.Spec{l.fast(), late} {
			l.apply(t, accelerate(ruleset.Inet, f))
			for _, flow := range flows {
				talk(t, flow, 3, 100)
				testns.AssertSoftwarePath(t, l.Router, flow, within)
			}
		}
		l.apply(t, ruleset.Spec{})
		for _, flow := range flows {
			testns.AssertSlowPath(t, l.Router, flow, within)
		}
	}
	rest, err := l.manager.Plan(t.Context(), &ruleset.Spec{})
	require.NoError(t, err)
	assert.True(t, rest.Empty(), "nothing of ours is left: %v", rest)
}
