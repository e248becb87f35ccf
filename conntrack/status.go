package conntrack

import (
	"strconv"
	"strings"
)

// A Status is the set of IPS_ bits that the kernel keeps of a connection (include/uapi/linux/netfilter/nf_conntrack_common.h).
// It is a plain value.
type Status uint32

// The bits of a Status, named as the kernel does.
const (
	Expected     Status = 1 << 0  // a helper expected this connection
	SeenReply    Status = 1 << 1  // packets went both ways
	Assured      Status = 1 << 2  // never evicted early
	Confirmed    Status = 1 << 3  // the first packet left the machine
	SrcNAT       Status = 1 << 4  // the original direction needs its source rewritten
	DstNAT       Status = 1 << 5  // the original direction needs its destination rewritten
	SeqAdjust    Status = 1 << 6  // TCP sequence numbers are rewritten; never offloaded
	SrcNATDone   Status = 1 << 7  // source NAT was looked at
	DstNATDone   Status = 1 << 8  // destination NAT was looked at
	Dying        Status = 1 << 9  // being removed
	FixedTimeout Status = 1 << 10 // packets do not refresh the timeout
	Template     Status = 1 << 11 // a template and no connection
	NATClash     Status = 1 << 12 // lost a NAT race; never offloaded
	Helper       Status = 1 << 13 // the helper was set by a rule
	Offload      Status = 1 << 14 // in a flowtable, or in tc's act_ct
	HWOffload    Status = 1 << 15 // at least one direction was given to a driver; Linux 5.7
)

var statusNames = [...]string{
	"EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED", "SRC_NAT", "DST_NAT", "SEQ_ADJUST", "SRC_NAT_DONE", "DST_NAT_DONE",
	"DYING", "FIXED_TIMEOUT", "TEMPLATE", "NAT_CLASH", "HELPER", "OFFLOAD", "HW_OFFLOAD",
}

// String lists the bits by the kernel's names, joined by commas; bits without a name follow as a hexadecimal number.
func (s Status) String() string {
	var names []string
	for i, name := range statusNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if rest := s >> len(statusNames) << len(statusNames); rest != 0 {
		names = append(names, "0x"+strconv.FormatUint(uint64(rest), 16))
	}
	return strings.Join(names, ",")
}

// MarshalText is String, so that JSON shows the names.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Path is the path that the two offload bits claim: never Unknown.
func (s Status) Path() Path {
	switch {
	case s&HWOffload != 0:
		return Hardware
	case s&Offload != 0:
		return Software
	}
	return Slow
}
