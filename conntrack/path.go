package conntrack

import "fmt"

// A Path says which path the kernel claims for a connection's packets. It is a plain value.
//
// It is a claim: after a device left the flowtable the bit stays while packets take the slow path, and tc's action ct sets it for a table of
// its own, without any flowtable. Where both bits
// disagree the hardware bit wins, as in conntrack(8) and /proc/net/nf_conntrack: for up to a second after a flow left its
// flowtable the driver may still hold its rule.
//
// Linux 7.3 can take the bit from a connection whose flow stays in its flowtable. Where Config.LosesTags says so, a connection
// without a bit is Slow only if nothing speaks against it: see Unknown.
type Path uint8

// The paths.
const (
	Slow     Path = iota // every packet passes the ruleset: neither offload bit
	Software             // [OFFLOAD]: a flowtable forwards at ingress, on the CPU
	Hardware             // [HW_OFFLOAD]: a driver took at least one direction
	// Unknown is neither offload bit, on a kernel that can take it from a flow which stays in its flowtable (Config.LosesTags):
	// the packets may pass the ruleset, or go past it. See Entry.Untagged.
	Unknown
)

var pathNames = [...]string{Slow: "slow", Software: "software", Hardware: "hardware", Unknown: "unknown"}

// String is "slow", "software", "hardware" or "unknown".
func (p Path) String() string {
	if int(p) < len(pathNames) {
		return pathNames[p]
	}
	return fmt.Sprintf("path(%d)", uint8(p))
}

// MarshalText is String.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText takes what String gives.
func (p *Path) UnmarshalText(text []byte) error {
	for i, name := range pathNames {
		if string(text) == name {
			*p = Path(i)
			return nil
		}
	}
	return fmt.Errorf("unknown path %q: write slow, software, hardware or unknown", text)
}
