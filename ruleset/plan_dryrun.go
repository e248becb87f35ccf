package ruleset

import (
	"slices"

	"github.com/go-fastpath/fastpath/flowtable"
)

// WithoutHardware is the plan as a dry run can be sent without asking a driver, and the operations of the plan that it leaves out or
// alters: flowtables are made without the hardware flag, and those that have it gain no devices. Even a batch that is taken
// back has drivers bind devices.
func (p *Plan) WithoutHardware() (plan *Plan, left []Operation) {
	c := *p
	c.operations = make([]Operation, 0, len(p.operations))
	for _, op := range p.operations {
		f, ok := op.object.(*boundFlowtable)
		if !ok || f.spec.Hardware != flowtable.HardwareOn || op.Verb == VerbDelete || len(f.devices) == 0 {
			c.operations = append(c.operations, op)
			continue
		}
		left = append(left, op)
		soft := *f
		switch {
		case !f.update:
			spec := cloneFlowtable(*f.spec)
			spec.Hardware = flowtable.HardwareOff
			soft.spec = &spec
		case f.flags:
			soft.devices = nil
		default:
			continue
		}
		op.object = &soft
		c.operations = append(c.operations, op)
	}
	if left == nil {
		return p, nil
	}
	return &c, left
}

// Counts reports whether the plan brings rules that make the kernel count packets and bytes of connections: those that test `ct
// packets` or `ct bytes`, and raw ones, which may.
func (p *Plan) Counts() bool {
	return slices.ContainsFunc(p.operations, func(op Operation) bool {
		r, ok := op.object.(*Rule)
		return ok && slices.ContainsFunc(r.Do, func(s Statement) bool {
			return s.Raw != nil || s.Match != nil && (s.Match.AtLeast != 0 || s.Match.Below != 0)
		})
	})
}

// RawOperations are those that bring rules with raw expressions.
func (p *Plan) RawOperations() []Operation {
	var list []Operation
	for _, op := range p.operations {
		if r, ok := op.object.(*Rule); ok && r.hasRaw() {
			list = append(list, op)
		}
	}
	return list
}
