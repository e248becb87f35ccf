package offload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-fastpath/fastpath/ruleset"
)

// RunConfig says how Manager.Run behaves. The zero RunConfig is the recommended one: everything is kept as declared. It is a plain
// value.
type RunConfig struct {
	// Observe plans and reports, and never writes. It takes no lock: who observes leaves room for who runs.
	Observe bool
	// ReportOnly reports what others change within our tables instead of repairing it. Nothing is written while the tables differ; a new
	// Spec (Update) is applied, and ends it.
	ReportOnly bool
	// Resync is how often everything is looked at again though nothing was announced. 0 is 10 minutes, negative is never.
	Resync time.Duration
	// MaxChanges is how many commits Run makes in a minute to undo what others changed before it freezes: it then reports, and waits for a
	// minute or for Update. 0 is 60, negative is no limit. What follows devices that come and go is gathered instead, to one commit a second.
	MaxChanges int
	// Takeover asks another Run of this owner in this network namespace to leave, and waits for that until the context ends. Where the other
	// does not leave, the error says which process to end.
	Takeover bool
	// Stale says what to do about flows whose way changed while they were in the fast path (Manager.Stale).
	Stale StaleMode
	// ForceHardware asks drivers even where hw-tc-offload is missing or fixed off, for flowtables that are HardwareAuto. Kernels 6.1 to
	// 7.2 may crash by it later: see Manager.Probe.
	ForceHardware bool
}

// The defaults of RunConfig.
const (
	defaultResync     = 10 * time.Minute
	defaultMaxChanges = 60
)

// Run keeps a ruleset as declared until ctx ends: it applies the Spec, and again what differs whenever devices come and go, others change
// our tables, or Update brings another Spec. What was applied stays in force when it returns. Statuses tells where it stands.
//
// It returns ctx's error, or one that matches ErrTakenOver or ErrNamespaceGone; at the start those of Spec.Validate, ErrRunning, and what keeps it from taking
// the owner's lock: without CAP_NET_ADMIN an error that matches fs.ErrPermission, before Linux 5.12 errors.ErrUnsupported. Everything else is
// tried again with a growing pause, and is in the Status. A flowtable that the kernel refuses is left without the devices in question, or
// is left out with the rules that fill it, so that the rest is in force.
//
// While it runs, change its tables with Update and live sets with AddElements: what comes by another way is a change of others. A Manager
// serves one Run at a time.
func (m *Manager) Run(ctx context.Context, spec *ruleset.Spec) error {
	if spec == nil {
		return errors.New("offload: run: the Spec is nil; an empty one removes the owner's tables")
	}
	wanted, err := copyOf(spec)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := newRun(m, wanted)
	r.end = cancel
	leave, err := m.runs.enter(ctx, r, cancel)
	if err != nil {
		return fmt.Errorf("offload: run: %w", err)
	}
	defer leave()
	release, err := r.lock(ctx, cancel)
	if err != nil {
		return fmt.Errorf("offload: run: %w", err)
	}
	r.loop(ctx)
	err = ctx.Err()
	cause := context.Cause(ctx)
	gone := errors.Is(cause, ErrNamespaceGone)
	if gone || errors.Is(cause, ErrTakenOver) {
		err = fmt.Errorf("offload: run: %w", cause)
	}
	r.tellStopped(err)
	failed := release()
	if gone {
		failed = m.connections.letGo()
	}
	if failed != nil {
		m.log.WarnContext(ctx, "the owner's lock was not released", "owner", wanted.Owner, "err", failed)
	}
	return err
}

// Update gives the Run that is under way another Spec, of the same owner, which it applies at once. It does not wait for that. Errors are
// those of Spec.Validate, with which the earlier Spec stays, and ErrNotRunning.
func (m *Manager) Update(spec *ruleset.Spec) error {
	if spec == nil {
		return errors.New("offload: update: the Spec is nil; an empty one removes the owner's tables")
	}
	wanted, err := copyOf(spec)
	if err != nil {
		return err
	}
	r := m.runs.current()
	switch {
	case r == nil:
		return fmt.Errorf("offload: update: %w", ErrNotRunning)
	case wanted.Owner != r.owner:
		return fmt.Errorf("offload: update: the Spec is of owner %q, the Run of %q; start another Run for it", wanted.Owner, r.owner)
	}
	r.inbox.put(&notice{update: wanted, what: "a new Spec"})
	return nil
}

// copyOf is a deep copy of a valid Spec, with its owner filled in.
func copyOf(spec *ruleset.Spec) (*ruleset.Spec, error) {
	resolved, err := spec.Resolve(nil)
	if err != nil {
		return nil, err
	}
	s := resolved.Spec()
	return &s, nil
}

func newRun(m *Manager, spec *ruleset.Spec) *run {
	cfg := m.running
	cfg.Resync = cmp.Or(cfg.Resync, defaultResync)
	cfg.MaxChanges = cmp.Or(cfg.MaxChanges, defaultMaxChanges)
	return &run{
		m: m, cfg: cfg, owner: spec.Owner, spec: spec, inbox: newInbox(),
		refused: newRefused(),
		retry:   backoff{shortest: 100 * time.Millisecond, longest: 30 * time.Second},
		status:  Status{Owner: spec.Owner, Phase: PhaseStarting, Since: time.Now()},
	}
}
