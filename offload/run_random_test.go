package offload_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestRunConverges lets devices, others, faults and new Specs come in any order: nothing is left to do in the end.
func TestRunConverges(t *testing.T) {
	seeds := uint64(30)
	if os.Getenv("FASTPATH_VM") == "1" { // nothing here depends on the machine
		seeds = 3
	}
	for seed := range seeds {
		target := []*flowtable.Target{offloadtest.Linux61("eth0"), offloadtest.Linux612("eth0"), offloadtest.Linux72("eth0")}[seed%3]
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, target, offload.RunConfig{MaxChanges: -1}, fast("eth*"), func(t *testing.T, r *running) {
				random := rand.New(rand.NewPCG(seed, 0))
				spec := fast("eth*")
				for range 100 {
					name := fmt.Sprintf("eth%d", random.IntN(5))
					switch random.IntN(12) {
					case 0, 1, 2:
						r.kernel.AddLink(flowtable.Link{Name: name})
					case 3, 4:
						r.kernel.DelLink(name)
					case 5:
						r.kernel.RenameLink(name, fmt.Sprintf("eth%d", random.IntN(8)))
					case 6:
						r.kernel.ForeignFlush()
					case 7:
						r.meddle(meddled("eth0", "eth1"))
					case 8:
						spec = [...]func(...string) *ruleset.Spec{fast, meddled, hardware}[random.IntN(3)](name, "wan", "x*")
						require.NoError(t, r.m.Update(spec))
					case 9:
						r.kernel.LoseEvents()
					case 10:
						r.kernel.FailEvents(errBroken)
					case 11:
						r.kernel.Refuse(name)
					}
					r.pass(time.Duration(random.IntN(40)) * time.Millisecond)
				}
				for i := range 8 {
					r.kernel.Accept(fmt.Sprintf("eth%d", i))
				}
				r.pass(10 * time.Minute) // of what was refused, the last try
				s := r.status()
				assert.Equal(t, offload.PhaseSteady, s.Phase, "%v", s)
				again, err := r.m.Plan(t.Context(), spec)
				require.NoError(t, err)
				assert.Empty(t, again.String())
				for _, d := range s.Devices {
					assert.NotEqual(t, offload.Desired, d.State)
				}
			})
		})
	}
}
