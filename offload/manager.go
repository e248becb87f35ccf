package offload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A Manager attaches declared flowtables to one network namespace. Safe for concurrent use; writes are serialised.
type Manager struct {
	kernel Kernel
	log    *slog.Logger
	write  chan struct{} // has room for the one who writes, from the commit to the reading of its outcome
	memory memory
	live   liveSets

	around       sync.Mutex
	surroundings map[string]surroundings // by owner

	adopt       bool
	watchdog    []string
	noEvict     bool
	conflicts   ConflictMode
	connections connections
	ways        ways
	debts       debts
	announces   announcements

	running  RunConfig
	runs     runs
	statuses board
	drivers  drivers
	grants   grants
}

// Open makes a Manager; nothing is changed. Errors match fs.ErrNotExist where the network namespace does not exist,
// fs.ErrPermission where it may not be entered (CAP_SYS_ADMIN), and errors.ErrUnsupported where the kernel lacks nfnetlink
// or is not Linux.
func Open(ctx context.Context, cfg *Config) (*Manager, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var c Config
	if cfg != nil {
		c = *cfg
	}
	if err := errors.Join(c.Conflicts.check(), c.Run.Stale.check()); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Kernel == nil {
		k, err := OpenKernel(c.NetNS)
		if err != nil {
			return nil, fmt.Errorf("offload: %w", err)
		}
		c.Kernel = k
	}
	return &Manager{
		kernel: c.Kernel, log: c.Logger, write: make(chan struct{}, 1),
		adopt: c.Adopt, watchdog: slices.Clone(c.Watchdog),
		noEvict: c.NoEvict, conflicts: c.Conflicts, connections: connections{source: c.Conntrack},
		running: c.Run,
	}, nil
}

// Close releases the namespace, or closes Config.Kernel and Config.Conntrack. What was applied stays in force.
func (m *Manager) Close() error { return errors.Join(m.connections.close(), m.kernel.Close()) }

// Target reads the machine: release, devices, and how the kernel treats flowtable devices. The last is tried in a batch that
// the kernel takes back, once, or from time to time where there are no flowtables; without CAP_NET_ADMIN it is judged by the release. Facts says which it was.
func (m *Manager) Target(ctx context.Context) (*flowtable.Target, error) {
	return m.target(ctx, true, true)
}

// target is Target, without the devices' features or without the default routes where the Kernel can leave them out.
func (m *Manager) target(ctx context.Context, features, defaultRoutes bool) (t *flowtable.Target, err error) {
	if k, ok := m.kernel.(Thrifty); ok {
		t, err = k.TargetOf(ctx, features, defaultRoutes)
	} else {
		t, err = m.kernel.Target(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("offload: read the machine: %w", err)
	}
	m.memory.learn(t.Kernel.ByName)
	return t, nil
}

// Plan reads the machine and the kernel's ruleset and says what has to be done; it changes nothing. The plan is bound to the
// ruleset's generation. While the fast path is switched off (Off) the Spec's flowtables are left out.
//
// Errors are those of Spec.Validate, each a *flowtable.FieldError; they match ErrForeign where a declared table belongs to
// someone else and is not adopted, fs.ErrPermission without CAP_NET_ADMIN in the namespace, errors.ErrUnsupported without nf_tables.
func (m *Manager) Plan(ctx context.Context, spec *ruleset.Spec) (*ruleset.Plan, error) {
	now, err := m.planNow(ctx, spec)
	if err != nil {
		return nil, err
	}
	m.tellBindings(ctx, now.plan)
	return now.plan, nil
}

// A planned Spec is the plan for this machine as it is now, and what it was made from.
type planned struct {
	plan     *ruleset.Plan
	target   *flowtable.Target   // nil where the Spec asks for no devices
	bindings []flowtable.Binding // of what is declared, also while it is switched off
	want     *ruleset.Resolved
	have     *ruleset.Loaded
	off      bool // the kill switch is on: the plan is without flowtables
}

// planNow reads the machine and the kernel's ruleset, and plans.
func (m *Manager) planNow(ctx context.Context, spec *ruleset.Spec) (*planned, error) {
	if spec == nil {
		return nil, errors.New("offload: plan: the Spec is nil; an empty one removes the owner's tables")
	}
	now, err := m.read(ctx, spec)
	if err != nil {
		return nil, err
	}
	diff := ruleset.Diff
	if m.adopt {
		diff = ruleset.DiffAdopt
	}
	if now.plan, err = diff(now.have, now.want); err != nil {
		return nil, fmt.Errorf("offload: plan: %w", err)
	}
	if now.plan, err = m.withOthers(ctx, now.plan, now.have); err != nil {
		return nil, err
	}
	return now, nil
}

// read reads the machine and the kernel's ruleset, and resolves the Spec: without flowtables while the fast path is switched off.
func (m *Manager) read(ctx context.Context, spec *ruleset.Spec) (*planned, error) {
	var now planned
	var err error
	if hasFlowtables(spec) {
		if now.target, err = m.target(ctx, wantsDrivers(spec), wantsRoutes(spec)); err != nil {
			return nil, err
		}
		if err := m.hardware(ctx, spec, now.target); err != nil {
			return nil, err
		}
	}
	if now.want, err = m.memory.resolve(spec, now.target); err != nil {
		return nil, err
	}
	if now.have, err = m.load(ctx, now.want.Owner()); err != nil {
		return nil, err
	}
	now.bindings = now.want.Bindings()
	if _, now.off = now.have.Off(now.want.Owner()); now.off {
		if now.want, err = m.memory.resolve(spec.WithoutFlowtables(), nil); err != nil {
			return nil, err
		}
	}
	return &now, nil
}

// hasFlowtables reports whether a Spec asks what the machine's devices are.
func hasFlowtables(spec *ruleset.Spec) bool {
	return anyFlowtable(spec, func(*flowtable.Spec) bool { return true })
}

// wantsDrivers reports whether drivers decide what becomes of a flowtable.
func wantsDrivers(spec *ruleset.Spec) bool {
	return anyFlowtable(spec, func(f *flowtable.Spec) bool { return f.Hardware == flowtable.HardwareAuto })
}

func anyFlowtable(spec *ruleset.Spec, is func(*flowtable.Spec) bool) bool {
	for i := range spec.Tables {
		for j := range spec.Tables[i].Flowtables {
			if is(&spec.Tables[i].Flowtables[j]) {
				return true
			}
		}
	}
	return false
}

func (m *Manager) tellBindings(ctx context.Context, plan *ruleset.Plan) {
	for _, b := range plan.Bindings() {
		if !b.State.Listed() {
			m.log.WarnContext(ctx, "device left out", "flowtable", b.Flowtable, "device", b.Device, "state", b.State, "why", b.Why)
		}
	}
}

var errNoPlan = errors.New("the plan is nil; Manager.Plan makes one")

// lock waits for the turn to write, but not longer than ctx.
func (m *Manager) lock(ctx context.Context) error {
	select {
	case m.write <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Manager) unlock() { <-m.write }
