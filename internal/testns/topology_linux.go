package testns

import (
	"fmt"
	"slices"
	"strings"
)

// A Stack is what stands between a link and the router's address on it: the layers of devices. The host's end gets what talks to it.
type Stack string

// The stacks. The example is that of lan0; names follow RouterConfig's device without its digits.
const (
	Plain           Stack = ""                 // lan0
	VLAN            Stack = "vlan"             // lan0.10 over lan0
	QinQ            Stack = "qinq"             // lan0.20.10 (802.1Q) over lan0.20 (802.1ad) over lan0
	PPPoE           Stack = "pppoe"            // ppp0 over lan0, by pppd and pppoe-server
	PPPoEVLAN       Stack = "pppoe-vlan"       // ppp0 over lan0.7 over lan0
	PPPoEQinQ       Stack = "pppoe-qinq"       // ppp0 over lan0.20.10 over lan0.20 over lan0: more headers than kernels look through
	Bridge          Stack = "bridge"           // br-lan over its ports lan0 and lan0b
	BridgeVLANPort  Stack = "bridge-vlan-port" // br-lan over its ports lan0.10 (over lan0) and lan0b
	BridgePVID      Stack = "bridge-pvid"      // br-lan, which filters VLANs; its port lan0 has the default VLAN 1, pvid untagged
	BridgeUntagged  Stack = "bridge-untagged"  // br-lan.10 over br-lan, which filters VLANs; its port lan0 has VLAN 10, pvid untagged
	BridgeTagged    Stack = "bridge-tagged"    // br-lan.10 over br-lan, which filters VLANs; its port lan0 has VLAN 10, tagged
	Bond            Stack = "bond"             // bond-lan, balance-rr, over lan0 and lan0b
	BondVLAN        Stack = "bond-vlan"        // bond-lan.10 over bond-lan over lan0 and lan0b
	BridgeBond      Stack = "bridge-bond"      // br-lan over its port bond-lan over lan0 and lan0b
	Macvlan         Stack = "macvlan"          // mac-lan, bridge mode, over lan0
	WireGuard       Stack = "wireguard"        // wg-lan over lan0
	vlanID                = 10
	serviceVLAN           = 20
	pppoeVLAN             = 7
	pppDevice             = "ppp0"
	secondSuffix          = "b"
	wireGuardPort         = 51820
	underlayNetwork       = "198.18"
)

// Stacks are all but Plain, in a fixed order.
func Stacks() []Stack {
	return []Stack{VLAN, QinQ, PPPoE, PPPoEVLAN, PPPoEQinQ, Bridge, BridgeVLANPort, BridgePVID, BridgeUntagged, BridgeTagged, Bond, BondVLAN, BridgeBond, Macvlan, WireGuard}
}

// Layers are the router's devices of one link. It is a plain value.
type Layers struct {
	Logical string   // has the router's address: ppp0
	Lower   []string // the veths at the bottom: wan0; of a bridge and a bond, two
	All     []string // every layer, from the top: ppp0, wan0.7, wan0
}

// layers are those of a stack over a device.
func (s Stack) layers(base string) Layers {
	second := base + secondSuffix
	vlan := fmt.Sprintf("%s.%d", base, vlanID)
	vlans := []string{fmt.Sprintf("%s.%d.%d", base, serviceVLAN, vlanID), fmt.Sprintf("%s.%d", base, serviceVLAN)}
	top := func(kind string) string { return kind + "-" + strings.TrimRight(base, "0123456789") }
	bridge, bond := top("br"), top("bond")
	tagged := fmt.Sprintf("%s.%d", bridge, vlanID)
	all := map[Stack][]string{
		Plain:          {base},
		VLAN:           {vlan, base},
		QinQ:           {vlans[0], vlans[1], base},
		PPPoE:          {pppDevice, base},
		PPPoEVLAN:      {pppDevice, fmt.Sprintf("%s.%d", base, pppoeVLAN), base},
		PPPoEQinQ:      {pppDevice, vlans[0], vlans[1], base},
		Bridge:         {bridge, base, second},
		BridgeVLANPort: {bridge, vlan, base, second},
		BridgePVID:     {bridge, base, second},
		BridgeUntagged: {tagged, bridge, base, second},
		BridgeTagged:   {tagged, bridge, base, second},
		Bond:           {bond, base, second},
		BondVLAN:       {fmt.Sprintf("%s.%d", bond, vlanID), bond, base, second},
		BridgeBond:     {bridge, bond, base, second},
		Macvlan:        {top("mac"), base},
		WireGuard:      {top("wg"), base},
	}[s]
	lower := slices.DeleteFunc(slices.Clone(all), func(d string) bool { return d != base && d != second })
	return Layers{Logical: all[0], Lower: lower, All: all}
}

// hostSide is the stack at the other end of the link.
func (s Stack) hostSide() Stack {
	switch s {
	case BridgeVLANPort, BridgeTagged:
		return VLAN
	case Bridge, BridgePVID, BridgeUntagged, Macvlan:
		return Plain
	case BridgeBond:
		return Bond
	}
	return s
}

func (s Stack) hasSecondLink() bool {
	return slices.Contains(s.layers(hostDevice).Lower, hostDevice+secondSuffix)
}

func (s Stack) isBridge() bool { return strings.HasPrefix(string(s), string(Bridge)) }

func (s Stack) isPPPoE() bool { return s == PPPoE || s == PPPoEVLAN || s == PPPoEQinQ }

// commands of the ip tool that put the stack on devices that are there, and bring them up.
func (s Stack) commands(base string) []string {
	l := s.layers(base)
	cmds := []string{}
	add := func(format string, args ...any) { cmds = append(cmds, fmt.Sprintf(format, args...)) }
	switch s {
	case VLAN, BridgeVLANPort:
		add("link add link %s name %s.%d type vlan id %d", base, base, vlanID, vlanID)
	case QinQ, PPPoEQinQ:
		inner, outer := l.All[len(l.All)-3], l.All[len(l.All)-2]
		add("link add link %s name %s type vlan proto 802.1ad id %d", base, outer, serviceVLAN)
		add("link add link %s name %s type vlan id %d", outer, inner, vlanID)
	case PPPoEVLAN:
		add("link add link %s name %s type vlan id %d", base, l.All[1], pppoeVLAN)
	case Macvlan:
		add("link add link %s name %s type macvlan mode bridge", base, l.Logical)
	case WireGuard:
		add("link add %s type wireguard", l.Logical)
	}
	cmds = append(cmds, s.bondCommands(l)...)
	if s.isBridge() {
		cmds = append(cmds, s.bridgeCommands(l)...)
	}
	for _, device := range slices.Backward(l.All) {
		if device != pppDevice {
			add("link set %s up", device)
		}
	}
	return cmds
}

// bondCommands make the bond, while its slaves are down, and the VLAN device over it.
func (s Stack) bondCommands(l Layers) []string {
	bond := l.Logical
	switch s {
	case Bond:
	case BondVLAN, BridgeBond:
		bond = l.All[1]
	default:
		return nil
	}
	cmds := []string{fmt.Sprintf("link add %s type bond mode balance-rr miimon 100", bond)}
	for _, slave := range l.Lower {
		cmds = append(cmds, fmt.Sprintf("link set %s master %s", slave, bond))
	}
	if s == BondVLAN {
		cmds = append(cmds, fmt.Sprintf("link add link %s name %s type vlan id %d", bond, l.Logical, vlanID))
	}
	return cmds
}

// bridgeCommands make the bridge, its ports and the VLAN device over it.
func (s Stack) bridgeCommands(l Layers) []string {
	bridge, ports := l.Logical, l.Lower
	switch s {
	case BridgeVLANPort:
		ports = []string{l.All[1], l.Lower[1]}
	case BridgeBond:
		ports = []string{l.All[1]}
	}
	filtering := ""
	switch s {
	case BridgeUntagged, BridgeTagged:
		bridge, filtering = l.All[1], " vlan_filtering 1"
	case BridgePVID:
		filtering = " vlan_filtering 1"
	}
	cmds := []string{fmt.Sprintf("link add %s type bridge%s", bridge, filtering)}
	for _, port := range ports {
		cmds = append(cmds, fmt.Sprintf("link set %s master %s", port, bridge))
	}
	if bridge != l.Logical {
		cmds = append(cmds, fmt.Sprintf("link add link %s name %s type vlan id %d", bridge, l.Logical, vlanID))
	}
	return cmds
}

// bridgeVLANs are the commands of the bridge tool.
func (s Stack) bridgeVLANs(base string) []string {
	l := s.layers(base)
	flags := ""
	switch s {
	case BridgeUntagged:
		flags = " pvid untagged"
	case BridgeTagged:
	default:
		return nil
	}
	return []string{
		fmt.Sprintf("vlan add dev %s vid %d%s", base, vlanID, flags),
		fmt.Sprintf("vlan add dev %s vid %d self", l.All[1], vlanID),
	}
}
