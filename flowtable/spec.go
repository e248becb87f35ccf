package flowtable

// A Spec declares one flowtable. It is inert data with a stable JSON form; every zero field but Name is the recommended
// default. Safe for concurrent reading.
type Spec struct {
	// Name of the flowtable within its table, 1 to 255 bytes, a word that nft can spell.
	Name string `json:"name"`
	// Devices say which network devices feed the flowtable. An empty list is legal (Linux 5.8): devices can be added later.
	Devices []Selector `json:"devices,omitempty"`
	// Priority orders the flowtable's ingress hook among the hooks of its devices, in nft's spelling: "filter", "filter - 1",
	// "-10". Zero is "filter", the only name that nft knows at ingress. It must be smaller than that of an ingress chain whose
	// packets should take the fast path.
	Priority Priority `json:"priority,omitempty"`
	// Hardware says whether drivers are asked to carry the flows. Zero is HardwareOff.
	Hardware Hardware `json:"hardware,omitempty"`
	// NoCounter leaves nft's `counter` out (Linux 5.7): conntrack's packets and bytes then freeze when a flow is offloaded.
	NoCounter bool `json:"noCounter,omitempty"`
}

// A Selector picks devices. Exactly one field is set. Safe for concurrent reading.
type Selector struct {
	// Name is one device by its exact name, 1 to 15 bytes.
	Name string `json:"name,omitempty"`
	// Prefix picks every device whose name begins with it: "ppp" is nft's "ppp*". 1 to 14 bytes.
	Prefix string `json:"prefix,omitempty"`
}

// Hardware says whether network drivers are asked to carry a flowtable's flows.
type Hardware string

// The hardware modes.
const (
	// HardwareOff keeps the flows in software.
	HardwareOff Hardware = ""
	// HardwareOn sets nft's `flags offload` (Linux 5.5). Every device's driver must accept, or the kernel refuses the flowtable.
	HardwareOn Hardware = "on"
)
