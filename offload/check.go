package offload

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-fastpath/fastpath/ruleset"
)

// A Checked tells what a dry run looked at, and what it could not. Safe for concurrent reading.
type Checked struct {
	// Generation of the ruleset that the kernel's answer holds for.
	Generation uint32 `json:"generation"`
	// Unchecked are the operations that the kernel was not asked about in full.
	Unchecked []Unchecked `json:"unchecked,omitempty"`
	// Restored are the settings that the dry run changed, with the value to which they were put back.
	Restored []Setting `json:"restored,omitempty"`
}

// An Unchecked is an operation that a dry run does not tell everything about. It is a plain value.
type Unchecked struct {
	Operation ruleset.Operation `json:"operation"`
	Why       string            `json:"why"`
}

// A Setting is a sysctl of the network namespace with a value. It is a plain value.
type Setting struct {
	Key   string `json:"key"` // "net.netfilter.nf_conntrack_acct"
	Value string `json:"value"`
}

// Check has the kernel validate a plan and take everything back, as DryRun does. Errors are those of Apply.
func (m *Manager) Check(ctx context.Context, plan *ruleset.Plan) error {
	_, err := m.DryRun(ctx, plan)
	return err
}

// DryRun has the kernel validate a plan and take everything back, and says what that leaves open. Errors are those of Apply.
// Tables, generation and settings are the same before and after: a rule that tests ct packets or bytes turns
// nf_conntrack_acct on even so, and it is put back. Modules that the plan needs stay loaded.
//
// Drivers are not asked, because a dry run would have them bind the devices: flowtables with the hardware flag are tried without it,
// and those that have it are not tried with more devices. Linux 6.4 and later do not see a misplaced flow add in a table that is
// new in the plan; Spec.Validate does, except within raw expressions.
func (m *Manager) DryRun(ctx context.Context, plan *ruleset.Plan) (*Checked, error) {
	if plan == nil {
		return nil, fmt.Errorf("offload: check: %w", errNoPlan)
	}
	if plan.Empty() {
		return &Checked{Generation: plan.Generation()}, nil
	}
	if err := m.lock(ctx); err != nil {
		return nil, fmt.Errorf("offload: check: %w", err)
	}
	defer m.unlock()
	accounting := m.watchAccounting(ctx, plan)
	sent, err := m.send(ctx, "check", plan, softBatch, func(ctx context.Context, b *ruleset.Batch) error {
		if b.Messages() <= 2 { // nothing is left between BATCH_BEGIN and BATCH_END
			return nil
		}
		return m.kernel.Check(ctx, b)
	})
	restored, restoreErr := accounting.restore(context.WithoutCancel(ctx))
	if err := errors.Join(err, restoreErr); err != nil {
		return nil, err
	}
	return &Checked{Generation: sent.Generation(), Unchecked: unchecked(sent), Restored: restored}, nil
}

// softBatch is what may be sent to try a plan.
func softBatch(plan *ruleset.Plan) (*ruleset.Batch, error) {
	dry, _ := plan.WithoutHardware()
	return dry.Batch(nil)
}

// unchecked lists what a dry run of a plan leaves open.
func unchecked(plan *ruleset.Plan) []Unchecked {
	var list []Unchecked
	_, left := plan.WithoutHardware()
	for _, op := range left {
		list = append(list, Unchecked{op, "hardware: a dry run would have the drivers bind these devices; whether they take it shows when it is applied"})
	}
	type table struct {
		family ruleset.Family
		name   string
	}
	fresh := map[table]bool{}
	for _, op := range plan.Operations() {
		if op.Kind == ruleset.KindTable && op.Verb == ruleset.VerbCreate {
			fresh[table{op.Family, op.Table}] = true
		}
	}
	for _, op := range plan.RawOperations() {
		if rule, _ := op.Rule(); fresh[table{op.Family, op.Table}] && hasRawFlowAdd(&rule) {
			list = append(list, Unchecked{op, "placement: Linux 6.4 and later look at a flow add among raw expressions in a new table only when it is applied; " +
				"it works in chains that are reached from the forward hook alone"})
		}
	}
	return list
}

// hasRawFlowAdd reports whether a raw statement offloads.
func hasRawFlowAdd(r *ruleset.Rule) bool {
	return slices.ContainsFunc(r.Do, func(s ruleset.Statement) bool { return s.Raw != nil && s.Offloads() })
}
