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

// A LiveSet names a set that is declared Live: its elements are changed one by one, by no plan of its Spec. It is a plain value.
type LiveSet struct {
	Owner  string         // of the table; zero is ruleset.DefaultOwner
	Family ruleset.Family // zero is inet
	Table  string
	Set    string
}

// AddElements adds elements to a live set, in nft's spelling; what is there already is no error. Flows that the change forbids or
// excludes are evicted, as by Apply. Errors are those of ruleset.ElementPlan and Apply.
func (m *Manager) AddElements(ctx context.Context, set LiveSet, elements ...string) (generation uint32, err error) {
	return m.changeElements(ctx, ruleset.VerbAdd, set, elements)
}

// DeleteElements deletes elements of a live set; what is not there is no error. Otherwise it is as AddElements.
func (m *Manager) DeleteElements(ctx context.Context, set LiveSet, elements ...string) (generation uint32, err error) {
	return m.changeElements(ctx, ruleset.VerbDelete, set, elements)
}

func (m *Manager) changeElements(ctx context.Context, verb ruleset.Verb, set LiveSet, elements []string) (uint32, error) {
	owner := set.Owner
	if owner == "" {
		owner = ruleset.DefaultOwner
	}
	done, err := m.replan(ctx, func() (*ruleset.Plan, error) {
		have, err := m.load(ctx, owner)
		if err != nil {
			return nil, err
		}
		plan, err := ruleset.ElementPlan(have, verb, set.Family, set.Table, set.Set, elements...)
		if err != nil {
			return nil, fmt.Errorf("offload: set %s: %w", set.Set, err)
		}
		return plan, nil
	})
	if done == nil {
		return 0, err
	}
	return done.Generation, err
}
