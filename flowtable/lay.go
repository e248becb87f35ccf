package flowtable

import (
	"fmt"
	"slices"
)

// lower reports whether devices below are listed in place of those that are picked.
func (s *Spec) lower() bool { return s.Layers == LayersDefault || s.Layers == LayersLower }

// lay lists a link that was picked, what it stands on, or both.
func (b *binder) lay(d Selector, link int, why string) {
	b.picks = append(b.picks, link)
	if b.spec.Layers == LayersLogical {
		b.list(d, b.links[link].Name, entry{why: why + b.comesInBelow(link), trace: b.way(d, nil, link, 0)})
		return
	}
	visits := b.down(link, d.excepts)
	found := len(visits) == 0 // excepted, or there were too many
	for i := range visits {
		found = b.visited(d, visits, i, why) || found
	}
	if !found && b.steps <= maxSteps {
		b.listing.add(entry{device: b.links[link].Name, state: Missing, trace: b.way(d, visits, link, 0),
			why: "nothing is left that its packets come in by: it stands on itself, or on what is excepted"})
	}
}

// comesInBelow warns of a device whose packets come in by others: measured, Linux 7.2 then offloads none of its flows, while 6.1 and 6.12 do.
func (b *binder) comesInBelow(link int) string {
	lower := b.lower(b.down(link, nobody))
	lower = slices.DeleteFunc(lower, func(d string) bool { return d == b.links[link].Name })
	if len(lower) == 0 {
		return ""
	}
	for i, name := range lower {
		lower[i] = spelled(name)
	}
	return "; its packets come in by " + shortened(lower) + ": where those are not listed, Linux 7.2 offloads nothing"
}

// visited lists a link on the way down, and reports whether that explains the link that was picked.
func (b *binder) visited(d Selector, visits []visit, at int, why string) bool {
	v := &visits[at]
	name := b.links[v.link].Name
	e := entry{tops: []string{spelled(b.links[visits[0].link].Name)}, trace: b.way(d, visits, v.link, at)}
	if at == 0 {
		e.why, e.tops = why, nil
	}
	switch {
	case b.spec.Layers == LayersAll:
	case v.state == goesOn:
		return false
	case v.state == portless:
		e.state, e.why = Missing, "the bridge has no ports; plan again when one joins"
	case v.state == tooDeep:
		name = b.links[visits[stackOf(visits, at)].link].Name
		e.state, e.why = Unsupported, fmt.Sprintf("its packets bear more than %d headers of VLANs and PPPoE, and kernels look through %[1]d (NF_FLOW_TABLE_ENCAP_MAX); up to Linux 6.12, layers \"logical\" carries them", maxEncaps)
	case at == 0 && v.by.text != "" && b.links[v.link].wrapped():
		e.why = v.by.text + "; " + why
	}
	b.list(d, name, e)
	return true
}

// wrapped reports whether a link is a VLAN device or a PPPoE session.
func (l *Link) wrapped() bool { return l.isVLAN() || l.PPPoE.Device != "" }

// stackOf is the visit at which the headers above a visit begin: a port of a bridge, or the first.
func stackOf(visits []visit, at int) int {
	for visits[at].from >= 0 && visits[visits[at].from].by.wraps {
		at = visits[at].from
	}
	return at
}

// list adds an entry for a device; one that says nothing else is bound.
func (b *binder) list(d Selector, name string, e entry) {
	e.device = name
	if e.state == "" {
		e.state = Bound
	}
	if err := CheckDevice(name); err != nil {
		e.state, e.why = Unsupported, fmt.Sprintf("picked by %q, but %v", d.String(), err)
	}
	b.listing.add(e)
}

// way is how a link was found, for the trace; nothing if it was named and there is nothing to say.
func (b *binder) way(d Selector, visits []visit, link, at int) []string {
	text := spelled(b.links[link].Name)
	if len(visits) > 0 {
		text = b.trace(visits, at)
	}
	switch {
	case d.Name == "":
		return []string{d.String() + " -> " + text}
	case text == d.Name:
		return nil
	}
	return []string{text}
}
