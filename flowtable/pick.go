package flowtable

import (
	"fmt"
	"slices"
	"strings"
)

// picked are the links that a selector picks, sorted by name and without exceptions; if there are none, why, and what would
// change that. Names are not its business, and prefixes only where they stand for devices.
func (b *binder) picked(s Selector) (links []int, why string) {
	switch {
	case s.Prefix != "":
		links = b.beginning(s.Prefix)
		why = fmt.Sprintf("no device begins with %q, and this kernel takes no prefixes; plan again when one appears", s.Prefix)
		if b.target.Kernel.Wildcards {
			why = fmt.Sprintf("no device begins with %q that can be listed; plan again when one appears", s.Prefix)
		}
	case s.PortsOf != "":
		links, why = b.members(s.PortsOf, "bridge", "port", "joins", "bridge")
	case s.SlavesOf != "":
		links, why = b.members(s.SlavesOf, "bond or team", "slave", "joins", "bond", "team")
	case s.VLANsOn != "":
		links, why = b.riders(s.VLANsOn, "VLAN device", func(l *Link) []int { return b.vlans[l.Index] })
	case s.PPPOver != "":
		links, why = b.riders(s.PPPOver, "PPPoE session", func(l *Link) []int { return b.sessions[l.Name] })
	case s.Group != 0:
		for i := range b.links {
			if b.links[i].Group == s.Group {
				links = append(links, i)
			}
		}
		why = fmt.Sprintf("no device is in link group %d; plan again when one is put there", s.Group)
	case s.DefaultRoute:
		for _, index := range b.target.DefaultRoutes {
			if i, there := b.byIndex[index]; there {
				links = append(links, i)
			}
		}
		slices.Sort(links)
		links = slices.Compact(links)
		why = "no default route leads to a device; plan again when one does"
	}
	if len(links) == 0 {
		return nil, why
	}
	if len(s.Except) > 0 {
		links = slices.DeleteFunc(slices.Clone(links), func(i int) bool { return s.excepts(b.links[i].Name) })
	}
	return links, "all that it picks today is excepted; plan again when more appear"
}

// members are the links whose master a device is, if it is of one of the kinds, or of none that is known.
func (b *binder) members(name, what, member, verb string, kinds ...string) ([]int, string) {
	i, there := b.byName[name]
	if !there {
		return nil, fmt.Sprintf("%s is not there; plan again when it appears", spelled(name))
	}
	l := &b.links[i]
	if l.Kind != "" && !slices.Contains(kinds, l.Kind) {
		return nil, fmt.Sprintf("%s is a %s and no %s; correct the name, or plan again when it is one", spelled(name), spelled(l.Kind), what)
	}
	return b.portsOf(l), fmt.Sprintf("%s has no %s; plan again when one %s", spelled(name), member, verb)
}

// riders are the links that stand on a device.
func (b *binder) riders(name, what string, of func(*Link) []int) ([]int, string) {
	i, there := b.byName[name]
	if !there {
		return nil, fmt.Sprintf("%s is not there; plan again when it appears", spelled(name))
	}
	return of(&b.links[i]), fmt.Sprintf("there is no %s on %s; plan again when one appears", what, spelled(name))
}

// closed reports whether all devices that begin with a prefix come in by devices that begin with it too; if not, which one does
// not, and why.
func (b *binder) closed(prefix string, found []int) (ok bool, why string) {
	for _, i := range found {
		for _, v := range b.walker.down(i, nobody) {
			name := b.links[i].Name
			switch below := b.links[v.link].Name; {
			case v.state == goesOn, v.state == comesIn && strings.HasPrefix(below, prefix):
			case v.state == comesIn:
				return false, fmt.Sprintf("%s stands on %s", spelled(name), spelled(below))
			case v.state == portless:
				return false, fmt.Sprintf("%s is a bridge", spelled(below))
			default:
				return false, fmt.Sprintf("%s stands on too many layers", spelled(name))
			}
		}
	}
	return true, ""
}
