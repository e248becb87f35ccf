package flowtable

// A Target is what is known of the machine that a ruleset is for. It is a snapshot with a JSON form, given by hand or read
// from the machine (offload.Manager.Target). The zero Target knows nothing: devices are then listed as they were declared.
// Safe for concurrent reading.
type Target struct {
	Kernel Kernel `json:"kernel,omitzero"`
	Links  []Link `json:"links,omitempty"`
	// DefaultRoutes are the indexes of the links that default routes of the main table lead to, sorted.
	DefaultRoutes []int `json:"defaultRoutes,omitempty"`
	// Hardware says of devices whether their drivers take a flowtable. One that is not listed was not tried.
	Hardware []Answer `json:"hardware,omitempty"`
}

// A Kernel is how a kernel treats the devices of a flowtable. KernelOf judges by the release. Safe for concurrent reading.
type Kernel struct {
	// Release as `uname -r` prints it; "" is unknown.
	Release string `json:"release,omitempty"`
	// Version is the stable release that the kernel was made of ("6.1.192"), where Release does not say: "6.1.0-57-amd64". "" is as Release says.
	Version string `json:"version,omitempty"`
	// ByName kernels (Linux 6.16) take names of devices that do not exist yet and bind them when they appear. Older ones
	// refuse the whole flowtable with ENOENT.
	ByName bool `json:"byName,omitempty"`
	// Wildcards kernels (Linux 6.16, NFTA_DEVICE_PREFIX) take name prefixes.
	Wildcards bool `json:"wildcards,omitempty"`
}

// A Link is one network device. Safe for concurrent reading.
type Link struct {
	Index   int    `json:"index,omitempty"`
	Name    string `json:"name"`
	Kind    string `json:"kind,omitempty"`    // as `ip -details link` prints it: veth, vlan, bridge, ppp; "" is a physical device or unknown
	Parent  int    `json:"parent,omitempty"`  // index of the device below (IFLA_LINK), 0 is none
	Master  int    `json:"master,omitempty"`  // index of the bridge or bond above (IFLA_MASTER), 0 is none
	Group   uint32 `json:"group,omitempty"`   // link group (IFLA_GROUP)
	Up      bool   `json:"up,omitempty"`      // administratively up (IFF_UP)
	State   string `json:"state,omitempty"`   // operational, as `ip link` prints it: UP, DOWN, LOWERLAYERDOWN (IFLA_OPERSTATE)
	MTU     int    `json:"mtu,omitempty"`     // bytes
	Address string `json:"address,omitempty"` // of the link layer: "02:00:00:00:00:01"
	VLAN    VLAN   `json:"vlan,omitzero"`
	PPPoE   PPPoE  `json:"pppoe,omitzero"`
	// VLANFiltering says of a bridge that it looks at VLAN tags (vlan_filtering), and so may put some on by itself.
	VLANFiltering bool `json:"vlanFiltering,omitempty"`
	// Remote is the address of the other end of a tunnel, of kinds ipip and ip6tnl, where it has a fixed one.
	Remote string `json:"remote,omitempty"`
	// Underlay is the index of the device that the route to Remote leads to, where no Parent says by which one the tunnel's packets go; 0 is
	// none or unknown.
	Underlay int `json:"underlay,omitempty"`
	Conduit  int `json:"conduit,omitempty"` // index of the device that a switch's user port is reached by (DSA), 0 is none
	// TCOffload is the driver's feature hw-tc-offload, a hint and no proof: "on", "off", or with " [fixed]" as ethtool prints it; ""
	// is unknown.
	TCOffload string `json:"tcOffload,omitempty"`
}

// A VLAN is what a VLAN device puts on. Safe for concurrent reading.
type VLAN struct {
	ID       uint16 `json:"id,omitempty"`
	Protocol string `json:"protocol,omitempty"` // "802.1Q" or "802.1ad"
}

// A PPPoE session is what a PPP device runs over, as /proc/net/pppoe tells it. Safe for concurrent reading.
type PPPoE struct {
	Device  string `json:"device,omitempty"`  // the device below
	Session uint16 `json:"session,omitempty"` // its number
}

// answers are those of the drivers, by device; of two the first.
func (t *Target) answers() map[string]Answer {
	all := make(map[string]Answer, len(t.Hardware))
	for _, a := range t.Hardware {
		if _, there := all[a.Device]; !there {
			all[a.Device] = a
		}
	}
	return all
}
