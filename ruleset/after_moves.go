package ruleset

import "iter"

// MovesDevices reports whether the plan does nothing but add devices to flowtables that exist, or take them away.
func (p *Plan) MovesDevices() bool {
	for i := range p.operations {
		if f, ok := p.operations[i].object.(*boundFlowtable); !ok || !f.update {
			return false
		}
	}
	return len(p.operations) > 0
}

// AfterMoves is what a kernel holds at the new generation, once it took a plan that MovesDevices on top of have: have with the flowtables of
// a dump of the generation and the flowtables alone. It is false for other plans, and if the dump is of another generation or torn; then
// everything has to be read.
func (p *Plan) AfterMoves(have *Loaded, flowtables iter.Seq2[Message, error], generation uint32) (*Loaded, bool, error) {
	if have == nil || have.generation != p.generation || p.generation == 0 || !p.MovesDevices() {
		return nil, false, nil
	}
	moved := *have
	moved.generation = generation
	return moved.WithFlowtables(flowtables)
}
