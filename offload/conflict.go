package offload

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-fastpath/fastpath/ruleset"
)

// ConflictMode says what becomes of conflicts with what others have in the kernel: flowtables on the same devices, chains that
// connections in the fast path skip, writers of our tables (ruleset.Resolved.Conflicts lists the codes).
type ConflictMode string

// The modes.
const (
	ConflictsWarn   ConflictMode = ""       // they are among a plan's warnings
	ConflictsRefuse ConflictMode = "refuse" // and Apply refuses the plan: ErrObstructed; not for what is only to know of (Finding.Information)
	ConflictsIgnore ConflictMode = "ignore" // nobody is told
)

// ErrObstructed says that others have in the kernel what a ruleset conflicts with, and that Config.Conflicts refuses it then. Nothing was
// changed. It has nothing to do with ErrConflict, which is about a plan that is out of date.
var ErrObstructed = errors.New("others stand in the way of this ruleset")

func (c ConflictMode) check() error {
	switch c {
	case ConflictsWarn, ConflictsRefuse, ConflictsIgnore:
		return nil
	}
	return fmt.Errorf("offload: Config.Conflicts is %q; write %q, %q or leave it empty", string(c), ConflictsRefuse, ConflictsIgnore)
}

// Conflicts tells what others have in the kernel that a Spec conflicts with, whatever Config.Conflicts says of it; nothing is changed. It is not
// bound to a plan: use ruleset.Plan.Conflicts for what a plan was made with. Errors are those of Plan, without ErrForeign.
func (m *Manager) Conflicts(ctx context.Context, spec *ruleset.Spec) ([]ruleset.Finding, error) {
	if spec == nil {
		return nil, errors.New("offload: conflicts: the Spec is nil")
	}
	now, err := m.read(ctx, spec)
	if err != nil {
		return nil, err
	}
	if _, ok := m.kernel.(Selective); ok && hasFlowtables(spec) && !now.off {
		if now.have, err = m.loadAll(ctx, now.want.Owner()); err != nil {
			return nil, err
		}
	}
	return now.want.Conflicts(now.have), nil
}

// batchOf encodes a plan, unless it is to be refused.
func (m *Manager) batchOf(plan *ruleset.Plan) (*ruleset.Batch, error) {
	if err := m.obstructed(plan); err != nil {
		return nil, err
	}
	return wholeBatch(plan)
}

// obstructed tells the conflicts of a plan that refuse it.
func (m *Manager) obstructed(plan *ruleset.Plan) error {
	if m.conflicts != ConflictsRefuse {
		return nil
	}
	var all []error
	for _, f := range plan.Conflicts() {
		if f.Information {
			continue
		}
		all = append(all, fmt.Errorf("%s: %s", f.Code, f))
	}
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("%w; nothing was changed:\n%w", ErrObstructed, errors.Join(all...))
}
