package offload

import (
	"context"
	"errors"
	"time"

	"github.com/go-fastpath/fastpath/ruleset"
)

// RunConfig says how Manager.Run behaves. The zero RunConfig is the recommended one: everything is kept as declared. It is a plain
// value.
type RunConfig struct {
	// Observe plans and reports, and never writes.
	Observe bool
	// ReportOnly reports what others change within our tables instead of repairing it. Nothing is written while the tables differ; a new
	// Spec (Update) is applied, and ends it.
	ReportOnly bool
	// Resync is how often everything is looked at again though nothing was announced. 0 is 10 minutes, negative is never.
	Resync time.Duration
	// MaxChanges is how many commits Run makes in a minute before it freezes: it then reports, and waits for a minute or for Update. 0
	// is 60, negative is no limit.
	MaxChanges int
	// Takeover asks another Run of this owner in this network namespace to leave, and waits for that.
	Takeover bool
	// ForceHardware asks drivers even where hw-tc-offload is missing or fixed off, for flowtables that are HardwareAuto. Kernels 6.1 to
	// 7.2 may crash by it later: see Manager.Probe.
	ForceHardware bool
}

// The defaults of RunConfig.
const (
	defaultResync     = 10 * time.Minute
	defaultMaxChanges = 60
)

// Run keeps a ruleset as declared until ctx ends, and returns ctx's error then. What was applied stays in force.
func (m *Manager) Run(ctx context.Context, spec *ruleset.Spec) error {
	return errors.New("offload: run: not built yet")
}

// Update gives the Run that is under way another Spec, of the same owner, which it applies at once. Errors are those of
// Spec.Validate, with which the earlier Spec stays, and ErrNotRunning.
func (m *Manager) Update(spec *ruleset.Spec) error {
	return ErrNotRunning
}
