package offload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// explainFlowtable tells apart what the kernel answers with one errno: ENOENT is a missing device or a missing module,
// EOPNOTSUPP a driver that refuses or something that this kernel does not know.
func (m *Manager) explainFlowtable(ctx context.Context, e *ApplyError) {
	spec, devices, _ := e.Operation.Flowtable()
	switch e.Errno {
	case enoent:
		if m.lacksFlowtables(ctx, e.Operation.Family) {
			e.noFlowtables()
		} else if missing := m.missing(ctx, devices); len(missing) > 0 {
			e.because(ErrNoDevice, strings.Join(missing, ", "), "create the device, or plan with Manager.Plan: "+
				"it leaves out what is not there and says so in the plan's bindings")
		}
	case eopnotsupp:
		if spec.Hardware == flowtable.HardwareOn && m.worksInSoftware(ctx, e.Operation, devices) {
			e.because(ErrHardwareRefused, m.refusers(ctx, devices),
				"set the flowtable's hardware to off: its flows then stay in software; `ethtool -k DEVICE` shows hw-tc-offload where a driver has it")
		}
	case einval:
		if slices.ContainsFunc(devices, isPrefix) {
			e.because(errors.ErrUnsupported, "name prefixes need Linux 6.16", "plan with Manager.Plan: it puts the devices of this machine in their place")
		}
	case eexist:
		e.Next = "the kernel takes a device once in a table: look with `nft list flowtables` who has it"
	case ebusy:
		if spec.Hardware != flowtable.HardwareOn {
			return
		}
		e.Next = "a driver binds each device to one hardware flowtable: remove the other one first"
	}
}

// refusers names those of the devices whose drivers refuse, as far as asking each alone tells: the kernel does not.
func (m *Manager) refusers(ctx context.Context, devices []string) string {
	if len(devices) == 1 {
		return devices[0]
	}
	var refuse []string
	answers, _ := m.probe(ctx, slices.DeleteFunc(slices.Clone(devices), isPrefix), false) // without answers, all are named
	for _, a := range answers {
		if a.Result == flowtable.DriverRefuses {
			refuse = append(refuse, a.Device)
		}
	}
	if len(refuse) == 0 {
		return "one of " + strings.Join(devices, ", ")
	}
	return strings.Join(refuse, ", ")
}

// nextNoFlowtables is what to do about a kernel without flowtables.
const nextNoFlowtables = "boot a kernel with CONFIG_NF_FLOW_TABLE, CONFIG_NF_FLOW_TABLE_INET and CONFIG_NFT_FLOW_OFFLOAD, " +
	"install the package that brings the modules nf_flow_table, nf_flow_table_inet and nft_flow_offload, or declare no flowtables"

func (e *ApplyError) noFlowtables() { e.because(ErrNoFlowtables, "", nextNoFlowtables) }

// lacksFlowtables tries a flowtable without devices and a rule that refers to it.
func (m *Manager) lacksFlowtables(ctx context.Context, family ruleset.Family) bool {
	err := m.try(ctx, ruleset.Table{
		Family:     family,
		Flowtables: []flowtable.Spec{{Name: "f"}},
		Chains:     []ruleset.Chain{{Name: "c", Hook: ruleset.Forward, Rules: []ruleset.Rule{ruleset.R(ruleset.FlowAdd("f"))}}},
	})
	var refused *ruleset.CommitError
	return errors.As(err, &refused) && slices.ContainsFunc(refused.Refusals, func(r ruleset.Refusal) bool { return r.Errno == enoent })
}

// worksInSoftware tries a flowtable with the same devices, without the hardware flag: no driver is asked.
func (m *Manager) worksInSoftware(ctx context.Context, op ruleset.Operation, devices []string) bool {
	f := flowtable.Spec{Name: "f"}
	for _, d := range devices {
		f.Devices = append(f.Devices, selectorOf(d))
	}
	return m.try(ctx, ruleset.Table{Family: op.Family, Flowtables: []flowtable.Spec{f}}) == nil
}

// try has the kernel validate a scratch table and take it back.
func (m *Manager) try(ctx context.Context, t ruleset.Table) error {
	t.Name = "fastpath_probe"
	spec := ruleset.Spec{Owner: "fastpath probe", Tables: []ruleset.Table{t}}
	resolved, err := spec.Resolve(nil)
	if err != nil {
		return fmt.Errorf("offload: probe: %w", err)
	}
	plan, err := ruleset.Diff(nil, resolved)
	if err != nil {
		return fmt.Errorf("offload: probe: %w", err)
	}
	batch, err := plan.Batch(nil)
	if err != nil {
		return fmt.Errorf("offload: probe: %w", err)
	}
	return m.kernel.Check(ctx, batch)
}

// missing lists those of the devices that the machine does not have.
func (m *Manager) missing(ctx context.Context, devices []string) []string {
	target, err := m.target(ctx, false, false)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(devices), func(d string) bool {
		return isPrefix(d) || slices.ContainsFunc(target.Links, func(l flowtable.Link) bool { return l.Name == d })
	})
}

func isPrefix(device string) bool { return strings.HasSuffix(device, "*") }

// selectorOf is a device, or a prefix, as nft prints it.
func selectorOf(device string) flowtable.Selector {
	if prefix, ok := strings.CutSuffix(device, "*"); ok {
		return flowtable.Selector{Prefix: prefix}
	}
	return flowtable.Selector{Name: device}
}
