package offload_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
)

// linuxOf is a Target with lan0 and wan0 and the manners of a release.
func linuxOf(release string) *flowtable.Target {
	target := offloadtest.Linux72("lan0", "wan0")
	target.Kernel = flowtable.KernelOf(release)
	return target
}

var pppoeOverWAN = flowtable.Link{Name: "ppp0", Kind: "ppp", Up: true, PPPoE: flowtable.PPPoE{Device: "wan0", Session: 1}}

// TestGuardPlan: where a kernel panics, the flowtable is made without devices and the rest of the ruleset comes into force; where it does not, or the
// Spec wants it so, the devices are in.
func TestGuardPlan(t *testing.T) {
	for release, safe := range map[string]bool{"6.18.15": true, "6.19.14": false, "7.0.13": false, "7.1.13": true, "7.2.13": true} {
		t.Run(release, func(t *testing.T) {
			kernel := offloadtest.New(t, linuxOf(release))
			kernel.AddLink(pppoeOverWAN)
			r := open(t, &watched{Kernel: kernel}, offload.RunConfig{})
			spec := fast("lan0", "ppp0")
			plan, err := r.m.Plan(t.Context(), spec)
			require.NoError(t, err)
			_, err = r.m.Apply(t.Context(), plan)
			require.NoError(t, err)
			assert.Equal(t, 1, r.tables())
			if safe {
				assert.Equal(t, []string{"lan0", "wan0"}, r.held())
				return
			}
			assert.Empty(t, r.held())
			require.Len(t, plan.Bindings(), 2)
			for _, b := range plan.Bindings() {
				assert.Equal(t, flowtable.Unsupported, b.State)
				assert.Contains(t, b.Why, "on Linux "+release+" (panics-below-pppoe-qinq, since 6.19, before 7.1): ppp0 -> wan0: PPPoE session 1;")
			}
			spec.Tables[0].Flowtables[0].NoGuard = true
			applySpec(t, r.m, spec)
			assert.Equal(t, []string{"lan0", "wan0"}, r.held())
		})
	}
}

// TestGuardRun: a session that comes up later takes the devices out at once, whether it is picked or not, and its end brings them back.
func TestGuardRun(t *testing.T) {
	inBubble(t, linuxOf("7.0.13"), offload.RunConfig{}, fast("lan0", "wan0"), func(t *testing.T, r *running) {
		require.Equal(t, []string{"lan0", "wan0"}, r.held())
		r.pass(time.Second)
		r.kernel.AddLink(pppoeOverWAN)
		synctest.Wait()
		assert.Empty(t, r.held(), "the first event is served at once")
		assert.Equal(t, []string{"lan0 unsupported", "wan0 unsupported"}, r.states())
		assert.Equal(t, offload.PhaseSteady, r.status().Phase)
		assert.Empty(t, r.status().Drift)
		r.pass(time.Second)
		r.kernel.DelLink("ppp0")
		r.pass(time.Second)
		assert.Equal(t, []string{"lan0", "wan0"}, r.held())
	})
}
