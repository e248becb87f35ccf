package conntrack

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Decode reads one ctnetlink message as a kernel sends it: what follows the netlink header, nfgenmsg first. The byte order is that of the
// kernel; nil is this machine's. Attributes that are not known are skipped; one that contradicts itself or lacks what its
// type needs is an error, and so is a connection without an address.
func Decode(order binary.ByteOrder, data []byte) (Entry, error) {
	d := decoder{order: nlmsg.OrderOf(order)}
	var e Entry
	err := d.entry(&e, data)
	return e, err
}

// A decoder reads entries without allocating: its memory of helper names is what it keeps.
type decoder struct {
	order   nlmsg.Order
	helpers map[string]string
}

// entry fills e, which must be zero.
func (d *decoder) entry(e *Entry, data []byte) error {
	_, _, b, err := nlmsg.Netfilter(data)
	if err != nil {
		return fmt.Errorf("conntrack entry: %w", err)
	}
	for len(b) > 0 {
		typ, data, rest, ok := nlmsg.CutAttr(d.order, b)
		switch {
		case !ok:
			_, _, err = nlmsg.NextAttr(d.order, b)
		case len(data) != 4 || !e.number(typ, binary.BigEndian.Uint32(data)):
			err = d.attr(e, nlmsg.Attr{Type: typ, Data: data})
		}
		if err != nil {
			return fmt.Errorf("conntrack entry: %w", err)
		}
		b = rest
	}
	if !e.Orig.Src.IsValid() || !e.Reply.Src.IsValid() {
		return fmt.Errorf("conntrack entry: %w: no tuple", nlmsg.ErrMalformed)
	}
	e.Zone = cmp.Or(e.Zone, e.Orig.Zone, e.Reply.Zone) // the kernel gives one of the three
	return nil
}

// number stores what is a number of 32 bits, and reports whether it is: half of all attributes are.
func (e *Entry) number(typ uint16, v uint32) bool {
	switch typ {
	case nlmsg.CTAStatus:
		e.Status = Status(v)
	case nlmsg.CTATimeout:
		e.Timeout, e.HasTimeout = time.Duration(v)*time.Second, true
	case nlmsg.CTAMark:
		e.Mark = v
	case nlmsg.CTAUse:
		e.Use = v
	case nlmsg.CTAID:
		e.ID = v
	default:
		return false
	}
	return true
}

func (d *decoder) attr(e *Entry, a nlmsg.Attr) (err error) {
	switch a.Type {
	case nlmsg.CTATupleOrig:
		return d.tuple(&e.Orig, a.Data)
	case nlmsg.CTATupleReply:
		return d.tuple(&e.Reply, a.Data)
	case nlmsg.CTACountersOrig:
		return d.counters(&e.Sent, a.Data)
	case nlmsg.CTACountersReply:
		return d.counters(&e.Received, a.Data)
	case nlmsg.CTAStatus, nlmsg.CTATimeout, nlmsg.CTAMark, nlmsg.CTAUse, nlmsg.CTAID:
		_, err = a.Uint32BE() // see number: it has another size
	case nlmsg.CTAZone:
		e.Zone, err = a.Uint16BE()
	case nlmsg.CTAProtoInfo:
		return d.protoInfo(e, a.Data)
	case nlmsg.CTATimestamp:
		return d.timestamp(e, a.Data)
	case nlmsg.CTATimestampEvent:
		e.Event, err = nanoseconds(a)
	case nlmsg.CTAHelp:
		return d.help(e, a.Data)
	case nlmsg.CTALabels:
		return d.labels(&e.Labels, a.Data)
	}
	return err
}

func (d *decoder) counters(c *Counters, b []byte) error {
	if d.usualCounters(c, b) {
		return nil
	}
	return d.anyCounters(c, b)
}

// anyCounters reads one nest. Half of the numbers is none, and neither is the rest of an earlier nest.
func (d *decoder) anyCounters(c *Counters, b []byte) error {
	var now Counters
	var packets, bytes bool
	for len(b) > 0 {
		a, rest, err := nlmsg.NextAttr(d.order, b)
		if err != nil {
			return err
		}
		b = rest
		switch a.Type {
		case nlmsg.CTACountersPackets:
			now.Packets, err = a.Uint64BE()
			packets = true
		case nlmsg.CTACountersBytes:
			now.Bytes, err = a.Uint64BE()
			bytes = true
		}
		if err != nil {
			return err
		}
	}
	if now.OK = packets && bytes; !now.OK {
		now = Counters{}
	}
	*c = now
	return nil
}

// protoInfo reads the state out of the nest of whichever protocol has one.
func (d *decoder) protoInfo(e *Entry, b []byte) error {
	for len(b) > 0 {
		typ, data, rest, ok := nlmsg.CutAttr(d.order, b)
		if !ok {
			_, _, err := nlmsg.NextAttr(d.order, b)
			return err
		}
		b = rest
		proto := uint8(0)
		switch typ {
		case nlmsg.CTAProtoInfoTCP:
			proto = TCP
		case nlmsg.CTAProtoInfoDCCP:
			proto = DCCP
		case nlmsg.CTAProtoInfoSCTP:
			proto = SCTP
		default:
			continue
		}
		state, err := d.find(data, nlmsg.CTAProtoInfoState)
		if err != nil {
			return err
		}
		if state.Data == nil {
			continue
		}
		v, err := state.Uint8()
		if err != nil {
			return err
		}
		if v != 0 {
			e.State = StateOf(proto, v)
		}
	}
	return nil
}

// labels are one number in the kernel's order to nft, which sets them.
func (d *decoder) labels(l *Labels, b []byte) error {
	if len(b) > len(l) || len(b)%4 != 0 {
		return fmt.Errorf("%w: labels of %d bytes", nlmsg.ErrMalformed, len(b))
	}
	copy(l[:], b)
	if d.order == nlmsg.BigEndian {
		slices.Reverse(l[:len(b)])
	}
	return nil
}

func (d *decoder) timestamp(e *Entry, b []byte) error {
	for len(b) > 0 {
		a, rest, err := nlmsg.NextAttr(d.order, b)
		if err != nil {
			return err
		}
		b = rest
		switch a.Type {
		case nlmsg.CTATimestampStart:
			e.Start, err = nanoseconds(a)
		case nlmsg.CTATimestampStop:
			e.Stop, err = nanoseconds(a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func nanoseconds(a nlmsg.Attr) (time.Time, error) {
	v, err := a.Uint64BE()
	if err != nil || v == 0 {
		return time.Time{}, err
	}
	if v > math.MaxInt64 {
		return time.Time{}, fmt.Errorf("%w: a timestamp of %d nanoseconds", nlmsg.ErrMalformed, v)
	}
	return time.Unix(0, int64(v)).UTC(), nil
}

func (d *decoder) help(e *Entry, b []byte) error {
	name, err := d.find(b, nlmsg.CTAHelpName)
	if err == nil && name.Data != nil {
		e.Helper = d.helper(name.Data)
	}
	return err
}

// Kernels have a dozen helpers, and users may add some of their own.
const maxHelpers = 64

// helper turns a name into a string that is made once.
func (d *decoder) helper(b []byte) string {
	for i, c := range b {
		if c == 0 {
			b = b[:i]
			break
		}
	}
	if name, ok := d.helpers[string(b)]; ok {
		return name
	}
	name := string(b)
	if d.helpers == nil {
		d.helpers = make(map[string]string)
	}
	if len(d.helpers) < maxHelpers {
		d.helpers[name] = name
	}
	return name
}

// find returns the first attribute of a type, and one with nil Data where there is none.
func (d *decoder) find(b []byte, want uint16) (nlmsg.Attr, error) {
	for len(b) > 0 {
		typ, data, rest, ok := nlmsg.CutAttr(d.order, b)
		if !ok {
			_, _, err := nlmsg.NextAttr(d.order, b)
			return nlmsg.Attr{}, err
		}
		if typ == want {
			return nlmsg.Attr{Type: typ, Data: data}, nil
		}
		b = rest
	}
	return nlmsg.Attr{}, nil
}
