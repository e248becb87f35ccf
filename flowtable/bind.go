package flowtable

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Bind answers for every device that the Spec declares, or picks by a prefix, how it fares on the Target, sorted by device. It
// is pure: equal input gives equal bindings. It expects a valid Spec, and no two bindings name the same device.
//
//   - On the zero Target, or nil, nothing is known: everything is listed as it was declared.
//   - Kernels before 6.16 (not ByName) refuse the whole flowtable if one device is missing: missing devices are left out, and
//     prefixes stand for the devices that are there.
//   - ByName kernels take missing devices and bind them when they appear.
//   - Wildcards kernels also take prefixes as they are; on others a prefix stands for the devices that are there.
func (s Spec) Bind(t *Target) []Binding {
	var bindings []Binding
	for _, d := range s.Devices {
		switch {
		case d.isEmpty():
		case t.isZero():
			bindings = append(bindings, Binding{Device: d.String(), State: Bound, Why: "listed as declared; nothing is known of the machine"})
		case d.Prefix != "":
			bindings = append(bindings, t.bindPrefix(d)...)
		default:
			bindings = append(bindings, t.bindName(d.Name))
		}
	}
	for i := range bindings {
		bindings[i].Flowtable = s.Name
	}
	slices.SortStableFunc(bindings, func(a, b Binding) int { return cmp.Compare(a.Device, b.Device) })
	return slices.CompactFunc(bindings, func(a, b Binding) bool { return a.Device == b.Device })
}

func (t *Target) isZero() bool {
	return t == nil || t.Kernel == (Kernel{}) && len(t.Links) == 0
}

func (t *Target) bindName(name string) Binding {
	b := Binding{Device: name}
	there := slices.ContainsFunc(t.Links, func(l Link) bool { return l.Name == name })
	switch {
	case there:
		b.State, b.Why = Bound, "the device is there"
	case t.Kernel.ByName:
		b.State, b.Why = Pending, "the device is not there; the kernel binds it when it appears"
	default:
		b.State, b.Why = Missing, "the device is not there, and this kernel refuses a flowtable with a missing device; plan again when it appears"
	}
	return b
}

func (t *Target) bindPrefix(d Selector) []Binding {
	found := t.named(d)
	if t.Kernel.Wildcards {
		return []Binding{bindWildcard(d, found)}
	}
	if len(found) == 0 {
		why := fmt.Sprintf("no device begins with %q, and this kernel takes no prefixes; plan again when one appears", d.Prefix)
		return []Binding{{Device: d.String(), State: Missing, Why: why}}
	}
	bindings := make([]Binding, len(found))
	why := fmt.Sprintf("the device is there, picked by %q; this kernel takes no prefixes: plan again when more appear", d.String())
	for i, name := range found {
		bindings[i] = Binding{Device: name, State: Bound, Why: why}
	}
	return bindings
}

// bindWildcard passes a prefix on to a kernel that takes it.
func bindWildcard(d Selector, found []string) Binding {
	if len(found) == 0 {
		return Binding{Device: d.String(), State: Pending, Why: "no device matches today; the kernel binds those that appear"}
	}
	why := "matches " + strings.Join(found, ", ") + " today; the kernel binds those that appear"
	return Binding{Device: d.String(), State: Bound, Why: why}
}

// named lists the devices that the selector picks, sorted, each once.
func (t *Target) named(d Selector) []string {
	var names []string
	for _, l := range t.Links {
		if d.matches(l.Name) {
			names = append(names, l.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
