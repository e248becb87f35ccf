package conntrack

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"
)

// An Entry is a snapshot of one connection as the kernel's table held it. It is a plain, comparable value that shares no memory
// with any buffer.
type Entry struct {
	Orig, Reply    Tuple         // as the first packet came, and as an answer comes in; they differ by more than direction under NAT
	Sent, Received Counters      // the original direction and the reply direction
	Start, Stop    time.Time     // zero unless net.netfilter.nf_conntrack_timestamp=1 when it began; Stop in the last notification
	Event          time.Time     // in a notification, when what it tells of happened; see Change.At. Zero in readings, where Start is, and before Linux 6.14
	Timeout        time.Duration // what is left before an idle connection is dropped; whole seconds; see HasTimeout
	Helper         string        // the connection tracking helper, "ftp"; "" is none. A connection with a helper is never offloaded
	ID             uint32        // names the incarnation, though not alone: see Key
	Status         Status
	Mark           uint32 // ct mark
	Use            uint32 // references that the kernel holds, a Lookup's own not among them; 0 where it did not say
	Zone           uint16 // conntrack zone, 0 is the default one; in one direction only if that one's Tuple.Zone says so
	State          State  // of TCP, SCTP, DCCP; zero where the kernel gives none: other protocols, offloaded entries
	HasTimeout     bool   // false for offloaded entries in dumps: the kernel gives none
	Untagged       bool   // it bears neither offload bit, and yet may be in a flowtable; only where Config.LosesTags: its Path is Unknown
	Labels         Labels // ct label
	Flowtable      string // what Config.Announced says of an offloaded connection; "" is unknown, or none
}

// A Key names a connection, by what the kernel looks it up by. The kernel's id is a hash that another connection may share, and a connection that
// is deleted and made again from the same memory with the same tuple can have the same id, hence tuple and zone; the last case shows only in the
// counters. It is a plain, comparable value.
type Key struct {
	ID   uint32
	Zone uint16 // of the original direction, so 0 where the connection's zone holds for the reply direction only
	Orig Tuple
}

// Key names e's connection.
func (e *Entry) Key() Key {
	k := Key{ID: e.ID, Zone: e.Zone, Orig: e.Orig}
	if e.Reply.Zone != 0 && e.Orig.Zone == 0 {
		k.Zone = 0
	}
	return k
}

// String is the original direction, the zone and the id in the words of `conntrack -L -o id`. A zone that holds for the reply direction only is
// not part of a key, and an id of 0 is none.
func (k Key) String() string {
	b := k.Orig.appendFields(nil)
	if k.Orig.Zone != 0 {
		b = appendZone(b, " zone-orig=", k.Orig.Zone)
	} else {
		b = appendZone(b, " zone=", k.Zone)
	}
	if k.ID != 0 {
		b = appendField(b, " id=", uint64(k.ID))
	}
	return string(b)
}

// Path is the path that e's offload bits claim; Unknown where they are gone, and a flow may be there. See [Path].
func (e *Entry) Path() Path { return pathOf(e.Status, e.Untagged) }

func pathOf(s Status, untagged bool) Path {
	if p := s.Path(); p != Slow || !untagged {
		return p
	}
	return Unknown
}

// SNAT is the source that the other end sees, and whether it differs from the connection's own: source NAT or masquerade.
func (e *Entry) SNAT() (netip.AddrPort, bool) { return e.Reply.Dst, e.Reply.Dst != e.Orig.Src }

// DNAT is the destination that packets are really sent to, and whether it differs from the one they asked for.
func (e *Entry) DNAT() (netip.AddrPort, bool) { return e.Reply.Src, e.Reply.Src != e.Orig.Dst }

// String is the line that `conntrack -L -o id` prints for e. A zone is zone=, or zone-orig= and zone-reply= where it holds for that direction only.
func (e Entry) String() string {
	b := fmt.Appendf(nil, "%-8s %d ", cmp.Or(ProtocolName(e.Orig.Proto), "unknown"), e.Orig.Proto)
	if e.HasTimeout {
		b = fmt.Appendf(b, "%d ", int64(e.Timeout/time.Second))
	}
	if e.State != 0 {
		b = append(append(b, e.State.String()...), ' ')
	}
	b = e.Sent.appendText(appendZone(e.Orig.appendFields(b), " zone-orig=", e.Orig.Zone))
	if e.Status&SeenReply == 0 {
		b = append(b, " [UNREPLIED]"...)
	}
	b = append(b, ' ')
	b = e.Received.appendText(appendZone(e.Reply.appendFields(b), " zone-reply=", e.Reply.Zone))
	switch {
	case e.Path() == Hardware:
		b = append(b, " [HW_OFFLOAD]"...)
	case e.Path() == Software:
		b = append(b, " [OFFLOAD]"...)
	case e.Status&Assured != 0:
		b = append(b, " [ASSURED]"...)
	}
	b = appendField(b, " mark=", uint64(e.Mark))
	if e.Orig.Zone == 0 && e.Reply.Zone == 0 {
		b = appendZone(b, " zone=", e.Zone)
	}
	if e.Helper != "" {
		b = append(append(b, " helper="...), e.Helper...)
	}
	if e.Use != 0 {
		b = appendField(b, " use=", uint64(e.Use))
	}
	return string(appendField(b, " id=", uint64(e.ID)))
}

func (c Counters) appendText(b []byte) []byte {
	if !c.OK {
		return b
	}
	return appendField(appendField(b, " packets=", c.Packets), " bytes=", c.Bytes)
}
