package flowtable

import (
	"fmt"
	"strings"
)

// Bind answers for every device that the Spec picks, or that what it picks stands on, how it fares on the Target, sorted by
// device. It is pure: equal input gives equal bindings. It expects a valid Spec, and tolerates any Target. No two bindings name
// the same device, and no listed one is picked by a listed wildcard.
//
//   - On the zero Target, or nil, nothing is known: names and prefixes are listed as they were declared, all else is Missing.
//   - Spec.Layers says whether the devices themselves are listed or those below. Packets of a VLAN device and of a PPPoE session come in
//     by the device below, those of a bridge by its ports; kernels look through two headers. Other devices are listed themselves.
//   - Kernels before 6.16 (not ByName) refuse the whole flowtable if one device is missing: missing devices are left out, and
//     prefixes stand for the devices that are there.
//   - ByName kernels take missing devices by their names and bind them when they appear.
//   - Wildcards kernels also take prefixes as they are, if what they match today comes in by what they match; else, and where
//     exceptions, other flowtables or drivers tell devices apart, a prefix stands for the devices that are there.
//   - Where drivers are asked, only devices that are there are listed, on any machine that is known: Linux 7.2 lets no device be made
//     that a hardware flowtable names and whose driver refuses.
//   - Linux 6.19 to 7.1 panic, or break connections, over some devices (Quirks). Where the machine has one, picked or not, or a tunnel, a
//     ppp or a VLAN device would be listed without what it goes by, all that would be listed is Unsupported: only a flowtable without devices is safe.
//     Spec.NoGuard lists it all the same. From 6.19 to 7.1 only devices that are there are listed, and prefixes device by device.
//   - A selector that picks nothing today is Missing, under its own name ("ports of br-lan"), with what is waited for.
//   - A device whose name nft cannot spell (CheckDevice) is left out as Unsupported.
//   - With HardwareAuto, Binding.Hardware says which devices' drivers accept, as Target.Hardware has it.
func (s Spec) Bind(t *Target) []Binding { return BindTable([]Spec{s}, t)[0] }

// BindTable is Bind for all flowtables of one table, in which kernels take a device once: the first flowtable that lists it gets
// it, in others it is Unsupported.
func BindTable(all []Spec, t *Target) [][]Binding {
	if t == nil {
		t = &Target{}
	}
	b := &binder{walker: newWalker(topologyOf(t)), target: t, taken: newTaken(), answers: t.answers(), guard: newGuard(t)}
	list := make([][]Binding, len(all))
	for i := range all {
		list[i] = b.bind(&all[i])
	}
	return list
}

// A binder binds the flowtables of one table, one after the other.
type binder struct {
	*walker
	target  *Target
	taken   *taken
	answers map[string]Answer
	guard   *guard

	spec    *Spec // the one at hand
	listing *listing
	picks   []int // the links that its selectors picked
}

func (t *Target) isZero() bool { return t == nil || t.Kernel == (Kernel{}) && len(t.Links) == 0 }

func (b *binder) bind(s *Spec) []Binding {
	b.spec, b.listing, b.picks = s, newListing(), nil
	for _, d := range s.Devices {
		switch {
		case d.isEmpty():
		case b.target.isZero():
			b.declared(d)
		case d.Name != "":
			b.name(d)
		case d.Prefix != "" && b.wildcard(d):
		default:
			b.relation(d)
		}
	}
	b.listing.absorb()
	b.keepOut()
	bindings := b.listing.bindings(s.Name)
	for i := range bindings {
		b.finish(&bindings[i])
	}
	return bindings
}

// finish looks at the flowtables before, and at the drivers.
func (b *binder) finish(f *Binding) {
	if !f.State.Listed() {
		return
	}
	if other, is := b.taken.by(f.Device); is {
		f.State = Unsupported
		f.Why = fmt.Sprintf("flowtable %q of this table lists it already, and kernels take a device once in a table; use two tables", other)
		return
	}
	b.taken.take(f.Device, b.spec.Name)
	switch answer, asked := b.answers[f.Device]; {
	case b.spec.Hardware == HardwareOn:
		f.Hardware = true
	case b.spec.Hardware != HardwareAuto:
	case answer.Result == Accepted:
		f.Hardware = true
		f.Why += "; its driver accepts"
	case !asked:
		f.Why += "; in software, its driver was not asked"
	default:
		f.Why += "; in software: " + string(answer.Result)
	}
}

// declared lists what needs no machine.
func (b *binder) declared(d Selector) {
	e := entry{device: d.String(), state: Bound, why: "listed as declared; nothing is known of the machine"}
	switch {
	case d.Name != "":
		e.device = d.Name
	case !d.isPlain():
		e.state, e.why, e.label = Missing, "nothing is known of the machine; give a Target", true
	}
	b.listing.add(e)
}

// name picks one device, if it is there or not.
func (b *binder) name(d Selector) {
	if i, there := b.byName[d.Name]; there {
		b.lay(d, i, "the device is there")
		return
	}
	e := entry{device: d.Name, state: Missing, why: "the device is not there, and this kernel refuses a flowtable with a missing device; plan again when it appears"}
	switch {
	case !b.target.Kernel.ByName:
	case b.careful() != "":
		e.why = "the device is not there, and " + unknownBelow(b.careful()) + "; plan again when it appears"
	case b.hardware():
		e.why = "the device is not there, and " + keptAway + "; plan again when it appears"
	default:
		e.state, e.why = Pending, "the device is not there; the kernel binds it when it appears"
	}
	b.listing.add(e)
}

// keptAway is why names of missing devices and prefixes are not listed in hardware (nf_tables_api.c, nft_flowtable_event).
const keptAway = "a hardware flowtable keeps devices from being made whose drivers refuse"

// unknownBelow is why names of missing devices and prefixes are not listed on kernels that do not survive some devices.
func unknownBelow(quirk string) string {
	if quirk == quirkPanics {
		return "this kernel panics over some devices (" + quirk + ")"
	}
	return "this kernel breaks connections over some devices (" + quirk + ")"
}

// careful is the quirk for which only devices that are there are listed; "" if there is none.
func (b *binder) careful() string {
	if b.spec.NoGuard {
		return ""
	}
	return b.guard.unsafe()
}

// hardware reports whether drivers may be asked about what is listed.
func (b *binder) hardware() bool {
	if b.spec.Hardware != HardwareAuto {
		return b.spec.Hardware == HardwareOn
	}
	for _, a := range b.answers {
		if a.Result == Accepted {
			return true
		}
	}
	return false
}

// wildcard hands a prefix to a kernel that takes it, and reports whether it did.
func (b *binder) wildcard(d Selector) bool {
	if !b.target.Kernel.Wildcards || b.apart(d) != "" {
		return false
	}
	found := b.beginning(d.Prefix)
	e := entry{device: d.Prefix + "*", state: Bound}
	if len(found) == 0 {
		e.state, e.why = Pending, "no device matches today; the kernel binds those that appear"
	} else {
		names := make([]string, len(found))
		for i, link := range found {
			names[i] = spelled(b.links[link].Name)
		}
		e.why = "matches " + strings.Join(names, ", ") + " today; the kernel binds those that appear"
	}
	b.listing.add(e)
	if b.spec.Layers == LayersAll {
		for _, i := range found {
			b.lay(d, i, "the device is there")
		}
	}
	return true
}

// apart says why a prefix cannot be handed to a kernel that takes prefixes; "" if it can.
func (b *binder) apart(d Selector) string {
	if len(d.Except) > 0 {
		return "it has exceptions"
	}
	if other, is := b.taken.some(d.Prefix); is {
		return fmt.Sprintf("flowtable %q has some of them", other)
	}
	found := b.beginning(d.Prefix)
	if b.spec.lower() {
		if ok, why := b.closed(d.Prefix, found); !ok {
			return why
		}
	}
	if quirk := b.careful(); quirk != "" {
		return unknownBelow(quirk)
	}
	if b.hardware() {
		return keptAway
	}
	return ""
}

// relation picks links that are there.
func (b *binder) relation(d Selector) {
	links, none := b.picked(d)
	if len(links) == 0 {
		b.listing.add(entry{device: d.String(), state: Missing, why: none, label: true})
		return
	}
	why := fmt.Sprintf("the device is there, picked by %q", d.String())
	switch {
	case d.Prefix == "":
	case b.target.Kernel.Wildcards:
		why += ", which is left out itself: " + b.apart(d)
	default:
		why += "; this kernel takes no prefixes: plan again when more appear"
	}
	for _, i := range links {
		b.lay(d, i, why)
	}
}
