package conntrack

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// A packedTuple is a Tuple in fewer bytes: both addresses in 16 each, ports or what ICMP has in their place, protocol, family and zone. Equal
// tuples have equal bytes.
type packedTuple [40]byte

func packTuple(t *Tuple) (p packedTuple) {
	src, dst := t.Src.Addr().As16(), t.Dst.Addr().As16()
	copy(p[:], src[:])
	copy(p[16:], dst[:])
	if isICMP(t.Proto) {
		binary.LittleEndian.PutUint16(p[32:], t.ICMPID)
		p[34], p[35] = t.ICMPType, t.ICMPCode
	} else {
		binary.LittleEndian.PutUint16(p[32:], t.Src.Port())
		binary.LittleEndian.PutUint16(p[34:], t.Dst.Port())
	}
	p[36] = t.Proto
	if t.Src.Addr().Is4() {
		p[37] = 4
	}
	binary.LittleEndian.PutUint16(p[38:], t.Zone)
	return p
}

func (p *packedTuple) tuple() Tuple {
	src, dst := netip.AddrFrom16([16]byte(p[:])), netip.AddrFrom16([16]byte(p[16:]))
	if p[37] == 4 {
		src, dst = src.Unmap(), dst.Unmap()
	}
	t := Tuple{Proto: p[36], Zone: binary.LittleEndian.Uint16(p[38:])}
	var sport, dport uint16
	if isICMP(t.Proto) {
		t.ICMPID, t.ICMPType, t.ICMPCode = binary.LittleEndian.Uint16(p[32:]), p[34], p[35]
	} else {
		sport, dport = binary.LittleEndian.Uint16(p[32:]), binary.LittleEndian.Uint16(p[34:])
	}
	t.Src, t.Dst = netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport)
	return t
}

func isICMP(proto uint8) bool { return proto == ICMP || proto == ICMPv6 }

// A packedKey is a Key in bytes.
type packedKey [46]byte

func packKey(k *Key) (p packedKey) {
	t := packTuple(&k.Orig)
	copy(p[:], t[:])
	binary.LittleEndian.PutUint32(p[40:], k.ID)
	binary.LittleEndian.PutUint16(p[44:], k.Zone)
	return p
}

func (p *packedKey) key() Key {
	t := packedTuple(p[:40])
	return Key{ID: binary.LittleEndian.Uint32(p[40:]), Zone: binary.LittleEndian.Uint16(p[44:]), Orig: t.tuple()}
}

// A flow is what was last reported of one connection. It holds no pointer, so that the garbage collector passes over a million of them.
type flow struct {
	key            packedKey
	state          State
	reply          packedTuple
	sent, received [2]uint64 // packets, bytes
	start          int64     // in nanoseconds since 1970; 0 is unknown
	labels         Labels
	status         Status
	mark           uint32
	use            uint32
	timeout        uint32 // in seconds
	round          uint32 // of the last reading of the table that had it
	next           uint32 // the next of its bucket, or of those that are free
	helper         uint16 // see flows.helpers
	flags          flowFlags
}

type flowFlags uint8

const (
	flowUsed       flowFlags = 1 << iota
	flowSentOK               // the counters are known
	flowReceivedOK           //
	flowHasTimeout           //
	flowAbsent               // the last reading did not have it and a lookup found nothing
	flowParked               // the kernel's filter leaves it out, so readings look it up only now and then
	flowDoubted              // its counters went backwards in the last reading: see follower.doubts
)

func (fl *flow) is(flag flowFlags) bool { return fl.flags&flag != 0 }

func (fl *flow) set(flag flowFlags, on bool) {
	if on {
		fl.flags |= flag
	} else {
		fl.flags &^= flag
	}
}

func (fl *flow) path() Path { return fl.status.Path() }

// counters are those of both directions.
func (fl *flow) counters() (sent, received Counters) {
	return Counters{fl.sent[0], fl.sent[1], fl.is(flowSentOK)}, Counters{fl.received[0], fl.received[1], fl.is(flowReceivedOK)}
}

// store keeps what can change in the life of a connection; helper is what flows.helperNumber says of e's.
func (fl *flow) store(e *Entry, helper uint16) {
	fl.sent, fl.received = [2]uint64{e.Sent.Packets, e.Sent.Bytes}, [2]uint64{e.Received.Packets, e.Received.Bytes}
	fl.set(flowSentOK, e.Sent.OK)
	fl.set(flowReceivedOK, e.Received.OK)
	fl.set(flowHasTimeout, e.HasTimeout)
	fl.start = 0
	if !e.Start.IsZero() {
		fl.start = e.Start.UnixNano()
	}
	fl.state, fl.labels, fl.status, fl.mark, fl.use, fl.helper = e.State, e.Labels, e.Status, e.Mark, e.Use, helper
	fl.timeout = uint32(e.Timeout / time.Second)
}
