package ruleset

import (
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// A Resolved is a validated Spec, bound to the devices of a machine. It is an immutable deep copy: changes of the Spec that it
// came from do not reach it. Safe for concurrent use.
type Resolved struct {
	declared Spec                    // with its policies
	spec     Spec                    // with plain chains in place of them
	bindings [][][]flowtable.Binding // of each table's flowtables
	elements []tableElements         // of each table's sets, sorted
	tables   []checkedTable          // of the declared ones
	unseen   []string                // what to know of the devices that are listed, one sentence each
	devices  [][][]string            // the listed ones of them, as nft prints them ("eth0", "ppp*"), sorted
	carried  carried                 // the devices that packets in the fast path come from and go to
}

// tableElements are the elements of a table's sets.
type tableElements = [][]nftvalue.Range

// Resolve validates s and binds its flowtables to the devices of t; a nil t is the zero Target, which knows nothing of the
// machine. Its errors are those of Validate.
func (s *Spec) Resolve(t *flowtable.Target) (*Resolved, error) {
	return s.ResolveAgain(nil, t)
}

// resolved is what becomes of a Spec that was found valid.
func (v *validator) resolved(s *Spec, t *flowtable.Target) *Resolved {
	if t == nil {
		t = &flowtable.Target{}
	}
	r := &Resolved{declared: cloneAgain(s, v.earlier, v.tables), elements: v.elements, tables: v.tables}
	for i := range r.tables {
		r.tables[i].kept = nil
	}
	r.spec = r.declared.lowered()
	r.bind(t)
	return r
}

// Owner is the owner of the tables.
func (r *Resolved) Owner() string { return r.spec.Owner }

// Bindings says for each device of each declared flowtable whether it is listed, and why, in the order of the Spec. Hardware
// says whether a driver is asked to carry its flows: with HardwareAuto that may be done by a second flowtable of the same name, in the
// table "<table>_hw" (flowtable.HardwareAuto).
func (r *Resolved) Bindings() []flowtable.Binding {
	var all []flowtable.Binding
	for _, table := range r.bindings[:len(r.declared.Tables)] {
		all = append(all, slices.Concat(table...)...)
	}
	return all
}

// Spec is a deep copy of what was declared, with the owner filled in.
func (r *Resolved) Spec() Spec { return cloneSpec(&r.declared) }

// bindingsOf are those of one flowtable.
func (r *Resolved) bindingsOf(table, index int) []flowtable.Binding { return r.bindings[table][index] }

// listed are the devices that a flowtable is sent with.
func (r *Resolved) listed(table, index int) []string { return r.devices[table][index] }

func listedDevices(bindings []flowtable.Binding) []string {
	var devices []string
	for _, b := range bindings {
		if b.State.Listed() {
			devices = append(devices, b.Device)
		}
	}
	slices.SortFunc(devices, strings.Compare)
	return slices.Compact(devices)
}
