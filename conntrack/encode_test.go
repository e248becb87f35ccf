package conntrack

import (
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// encode is the inverse of Decode for what an Entry keeps.
func encode(o nlmsg.Order, e *Entry) []byte {
	b := nlmsg.NewBuilder(o, nil)
	b.BeginNetfilter(nlmsg.SubsysCTNetlink<<8, 0, 0, byte(familyOf(e.Orig.Src.Addr())), 0)
	encodeTuple(b, nlmsg.CTATupleOrig, &e.Orig)
	encodeTuple(b, nlmsg.CTATupleReply, &e.Reply)
	b.Uint32BE(nlmsg.CTAStatus, uint32(e.Status))
	b.Uint32BE(nlmsg.CTAMark, e.Mark)
	b.Uint32BE(nlmsg.CTAUse, e.Use)
	b.Uint32BE(nlmsg.CTAID, e.ID)
	b.Uint16BE(nlmsg.CTAZone, e.Zone)
	if e.HasTimeout {
		b.Uint32BE(nlmsg.CTATimeout, uint32(e.Timeout/time.Second))
	}
	encodeCounters(b, nlmsg.CTACountersOrig, e.Sent)
	encodeCounters(b, nlmsg.CTACountersReply, e.Received)
	info := b.Nest(nlmsg.CTAProtoInfo)
	nests := map[State]uint16{TCP: nlmsg.CTAProtoInfoTCP, SCTP: nlmsg.CTAProtoInfoSCTP, DCCP: nlmsg.CTAProtoInfoDCCP}
	if typ, ok := nests[e.State>>8]; ok {
		of := b.Nest(typ)
		b.Uint8(nlmsg.CTAProtoInfoState, uint8(e.State))
		b.EndNest(of)
	}
	b.EndNest(info)
	b.Data(nlmsg.CTALabels, labelBytes(o, e.Labels))
	help := b.Nest(nlmsg.CTAHelp)
	b.String(nlmsg.CTAHelpName, e.Helper)
	b.EndNest(help)
	stamp := b.Nest(nlmsg.CTATimestamp)
	encodeTime(b, nlmsg.CTATimestampStart, e.Start)
	encodeTime(b, nlmsg.CTATimestampStop, e.Stop)
	b.EndNest(stamp)
	encodeTime(b, nlmsg.CTATimestampEvent, e.Event)
	b.End()
	return b.Bytes()[16:]
}

func encodeTime(b *nlmsg.Builder, typ uint16, at time.Time) {
	if !at.IsZero() {
		b.Uint64BE(typ, uint64(at.UnixNano()))
	}
}

// encodeCounters writes both numbers, or none.
func encodeCounters(b *nlmsg.Builder, typ uint16, c Counters) {
	nest := b.Nest(typ)
	if c.OK {
		b.Uint64BE(nlmsg.CTACountersPackets, c.Packets)
		b.Uint64BE(nlmsg.CTACountersBytes, c.Bytes)
	}
	b.EndNest(nest)
}

// encodeTuple writes all of the fields, whatever the protocol.
func encodeTuple(b *nlmsg.Builder, typ uint16, t *Tuple) {
	nest := b.Nest(typ)
	appendAddrs(b, t)
	proto := b.Nest(nlmsg.CTATupleProto)
	b.Uint8(nlmsg.CTAProtoNum, t.Proto)
	b.Uint16BE(nlmsg.CTAProtoSrcPort, t.Src.Port())
	b.Uint16BE(nlmsg.CTAProtoDstPort, t.Dst.Port())
	b.Uint16BE(nlmsg.CTAProtoICMPID, t.ICMPID)
	b.Uint8(nlmsg.CTAProtoICMPType, t.ICMPType)
	b.Uint8(nlmsg.CTAProtoICMPCode, t.ICMPCode)
	b.EndNest(proto)
	b.Uint16BE(nlmsg.CTATupleZone, t.Zone)
	b.EndNest(nest)
}

// labelBytes are the kernel's bytes of labels. The same makes labels of such bytes.
func labelBytes(o nlmsg.Order, l Labels) []byte {
	if o == nlmsg.BigEndian {
		slices.Reverse(l[:])
	}
	return l[:]
}
