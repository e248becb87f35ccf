package flowtable

import "slices"

// Above are the devices, sorted, whose packets all come in by the given ones, as the forward hook sees them (iifname, oifname): a
// bridge if each of its ports is given, a VLAN device if its parent is, a given device itself, tunnels among them. Ports of bridges are not among
// them: the forward hook sees the bridge. Devices that are not there are passed over.
func (t *Target) Above(devices ...string) []string {
	a := ascent{topology: topologyOf(t), given: map[string]bool{}, known: map[[2]int]verdict{}}
	for _, d := range devices {
		a.given[d] = true
	}
	var names []string
	for i := range a.links {
		if a.allGiven(i, 0) && !a.isPort(i) {
			names = append(names, a.links[i].Name)
		}
	}
	return names
}

// An ascent finds out which links come in by given ones alone.
type ascent struct {
	*topology
	given map[string]bool
	known map[[2]int]verdict // of a link with so many headers above it
}

type verdict int

const (
	unknown verdict = iota
	no              // also while it is looked at: a cycle comes in by nothing
	yes
)

// allGiven reports whether all packets of a link come in by given devices.
func (a *ascent) allGiven(link, wraps int) bool {
	key := [2]int{link, wraps}
	if a.known[key] != unknown {
		return a.known[key] == yes
	}
	a.known[key] = no
	by := a.under(link)
	if by.wraps {
		wraps++
	}
	l := &a.links[link]
	all := a.given[l.Name]
	if len(by.below) > 0 && by.both == "" || l.Kind == "bridge" {
		all = len(by.below) > 0 && wraps <= maxEncaps &&
			!slices.ContainsFunc(by.below, func(next int) bool { return !a.allGiven(next, wraps) })
	}
	if all {
		a.known[key] = yes
	}
	return all
}

// isPort reports whether the forward hook sees another device in place of a link.
func (a *ascent) isPort(link int) bool {
	master, there := a.byIndex[a.links[link].Master]
	if !there {
		return false
	}
	switch a.links[master].Kind {
	case "bridge", "bond", "team", "vrf":
		return true
	}
	return false
}
