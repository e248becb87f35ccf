package flowtable

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// A topology is the links of a Target, found by name, by index and by what they stand on. Links are numbered in the order of
// their names; lists of numbers are sorted.
type topology struct {
	links    []Link // each name once
	byName   map[string]int
	byIndex  map[int]int
	ports    map[int][]int    // by the master's index
	vlans    map[int][]int    // by the parent's index
	sessions map[string][]int // PPPoE, by the name of the device below
}

// topologyOf tolerates anything: names and indexes that occur twice, parents and masters that are not there, cycles.
func topologyOf(t *Target) *topology {
	n := &topology{byName: map[string]int{}, byIndex: map[int]int{}, ports: map[int][]int{}, vlans: map[int][]int{}, sessions: map[string][]int{}}
	if t == nil {
		return n
	}
	n.links = slices.Clone(t.Links)
	slices.SortStableFunc(n.links, func(a, b Link) int { return cmp.Compare(a.Name, b.Name) })
	n.links = slices.CompactFunc(n.links, func(a, b Link) bool { return a.Name == b.Name })
	for i := range n.links {
		l := &n.links[i]
		n.byName[l.Name] = i
		if _, taken := n.byIndex[l.Index]; l.Index != 0 && !taken {
			n.byIndex[l.Index] = i
		}
		if l.Master != 0 {
			n.ports[l.Master] = append(n.ports[l.Master], i)
		}
		if l.isVLAN() && l.Parent != 0 {
			n.vlans[l.Parent] = append(n.vlans[l.Parent], i)
		}
		if l.PPPoE.Device != "" {
			n.sessions[l.PPPoE.Device] = append(n.sessions[l.PPPoE.Device], i)
		}
	}
	return n
}

func (l *Link) isVLAN() bool { return l.Kind == "vlan" || l.VLAN.ID != 0 }

// portsOf are the links whose master is a link. A link without an index has none.
func (n *topology) portsOf(l *Link) []int {
	if l.Index == 0 {
		return nil
	}
	return n.ports[l.Index]
}

// beginning are the links whose names begin with the prefix.
func (n *topology) beginning(prefix string) []int {
	start, _ := slices.BinarySearchFunc(n.links, prefix, func(l Link, p string) int { return cmp.Compare(l.Name, p) })
	var found []int
	for i := start; i < len(n.links) && strings.HasPrefix(n.links[i].Name, prefix); i++ {
		found = append(found, i)
	}
	return found
}

// A layer is what lies between a link and the ones below that its packets come in by.
type layer struct {
	below []int  // none if the packets come in by the link itself
	wraps bool   // a header goes on that kernels count
	both  string // why packets come in by the link itself too; "" if they do not
	text  string // "VLAN 7", "port of the bridge"; without links below, why the link is where it ends
}

// maxEncaps is how many headers kernels look through (NF_FLOW_TABLE_ENCAP_MAX, include/net/netfilter/nf_flow_table.h).
const maxEncaps = 2

// under looks one layer down, as the kernel does where it discovers a forward path (dev_fill_forward_path, net/core/dev.c):
// through VLAN devices, PPPoE sessions, bridges and tunnels.
func (n *topology) under(i int) layer {
	l := &n.links[i]
	switch {
	case l.isVLAN():
		if parent, there := n.byIndex[l.Parent]; there {
			return layer{below: []int{parent}, wraps: true, text: l.VLAN.text()}
		}
		return layer{text: l.VLAN.text() + " on a device of another namespace, and so listed itself"}
	case l.PPPoE.Device != "":
		session := "PPPoE session " + strconv.Itoa(int(l.PPPoE.Session))
		if below, there := n.byName[l.PPPoE.Device]; there {
			return layer{below: []int{below}, wraps: true, text: session}
		}
		return layer{text: session + " over " + spelled(l.PPPoE.Device) + ", which is not there, and so listed itself"}
	case l.Kind == "bridge":
		return layer{below: n.portsOf(l), text: "port of the bridge"}
	case l.isTunnel():
		if below, there := n.byIndex[cmp.Or(l.Parent, l.Underlay)]; there {
			return layer{below: []int{below}, text: "in a tunnel (" + l.Kind + ")", both: unpacked(l.Kind) + "; Linux " + tunnelsSince(l.Kind) + " and later look through it to " + spelled(n.links[below].Name)}
		}
		return layer{text: unpacked(l.Kind) + "; Linux " + tunnelsSince(l.Kind) + " and later look through it, and it is not known what it goes by: list that device too"}
	}
	return layer{text: n.itself(l)}
}

func (v VLAN) text() string {
	text := "VLAN " + strconv.Itoa(int(v.ID))
	if v.Protocol != "" && v.Protocol != "802.1Q" {
		text += " (" + v.Protocol + ")"
	}
	return text
}

// isTunnel reports whether newer kernels look through a link to what its packets are packed into: IPIP since Linux 6.19, IP6IP6 without an
// encapsulation limit since 7.0 (net/ipv4/ipip.c, net/ipv6/ip6_tunnel.c, fill_forward_path).
func (l *Link) isTunnel() bool { return l.Kind == "ipip" || l.Kind == "ip6tnl" }

// tunnelsSince is the first release that looks through tunnels of a kind.
func tunnelsSince(kind string) string {
	if kind == "ip6tnl" {
		return "7.0"
	}
	return "6.19"
}

func unpacked(kind string) string {
	return "a tunnel (" + kind + "), by which packets come in when they are unpacked"
}

// itself says why a link of a kind that stands on others is listed itself; "" if it stands on none.
func (n *topology) itself(l *Link) string {
	switch l.Kind {
	case "bond", "team":
		return "a " + l.Kind + ", which kernels do not look through: packets of its slaves come in by it"
	case "dsa":
		if c, there := n.byIndex[l.Conduit]; there {
			return "user port of a switch, by which packets come in behind " + spelled(n.links[c].Name)
		}
		return "user port of a switch"
	case "macvlan", "macvtap", "ipvlan", "veth", "netkit", "vrf":
		return "a " + l.Kind + ", by which packets come in"
	case "wireguard", "gre", "gretap", "sit", "vxlan", "geneve", "tun", "xfrm", "vti":
		return unpacked(l.Kind)
	case "ppp":
		return "a ppp without PPPoE, by which packets come in when they are unpacked"
	}
	return ""
}
