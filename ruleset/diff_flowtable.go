package ruleset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
)

// diffFlowtables compares the flowtables. Devices and counter change in place; for another priority, hook or hardware flag the
// flowtable is replaced, with the rules that refer to it: kernels refuse the update (nft_flowtable_update answers EOPNOTSUPP).
func (d *tableDiff) diffFlowtables() {
	declared := map[string]int{}
	for i := range d.table.Flowtables {
		declared[d.table.Flowtables[i].Name] = i
	}
	kept := map[string]bool{}
	for _, i := range d.present.flowtables {
		old := &d.have.flowtables[i]
		index, ok := declared[old.Name]
		if !ok {
			d.remove(KindFlowtable, old.Name, "it is not declared; its live flows leave the fast path", true)
			continue
		}
		if why := flowtableDiffers(old, &d.table.Flowtables[index]); why != "" {
			d.remove(KindFlowtable, old.Name, why+", which cannot be changed in place; its live flows leave the fast path", true)
			continue
		}
		kept[old.Name] = true
		d.updateFlowtable(old, index)
	}
	for i := range d.table.Flowtables {
		f := &d.table.Flowtables[i]
		if !kept[f.Name] {
			d.build = append(d.build, d.operation(VerbAdd, KindFlowtable, f.Name, "it does not exist",
				&boundFlowtable{spec: f, devices: d.want.listed(d.index, i)}))
		}
	}
}

// flowtableDiffers says what of a flowtable cannot be changed in place and is not as declared; "" if nothing is.
func flowtableDiffers(old *LoadedFlowtable, want *flowtable.Spec) string {
	priority, _ := want.Priority.Int32() // Validate read it
	switch hardware := want.Hardware == flowtable.HardwareOn; {
	case old.Hook != 0:
		return fmt.Sprintf("its hook is %d", old.Hook)
	case old.Priority != priority:
		return fmt.Sprintf("its priority is %d", old.Priority)
	case old.Hardware() && !hardware:
		return "it has the hardware flag"
	case !old.Hardware() && hardware:
		return "it lacks the hardware flag"
	}
	return ""
}

// updateFlowtable plans what changes in place: its handle stays, and the flows of the devices that stay.
func (d *tableDiff) updateFlowtable(old *LoadedFlowtable, index int) {
	spec, want := &d.table.Flowtables[index], d.want.listed(d.index, index)
	var have []string
	for _, s := range old.Devices {
		have = append(have, s.String())
	}
	slices.Sort(have)
	lost, gained := split(have, want, strings.Compare)
	if len(lost) > 0 {
		op := d.operation(VerbDelete, KindFlowtable, spec.Name, "these devices are not declared any more; their live flows leave the fast path",
			&boundFlowtable{spec: spec, devices: lost, update: true})
		op.Disruptive = true
		d.drop = append(d.drop, op)
	}
	counter := old.Counter() == spec.NoCounter
	if len(gained) == 0 && !counter {
		return
	}
	why := "these devices join"
	switch {
	case counter && len(gained) == 0:
		why = "the counter is toggled"
	case counter:
		why += ", and the counter is toggled"
	}
	d.build = append(d.build, d.operation(VerbAdd, KindFlowtable, spec.Name, why,
		&boundFlowtable{spec: spec, devices: gained, update: true, flags: counter}))
}
