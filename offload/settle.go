package offload

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-fastpath/fastpath/ruleset"
)

// errUnsettled says that a batch was sent, and that nobody knows what became of it. With any other error of a commit nothing was changed.
var errUnsettled = errors.New("the kernel's answer was lost")

// settle finds out what became of a batch whose answer was lost, from what the kernel holds now.
func (m *Manager) settle(ctx context.Context, plan *ruleset.Plan) (uint32, error) {
	have, err := m.load(ctx, plan.Owner())
	if err != nil {
		return 0, fmt.Errorf("offload: apply: %w and the kernel cannot be read: %w; "+
			"it is unknown whether the plan is in force, plan again to see", errUnsettled, err)
	}
	switch {
	case have.Generation() == plan.Generation():
		return 0, fmt.Errorf("offload: apply: the kernel dropped the batch without an answer; nothing was changed. " +
			"Next: apply again; if it happens again this is a bug, report the text of the batch")
	case inForce(plan, have):
		m.log.WarnContext(ctx, "applied; the kernel's answer was lost, its ruleset shows it", "generation", have.Generation())
		return have.Generation(), nil
	}
	return 0, fmt.Errorf("offload: apply: %w (generation %d, now %d): %w, and its ruleset does not show "+
		"whether the plan is in force; plan again to see", ErrConflict, plan.Generation(), have.Generation(), errUnsettled)
}

// inForce reports whether a kernel holds what a plan leads to.
func inForce(plan *ruleset.Plan, have *ruleset.Loaded) bool {
	left, err := plan.Rebase(have)
	return err == nil && left.Empty()
}
