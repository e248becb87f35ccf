package flowtable

import (
	"slices"
	"strings"
)

// EntersBy are devices, sorted, of which at least one is in each flowtable that sees packets of a device: the device and those of Lower.
// For tunnels a kernel of the Target's release looks in one place alone: packets of ipip come in by the tunnel before Linux 6.19, and by
// what it goes by since then. Of ip6tnl since 7.0 that depends on the tunnel's options, and both are told, as of kernels without a release.
func (t *Target) EntersBy(name string) []string {
	return newWalker(topologyOf(t)).entersBy(name, t.release())
}

func (t *Target) release() string {
	if t == nil {
		return ""
	}
	return t.Kernel.Release
}

func (w *walker) entersBy(name, release string) []string {
	i, there := w.byName[name]
	if !there {
		return []string{name}
	}
	if w.under(i).both != "" {
		switch kind := w.links[i].Kind; {
		case !w.newTunnels(kind, release):
			return []string{name}
		case kind == "ipip" && release != "":
			under := w.under(i).below[0]
			return sortedOnce(append(w.lower(w.down(under, nobody)), w.links[under].Name))
		}
	}
	return sortedOnce(append(w.lower(w.down(i, nobody)), name))
}

// SeenBy are the devices, sorted, of which a flowtable with the listed ones ("eth0", "ppp*") sees packets: those, what enters by one of them, and the
// bridges and VRFs that these are in. Rules of the forward hook meet the packets as coming from and going to these devices.
func (t *Target) SeenBy(listed ...string) []string {
	w := newWalker(topologyOf(t))
	isListed, patterns := map[string]bool{}, []string{}
	for _, name := range listed {
		isListed[name] = true
		if strings.HasSuffix(name, "*") {
			patterns = append(patterns, name)
		}
	}
	seen := make([]bool, len(w.links))
	for i := range w.links {
		byListed := func(d string) bool { return isListed[d] || listedIn(patterns, d) }
		if !slices.ContainsFunc(w.entersBy(w.links[i].Name, t.release()), byListed) {
			continue
		}
		for at, there := i, true; there && !seen[at]; at, there = w.byIndex[w.links[at].Master] {
			seen[at] = true
		}
	}
	names := slices.Clone(listed)
	for i, is := range seen {
		if is {
			names = append(names, w.links[i].Name)
		}
	}
	return sortedOnce(names)
}

// newTunnels reports whether kernels of a release look through tunnels of a kind, or may.
func (n *topology) newTunnels(kind, release string) bool {
	return release == "" || !before(release, tunnelsSince(kind))
}

// Unseen are the listed devices, sorted, through which a kernel of the Target's release looks to others of which none is listed ("eth0",
// "ppp*"): it offloads nothing that comes in by them. Linux 7.2 does so with VLAN devices, PPPoE sessions and bridges, 6.19 with IPIP. Older
// kernels carry what comes in by a listed device, and of a kernel without a release nothing is known: then there are none.
func (t *Target) Unseen(listed ...string) []string {
	if t == nil || t.Kernel.Release == "" {
		return nil
	}
	n, bothSides := topologyOf(t), t.Kernel.HasQuirk("both-sides")
	var unseen []string
	for _, name := range listed {
		i, there := n.byName[name]
		if !there {
			continue
		}
		by := n.under(i)
		looksThrough := bothSides
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
