package flowtable

import (
	"fmt"
	"slices"
)

// The quirks that Bind acts on.
const (
	quirkPanics     = "panics-below-pppoe-qinq"
	quirkNoEthernet = "breaks-without-ethernet"
	quirkTooDeep    = "breaks-pppoe-over-qinq"
	quirkNoHeader   = "leaves-without-tag"
)

// A guard keeps devices out of flowtables on kernels that panic, or break connections, over them. Such a kernel sends by the lowest device of a
// path whether it is listed or not, and puts the headers of the path on if it is (nf_flow_table_path.c, nft_dev_forward_path, Linux 6.19 to 7.1). So
// listing it is what panics, and listing all but it is what breaks: the packets of a listed device on the other side leave without their headers.
// Only a flowtable that lists no device at all is safe, whatever its rules let in.
type guard struct {
	*walker
	kernel Kernel
	quirks map[string]Quirk // those of the kernel that are guarded against
	stack  hazard           // what of the machine no flowtable is safe with; empty if there is nothing
	looked bool             // stack is known
}

// A hazard is why no device can be listed.
type hazard struct {
	way   string // "wan-ppp -> eth1: PPPoE session 5"; "" is no hazard
	quirk string
	next  string // what to do beside what there always is; "" is nothing
}

// newGuard guards against the quirks of a kernel whose release is known.
func newGuard(t *Target) *guard {
	g := &guard{walker: newWalker(topologyOf(t)), kernel: t.Kernel, quirks: map[string]Quirk{}}
	if versionOf(t.Kernel.version()) == (version{}) {
		return g
	}
	for _, q := range guardQuirks() {
		if release := t.Kernel.version(); q.concerns(release) || q.candidate(release) {
			g.quirks[q.ID] = q
		}
	}
	return g
}

// candidate reports whether a kernel is a candidate for the release that repairs a quirk: the repair may have come later.
func (q Quirk) candidate(release string) bool {
	v := versionOf(release)
	return v.candidate && v.sameSeries(versionOf(q.Until))
}

func (g *guard) has(quirk string) bool {
	_, has := g.quirks[quirk]
	return has
}

// panics reports whether the kernel panics over some devices.
func (g *guard) panics() bool { return g.has(quirkPanics) }

// unsafe is the quirk for which what is not there yet is not listed: it could be a device that the kernel panics over, or
// breaks connections over when it is listed without what it goes by; "" if there is none.
func (g *guard) unsafe() string {
	for _, quirk := range []string{quirkPanics, quirkNoEthernet, quirkNoHeader} {
		if g.has(quirk) {
			return quirk
		}
	}
	return ""
}

// machine finds the first device of the machine under whose headers the kernel panics or breaks connections, picked or not: rules can let in
// connections over every device.
func (g *guard) machine() hazard {
	if g.looked || len(g.quirks) == 0 {
		return g.stack
	}
	g.looked = true
	for i := range g.links {
		visits := g.down(i, nobody)
		for at := range visits {
			quirk := ""
			switch v := &visits[at]; {
			case g.panics() && g.heavy(v):
				quirk = quirkPanics
			case g.has(quirkTooDeep) && (v.state == tooDeep || g.tooDeepByBridge(v)):
				quirk = quirkTooDeep
			default:
				continue
			}
			g.stack = hazard{way: g.trace(visits, g.bottom(visits, at)), quirk: quirk}
			if l := &g.links[visits[at].link]; l.Kind == "ppp" && l.PPPoE.Device == "" {
				g.stack.way = spelled(l.Name) + ", a ppp device, perhaps by PPPoE"
			}
			return g.stack
		}
	}
	return g.stack
}

// heavy reports whether a visit adds a PPPoE header, or a second header. Any ppp device may: with several sessions it is not known which
// device has which (PPPoE).
func (g *guard) heavy(v *visit) bool {
	l := &g.links[v.link]
	return l.Kind == "ppp" || l.PPPoE.Device != "" || l.isVLAN() && (v.wraps > 0 || g.filtered(l))
}

// tooDeepByBridge reports whether the tag of a bridge comes below as many headers as kernels look through.
func (g *guard) tooDeepByBridge(v *visit) bool {
	l := &g.links[v.link]
	return l.wrapped() && v.wraps+1 == maxEncaps && g.filtered(l)
}

// filtered reports whether a link is the port of a bridge that may put a tag on by itself, or stands on one: it does so for a VLAN of another
// protocol than its own (br_vlan.c, br_vlan_fill_forward_path_pvid), which links do not tell.
func (g *guard) filtered(l *Link) bool {
	filters := func(index int) bool {
		i, there := g.byIndex[index]
		return there && g.links[i].VLANFiltering
	}
	return filters(l.Master) || filters(l.Parent)
}

// bottom is the last visit that a visit leads to.
func (g *guard) bottom(visits []visit, at int) int {
	for next := at + 1; next < len(visits); next++ {
		if visits[next].from == at {
			at = next
		}
	}
	return at
}

// listed finds the first of the links that a flowtable picks or lists which would be without what it goes by, while the flowtable lists other
// devices: the other side of its connections. Its walks have a budget of their own, for those of the machine may have used up theirs.
func (g *guard) listed(picks []int, devices []string) hazard {
	if len(devices) == 0 {
		return hazard{}
	}
	w := newWalker(g.topology)
	for _, i := range picks {
		l := &g.links[i]
		quirk := g.through(l)
		if !g.has(quirk) {
			continue
		}
		below := slices.DeleteFunc(w.lower(w.down(i, nobody)), func(d string) bool { return d == l.Name })
		if len(below) > 0 && !slices.ContainsFunc(below, func(d string) bool { return !listedIn(devices, d) }) {
			continue
		}
		without, next := "what it goes by", ""
		if len(below) > 0 {
			without, next = shortened(below), "list that too (layers lower or all)"
		}
		how := " would be listed without "
		if !listedIn(devices, l.Name) {
			how = " is picked, and other devices would be listed without "
		}
		return hazard{way: spelled(l.Name) + how + without, quirk: quirk, next: next}
	}
	return hazard{}
}

// through is the quirk that a link meets if it is listed without what it goes by.
func (g *guard) through(l *Link) string {
	switch {
	case l.Kind == "ppp", l.PPPoE.Device != "", l.isTunnel() && g.newTunnels(l.Kind, g.kernel.Release):
		return quirkNoEthernet
	case l.isVLAN():
		return quirkNoHeader
	}
	return ""
}

// hazard is why no device of a flowtable with these picks can be listed.
func (g *guard) hazard(picks []int, devices []string) hazard {
	if h := g.machine(); h.way != "" {
		return h
	}
	return g.listed(picks, devices)
}

// why is a hazard of a flowtable, or of all flowtables, in words.
func (g *guard) why(whose string, h hazard) string {
	q := g.quirks[h.quirk]
	next := "run another kernel"
	if h.next != "" {
		next = h.next + ", " + next
	}
	return fmt.Sprintf("no device of %s can be listed safely on Linux %s (%s, %s): %s; %s, or say noGuard if this one is repaired",
		whose, g.kernel.version(), q.ID, q.Releases(), h.way, next)
}

// Hazard says why flowtables list no device on this machine, "" if they can: its kernel panics, or breaks connections, over one of its devices, whether
// a flowtable picks it or not. Spec.NoGuard lists them all the same.
func (t *Target) Hazard() string {
	if t == nil {
		return ""
	}
	g := newGuard(t)
	h := g.machine()
	if h.way == "" {
		return ""
	}
	return g.why("any flowtable", h)
}

// told is the quirk's name, its releases and what happens.
func (q Quirk) told() string { return q.ID + " (" + q.Releases() + "): " + q.Effect }

// keepOut leaves all devices out of a flowtable if the kernel cannot be given one of them.
func (b *binder) keepOut() {
	if b.spec.NoGuard || len(b.listing.all) == 0 {
		return
	}
	var devices []string
	for i := range b.listing.all {
		e := &b.listing.all[i]
		if _, other := b.taken.by(e.device); e.device != "" && !e.label && e.state.Listed() && !other {
			devices = append(devices, e.device)
		}
	}
	h := b.guard.hazard(b.picksAmong(devices), devices)
	if h.way == "" {
		return
	}
	for i := range b.listing.all {
		e := &b.listing.all[i]
		if !e.state.Listed() {
			continue
		}
		e.state, e.why, e.tops = Unsupported, b.guard.why("the flowtable", h), nil
		e.trace = append(e.trace, b.guard.quirks[h.quirk].told())
	}
}

// picksAmong are the links that the flowtable picked, whatever became of them, and those that are listed.
func (b *binder) picksAmong(devices []string) []int {
	picks := slices.Clone(b.picks)
	for i := range b.links {
		if listedIn(devices, b.links[i].Name) {
			picks = append(picks, i)
		}
	}
	slices.Sort(picks)
	return slices.Compact(picks)
}
