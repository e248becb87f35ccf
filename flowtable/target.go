package flowtable

// A Target is what is known of the machine that a ruleset is for. It is a snapshot with a JSON form, given by hand or read
// from the machine (offload.Manager.Target). The zero Target knows nothing: devices are then listed as they were declared.
// Safe for concurrent reading.
type Target struct {
	Kernel Kernel `json:"kernel,omitzero"`
	Links  []Link `json:"links,omitempty"`
}

// A Kernel is how a kernel treats the devices of a flowtable. KernelOf judges by the release. Safe for concurrent reading.
type Kernel struct {
	// Release as `uname -r` prints it; "" is unknown.
	Release string `json:"release,omitempty"`
	// ByName kernels (Linux 6.16) take names of devices that do not exist yet and bind them when they appear. Older ones
	// refuse the whole flowtable with ENOENT.
	ByName bool `json:"byName,omitempty"`
	// Wildcards kernels (Linux 6.18, NFTA_DEVICE_PREFIX) take name prefixes.
	Wildcards bool `json:"wildcards,omitempty"`
}

// A Link is one network device. Safe for concurrent reading.
type Link struct {
	Index  int    `json:"index,omitempty"`
	Name   string `json:"name"`
	Kind   string `json:"kind,omitempty"`   // as `ip -details link` prints it: veth, vlan, bridge, ppp; "" is a physical device or unknown
	Parent int    `json:"parent,omitempty"` // index of the device below (IFLA_LINK), 0 is none
	Master int    `json:"master,omitempty"` // index of the bridge or bond above (IFLA_MASTER), 0 is none
	Up     bool   `json:"up,omitempty"`     // administratively up (IFF_UP)
}
