package flowtable

import (
	"cmp"
	"strings"
)

// A walker goes down from links through their layers. Cycles end where they close. Its work is bounded whatever the links
// are: a walk visits a link once for each number of headers above it, and once maxSteps are made in all, walks stop at what others
// visited.
type walker struct {
	*topology
	seen  []int // the last walk that visited a link with so many headers above it
	walks int
	steps int
}

const maxSteps = 1 << 20

func newWalker(n *topology) *walker {
	return &walker{topology: n, seen: make([]int, len(n.links)*(maxEncaps+1))}
}

// A visit is one link on a walk.
type visit struct {
	link int
	from int // the visit above, -1 is none
	by   layer
	// wraps are the headers above the link.
	wraps int
	state ending
}

// An ending says whether a walk goes on at a link.
type ending int

const (
	goesOn   ending = iota
	comesIn         // packets come in by the link
	portless        // a bridge without ports
	tooDeep         // what is below has more headers above it than kernels look through
)

// down visits what a link stands on, itself first, and passes by those that skip names.
func (w *walker) down(start int, skip func(device string) bool) []visit {
	w.walks++
	var visits []visit
	come := func(link, from, wraps int) {
		slot := link*(maxEncaps+1) + wraps
		if before := w.seen[slot]; before == w.walks || before != 0 && w.steps > maxSteps || skip(w.links[link].Name) {
			return
		}
		w.seen[slot] = w.walks
		w.steps++
		visits = append(visits, visit{link: link, from: from, wraps: wraps, by: w.under(link)})
	}
	come(start, -1, 0)
	for i := 0; i < len(visits); i++ {
		v := &visits[i]
		wraps := v.wraps
		if v.by.wraps {
			wraps++
		}
		below := v.by.below
		switch {
		case w.links[v.link].Kind == "bridge" && !v.by.wraps && len(below) == 0:
			v.state = portless
		case len(below) == 0:
			v.state = comesIn
		case wraps > maxEncaps:
			v.state = tooDeep
		default:
			if v.by.both != "" {
				v.state = comesIn
			}
			for _, next := range below {
				come(next, i, wraps)
			}
		}
	}
	return visits
}

// last is what a trace says of the link at which it ends.
func (v *visit) last() string {
	switch v.state {
	case comesIn:
		return cmp.Or(v.by.both, v.by.text)
	case portless:
		return "a bridge without ports"
	case tooDeep:
		return v.by.text + ", one header too many"
	}
	return ""
}

// trace is the way to a visit in words: "wan-ppp -> eth1.7 -> eth1: PPPoE session 5 over VLAN 7"; "" if there is nothing to tell.
func (w *walker) trace(visits []visit, at int) string {
	way := []int{at}
	for visits[way[0]].from >= 0 {
		way = append([]int{visits[way[0]].from}, way...)
	}
	var names strings.Builder
	var how strings.Builder
	for i, v := range way {
		if i > 0 {
			names.WriteString(" -> ")
		}
		names.WriteString(spelled(w.links[visits[v].link].Name))
		by := visits[v].by
		text := by.text
		if i == len(way)-1 {
			text = visits[v].last()
		}
		if text == "" {
			continue
		}
		switch {
		case how.Len() == 0:
		case by.wraps && visits[way[i-1]].by.wraps:
			how.WriteString(" over ")
		default:
			how.WriteString(", ")
		}
		how.WriteString(text)
	}
	if how.Len() == 0 {
		return names.String()
	}
	return names.String() + ": " + how.String()
}

// Lower are the devices that packets of a device come in by, sorted: what lies under VLAN devices and PPPoE sessions, the ports of
// bridges, and of a tunnel that newer kernels look through (ipip, ip6tnl) both itself and what it goes by. A device that stands on none
// of these is its own. Bridges without ports, and devices that are not there, have none; neither do devices under more headers than
// kernels look through (two: NF_FLOW_TABLE_ENCAP_MAX).
func (t *Target) Lower(name string) []string {
	w := newWalker(topologyOf(t))
	start, there := w.byName[name]
	if !there {
		return nil
	}
	return w.lower(w.down(start, nobody))
}

func nobody(string) bool { return false }

// lower are the names of the links at which a walk ends.
func (w *walker) lower(visits []visit) []string {
	var names []string
	for _, v := range visits {
		if v.state == comesIn {
			names = append(names, w.links[v.link].Name)
		}
	}
	return sortedOnce(names)
}
