package judge

import (
	"net/netip"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A Direction is one of a connection's two.
type Direction int

// The directions, as the kernel counts them (enum ip_conntrack_dir).
const (
	Original Direction = iota
	Reply
)

// A Tuple is how packets of one direction look when they come in. Ports are 0 where the protocol has none.
type Tuple struct {
	Src, Dst netip.AddrPort
}

// A Meter is what a connection carried in one direction. Without accounting the kernel counts nothing, and rules see 0.
type Meter struct {
	Packets, Bytes uint64
}

// A Flow is what is known of a connection that a flowtable carries: it is confirmed, has no helper, and its packets have
// neither IP options nor an IPsec state. Devices are "" where they are not known. It is a plain value.
type Flow struct {
	Protocol uint8    // IP protocol number
	Tuples   [2]Tuple // by Direction; they differ by more than direction under NAT
	Carried  [2]Meter // by Direction; Counted says whether they mean anything
	Counted  bool
	Mark     uint32 // ct mark
	Status   uint32 // IPS_* bits
	Zone     uint16
	In, Out  [2]string // names of the devices that packets come in by and go out by, by Direction
}

// The bits of a Status that decide a packet's ct state.
const (
	statusExpected  = 1 << 0
	statusSeenReply = 1 << 1
)

// Bits of ct state (NF_CT_STATE_BIT).
const (
	stateEstablished = 1 << 1
	stateRelated     = 1 << 2
	stateNew         = 1 << 3
)

// state is what packets of one direction have as ct state (net/netfilter/nf_conntrack_core.c, resolve_normal_ct).
func (f *Flow) state(d Direction) uint32 {
	switch {
	case d == Reply, f.Status&statusSeenReply != 0:
		return stateEstablished
	case f.Status&statusExpected != 0:
		return stateRelated
	}
	return stateNew
}

// family is NFPROTO_*.
func (f *Flow) family() byte {
	if f.Tuples[Original].Src.Addr().Is4() {
		return nlmsg.FamilyIPv4
	}
	return nlmsg.FamilyIPv6
}

// Priorities of the hooks that translate addresses (include/uapi/linux/netfilter_ipv4.h).
const (
	natDestination = -100 // at prerouting
	natSource      = 100  // at postrouting
)

// seen is the source and destination that packets of one direction have at a hook: at first as they came in, then
// with their destination translated, at last with both. A chain at the very priority of the translation comes before it, unless
// the first nat chain of the namespace is younger (net/netfilter/core.c, nf_hook_entries_grow).
func (f *Flow) seen(d Direction, hook uint32, priority int32) Tuple {
	in, back := f.Tuples[d], f.Tuples[1-d]
	switch {
	case hook == nlmsg.HookPrerouting && priority <= natDestination:
		return in
	case hook == nlmsg.HookPostrouting && priority > natSource:
		return Tuple{back.Dst, back.Src}
	}
	return Tuple{in.Src, back.Src}
}
