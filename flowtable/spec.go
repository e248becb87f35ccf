package flowtable

// A Spec declares one flowtable. It is inert data with a stable JSON form; every zero field but Name is the recommended
// default. Safe for concurrent reading.
type Spec struct {
	// Name of the flowtable within its table, 1 to 255 bytes, a word that nft can spell.
	Name string `json:"name"`
	// Devices say which network devices feed the flowtable. An empty list is legal (Linux 5.8): devices can be added later.
	Devices []Selector `json:"devices,omitempty"`
	// Layers say which layers of a stacked device are listed: the device that is named, or what it stands on. Zero is what kernels
	// serve best (docs/devices.md), the devices that packets really come in by.
	Layers Layers `json:"layers,omitempty"`
	// Priority orders the flowtable's ingress hook among the hooks of its devices, in nft's spelling: "filter", "filter - 1",
	// "-10". Zero is "filter", the only name that nft knows at ingress. It must be smaller than that of an ingress chain whose
	// packets should take the fast path.
	Priority Priority `json:"priority,omitempty"`
	// Hardware says whether drivers are asked to carry the flows. Zero is HardwareOff.
	Hardware Hardware `json:"hardware,omitempty"`
	// NoCounter leaves nft's `counter` out (Linux 5.7): conntrack's packets and bytes then freeze when a flow is offloaded.
	NoCounter bool `json:"noCounter,omitempty"`
	// NoGuard lists devices on kernels whose release is known to panic, or to break connections, over them (Linux 6.19 to 7.1; Bind, Quirks). Zero leaves
	// them out. It is for kernels that are repaired under such a release, and for flowtables whose rules let in nothing over these devices.
	NoGuard bool `json:"noGuard,omitempty"`
}

// A Selector picks devices. Exactly one field besides Except is set. Those that name a relation are answered by the links of the
// Target at hand, and anew whenever they change. Safe for concurrent reading.
type Selector struct {
	// Name is one device by its exact name, 1 to 15 bytes.
	Name string `json:"name,omitempty"`
	// Prefix picks every device whose name begins with it: "ppp" is nft's "ppp*". 1 to 14 bytes.
	Prefix string `json:"prefix,omitempty"`
	// PortsOf picks the ports of a bridge.
	PortsOf string `json:"portsOf,omitempty"`
	// SlavesOf picks the slaves of a bond or team.
	SlavesOf string `json:"slavesOf,omitempty"`
	// VLANsOn picks the VLAN devices on a device.
	VLANsOn string `json:"vlansOn,omitempty"`
	// PPPOver picks the PPPoE sessions that run over a device.
	PPPOver string `json:"pppOver,omitempty"`
	// Group picks the devices of a link group, as `ip link set DEVICE group N` sets it. Group 0, in which every device is at first,
	// cannot be picked.
	Group uint32 `json:"group,omitempty"`
	// DefaultRoute picks the devices that default routes of the main table lead to, of IPv4 and IPv6.
	DefaultRoute bool `json:"defaultRoute,omitempty"`
	// Except leaves devices out of what is picked, and of what that stands on: names, or prefixes in nft's spelling ("veth*"). A prefix
	// with exceptions stands for the devices that are there.
	Except []string `json:"except,omitempty"`
}

// Layers say which layers of a stacked device a flowtable lists.
type Layers string

// The layers.
const (
	// LayersDefault is LayersLower: it is what kernels serve best (docs/devices.md).
	LayersDefault Layers = ""
	// LayersLower lists the devices that packets come in by: what lies under VLAN and PPPoE devices, the ports of bridges
	// (Documentation/networking/nf_flowtable.rst, Linux 5.13).
	LayersLower Layers = "lower"
	// LayersLogical lists the devices as they are picked.
	LayersLogical Layers = "logical"
	// LayersAll lists a device and all that it stands on, down to those of LayersLower.
	LayersAll Layers = "all"
)

// Hardware says whether network drivers are asked to carry a flowtable's flows.
type Hardware string

// The hardware modes.
const (
	// HardwareOff keeps the flows in software.
	HardwareOff Hardware = ""
	// HardwareOn sets nft's `flags offload` (Linux 5.5). Every device's driver must accept, or the kernel refuses the flowtable.
	// Devices that are not there are left out until they are (Bind).
	HardwareOn Hardware = "on"
	// HardwareAuto asks the drivers of those devices that Target.Hardware says accept. If all do, the flowtable is as with HardwareOn; if
	// none does, or nothing is known, as with HardwareOff. If some do, the flowtable stays in software with all its devices, and
	// package ruleset makes another of the same name in a table "<table>_hw" for those that accept, with copies of its policies'
	// chains (Policy) one priority earlier: they take the flows between devices that accept. `flow add` in chains of your own, and of
	// inline policies, leads to the declared flowtable alone. Policies with limits, and those that refer to live sets, cannot stand
	// twice: the flowtable stays in software then, and its bindings say so.
	HardwareAuto Hardware = "auto"
)
