package ruleset

import (
	"fmt"
	"slices"
)

// A tableDiff plans the way from one table as the kernel holds it to the same table as it was declared. It gathers operations by
// the turn in which kernels take them.
type tableDiff struct {
	have   *Loaded
	want   *Resolved
	index  int // of the table in the Spec
	table  *Table
	old    LoadedTable
	reader bodyReader

	wake    []Operation // the table's own
	forget  []Operation // rules go
	drop    []Operation // chains, sets, flowtables and devices go
	build   []Operation // chains, sets, elements, flowtables and devices come
	rules   []Operation // rules come
	gone    map[object]string
	present *loadedParts

	replace string // why the table is replaced as a whole; "" if it is not
	err     error
}

// An object is a part of a table that rules refer to.
type object struct {
	kind Kind
	name string
}

func (d *tableDiff) operations() ([]Operation, error) {
	d.gone = map[object]string{}
	if d.present = d.have.parts[tableKey{d.old.Family, d.old.Name}]; d.present == nil {
		d.present = &loadedParts{}
	}
	d.diffTable()
	chains := d.diffChains()
	d.diffSets()
	d.diffFlowtables()
	for i := range d.table.Chains {
		d.diffRules(i, chains[d.table.Chains[i].Name])
	}
	all := make([]Operation, 0, len(d.wake)+len(d.forget)+len(d.drop)+len(d.build)+len(d.rules))
	for _, part := range [][]Operation{d.wake, d.forget, d.drop, d.build, d.rules} {
		all = append(all, part...)
	}
	if len(d.wake) > 0 && slices.ContainsFunc(all, func(op Operation) bool { return op.Kind == KindChain }) {
		d.replace = "someone made it dormant, and kernels wake no table while its chains change (nf_tables_addchain answers EINVAL)"
	}
	return all, d.err
}

// operation begins one on this table.
func (d *tableDiff) operation(verb Verb, kind Kind, name, reason string, what any) Operation {
	return Operation{Verb: verb, Kind: kind, Family: d.table.Family, Table: d.table.Name, Name: name, Reason: reason, object: what}
}

// diffTable wakes a table that someone put to sleep.
func (d *tableDiff) diffTable() {
	if d.old.Flags&tableDormant != 0 {
		d.wake = append(d.wake, d.operation(VerbAdd, KindTable, "", "someone made the table dormant", nil))
	}
}

// remove plans the end of an object, and remembers it: rules that refer to it go first.
func (d *tableDiff) remove(kind Kind, name, reason string, disruptive bool) {
	op := d.operation(VerbDelete, kind, name, reason, nil)
	op.Disruptive = disruptive
	d.drop = append(d.drop, op)
	d.gone[object{kind, name}] = reason
}

// A chainState is what becomes of a declared chain.
type chainState int

const (
	chainNew  chainState = iota // there is none, or the one that is there goes
	chainKept                   // its rules are compared
)

// diffChains compares the chains, and says of each declared one what becomes of it.
func (d *tableDiff) diffChains() map[string]chainState {
	declared := map[string]*Chain{}
	for i := range d.table.Chains {
		declared[d.table.Chains[i].Name] = &d.table.Chains[i]
	}
	states := map[string]chainState{}
	for _, i := range d.present.chains {
		old := &d.have.chains[i]
		want := declared[old.Name]
		if want == nil {
			d.removeChain(old, "it is not declared")
			continue
		}
		if why := chainDiffers(old, want); why != "" {
			d.removeChain(old, why+", and a chain keeps what it is")
			continue
		}
		states[old.Name] = chainKept
		if want.Hook != "" && want.policy() != old.Policy {
			why := fmt.Sprintf("the policy is %s", old.Policy)
			d.build = append(d.build, d.operation(VerbAdd, KindChain, want.Name, why, want))
		}
	}
	for i := range d.table.Chains {
		c := &d.table.Chains[i]
		if states[c.Name] == chainNew {
			d.build = append(d.build, d.operation(VerbAdd, KindChain, c.Name, "it does not exist", c))
		}
	}
	return states
}

// removeChain flushes and deletes a chain.
func (d *tableDiff) removeChain(c *LoadedChain, reason string) {
	if len(d.present.rules[c.Name]) > 0 {
		d.forget = append(d.forget, d.operation(VerbDelete, KindRule, c.Name, "the chain is deleted: "+reason, nil))
	}
	d.remove(KindChain, c.Name, reason, false)
}

// chainDiffers says what of a chain cannot be changed in place and is not as declared; "" if nothing is.
func chainDiffers(old *LoadedChain, want *Chain) string {
	if old.Hook != want.Hook {
		return fmt.Sprintf("its hook is %q", string(old.Hook))
	}
	if want.Hook == "" {
		return ""
	}
	if typ := want.chainType(); old.Type != typ {
		return fmt.Sprintf("its type is %q", string(old.Type))
	}
	if priority, _ := want.Priority.Int32(); old.Priority != priority { // Validate read it
		return fmt.Sprintf("its priority is %d", old.Priority)
	}
	return ""
}

func (c *Chain) policy() Verdict {
	if c.Policy == "" {
		return VerdictAccept
	}
	return c.Policy
}

func (c *Chain) chainType() ChainType {
	if c.Type == "" {
		return FilterChain
	}
	return c.Type
}
