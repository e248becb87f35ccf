package flowtable

import (
	"slices"
	"strings"
)

// EntersBy are devices, sorted, of which at least one is in each flowtable that sees packets of a device: the device and those of Lower.
// For tunnels a kernel of the Target's release looks in one place alone: packets of ipip come in by the tunnel before Linux 6.19, and by
// what it goes by since then. Of ip6tnl since 7.0 that depends on the tunnel's options, and both are told, as of kernels without a release.
func (t *Target) EntersBy(name string) []string {
	n := topologyOf(t)
	if i, there := n.byName[name]; there && n.under(i).both != "" {
		switch kind := n.links[i].Kind; {
		case !n.newTunnels(kind, t.Kernel.Release):
			return []string{name}
		case kind == "ipip" && t.Kernel.Release != "":
			under := n.links[n.under(i).below[0]].Name
			return sortedOnce(append(t.Lower(under), under))
		}
	}
	return sortedOnce(append(t.Lower(name), name))
}

// newTunnels reports whether kernels of a release look through tunnels of a kind, or may.
func (n *topology) newTunnels(kind, release string) bool {
	if release == "" {
		return true
	}
	since := "6.19"
	if kind == "ip6tnl" {
		since = "7.0"
	}
	return !before(release, since)
}

// Unseen are the listed devices, sorted, through which a kernel of the Target's release looks to others of which none is listed ("eth0",
// "ppp*"): it offloads nothing that comes in by them. Linux 7.2 does so with VLAN devices, PPPoE sessions and bridges, 6.19 with IPIP. Older
// kernels carry what comes in by a listed device, and of a kernel without a release nothing is known: then there are none.
func (t *Target) Unseen(listed ...string) []string {
	if t == nil || t.Kernel.Release == "" {
		return nil
	}
	n := topologyOf(t)
	var unseen []string
	for _, name := range listed {
		i, there := n.byName[name]
		if !there {
			continue
		}
		by := n.under(i)
		looksThrough := !before(t.Kernel.Release, "7.2")
		if by.both != "" {
			looksThrough = n.links[i].Kind == "ipip" && n.newTunnels("ipip", t.Kernel.Release)
		}
		if len(by.below) > 0 && looksThrough && !slices.ContainsFunc(t.below(name), func(d string) bool { return listedIn(listed, d) }) {
			unseen = append(unseen, name)
		}
	}
	return sortedOnce(unseen)
}

// below are those of Lower without the device itself.
func (t *Target) below(name string) []string {
	return slices.DeleteFunc(t.Lower(name), func(d string) bool { return d == name })
}

// listedIn reports whether a device is among others, or begins as one that ends in "*".
func listedIn(listed []string, device string) bool {
	return slices.ContainsFunc(listed, func(l string) bool {
		prefix, is := strings.CutSuffix(l, "*")
		return l == device || is && strings.HasPrefix(device, prefix)
	})
}
