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
//   - A device that a prefix stands for, but whose name nft cannot spell (CheckDevice), is left out as Unsupported.
func (s Spec) Bind(t *Target) []Binding {
	var bindings []Binding
	links := t.names()
	for _, d := range s.Devices {
		switch {
		case d.isEmpty():
		case t.isZero():
			bindings = append(bindings, Binding{Device: d.String(), State: Bound, Why: "listed as declared; nothing is known of the machine"})
		case d.Prefix != "":
			bindings = append(bindings, t.Kernel.bindPrefix(d, beginning(links, d.Prefix))...)
		default:
			bindings = append(bindings, t.Kernel.bindName(d.Name, links))
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

func (k Kernel) bindName(name string, links []string) Binding {
	b := Binding{Device: name}
	_, there := slices.BinarySearch(links, name)
	switch {
	case there:
		b.State, b.Why = Bound, "the device is there"
	case k.ByName:
		b.State, b.Why = Pending, "the device is not there; the kernel binds it when it appears"
	default:
		b.State, b.Why = Missing, "the device is not there, and this kernel refuses a flowtable with a missing device; plan again when it appears"
	}
	return b
}

// bindPrefix answers for a prefix; found are the devices whose names begin with it.
func (k Kernel) bindPrefix(d Selector, found []string) []Binding {
	if k.Wildcards {
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
		if err := CheckDevice(name); err != nil {
			bindings[i].State, bindings[i].Why = Unsupported, fmt.Sprintf("picked by %q, but %v", d.String(), err)
		}
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

// names are those of the links, sorted, each once.
func (t *Target) names() []string {
	if t == nil {
		return nil
	}
	names := make([]string, len(t.Links))
	for i, l := range t.Links {
		names[i] = l.Name
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// beginning are those of the sorted names that begin with the prefix.
func beginning(names []string, prefix string) []string {
	start, _ := slices.BinarySearch(names, prefix)
	end := start
	for end < len(names) && strings.HasPrefix(names[end], prefix) {
		end++
	}
	return names[start:end]
}
