package offload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-fastpath/fastpath/ruleset"
)

// maxReplans bounds how often a plan is made anew because others changed what it is about.
const maxReplans = 20

// A Reconciled tells what Reconcile did. Safe for concurrent reading.
type Reconciled struct {
	// Plan that was applied last; empty where nothing was to be done.
	Plan *ruleset.Plan
	// Generation of the ruleset afterwards.
	Generation uint32
	// Conflicts is how often others changed our tables between the plan and its commit, or a driver its answer.
	Conflicts int
}

// Reconcile is one Plan and Apply, planned again when others change our tables in between, and when a driver refuses a device that a
// flowtable with HardwareAuto relied on. Doing it twice changes nothing. The errors are those of Plan and Apply; ErrConflict is
// left where others went on changing our tables.
func (m *Manager) Reconcile(ctx context.Context, spec *ruleset.Spec) (*Reconciled, error) {
	return m.replan(ctx, func() (*ruleset.Plan, error) { return m.Plan(ctx, spec) })
}

func (m *Manager) replan(ctx context.Context, plan func() (*ruleset.Plan, error)) (*Reconciled, error) {
	for n := 0; ; n++ {
		p, err := plan()
		if err != nil {
			return nil, err
		}
		generation, err := m.Apply(ctx, p)
		if err == nil && m.drivers.planAgain() && n+1 < maxReplans {
			continue
		}
		if err == nil || errors.Is(err, ErrNotEvicted) {
			return &Reconciled{p, generation, n}, err
		}
		again := errors.Is(err, ErrConflict) && !errors.Is(err, ErrForeign) || m.learnRefusal(err)
		if !again || n+1 == maxReplans {
			return nil, err
		}
		m.log.DebugContext(ctx, "planned again", "because", err)
		if err := pause(ctx, time.Duration(n)*time.Millisecond); err != nil {
			return nil, fmt.Errorf("offload: %w", err)
		}
	}
}
