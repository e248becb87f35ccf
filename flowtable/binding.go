package flowtable

// A Binding is the answer for one device, or one wildcard, of one flowtable, with its reason. It is a plain value, safe for
// concurrent reading.
type Binding struct {
	Flowtable string `json:"flowtable"`
	// Device is a name as nft prints it; a wildcard ends in "*".
	Device string `json:"device"`
	State  State  `json:"state"`
	// Hardware reports that the device is listed in a flowtable whose flows drivers are asked to carry.
	Hardware bool `json:"hardware,omitempty"`
	// Why says in one sentence how the device came to this state.
	Why string `json:"why,omitempty"`
	// Trace is how the device was found, a selector a line: "wan-ppp -> eth1.7 -> eth1: PPPoE session over VLAN 7".
	Trace []string `json:"trace,omitempty"`
}

// State of a Binding.
type State string

// The states. Bound and Pending devices are listed in the flowtable, the others are left out.
const (
	Bound       State = "bound"       // listed; the device is there, or nothing is known of the machine
	Pending     State = "pending"     // listed; the kernel binds it when it appears (Linux 6.16)
	Missing     State = "missing"     // left out: what is picked is not there, or cannot be listed before it is; plan again when it comes
	Unsupported State = "unsupported" // left out: kernels cannot do it, another flowtable of the table has it, or nft cannot spell the name
	Refused     State = "refused"     // left out by offload.Manager.Run: the kernel, or the driver, refused it
)

// Listed reports whether the device belongs into the flowtable that is sent to the kernel.
func (s State) Listed() bool { return s == Bound || s == Pending }
