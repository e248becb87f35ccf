package conntrack

import (
	"encoding/binary"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A program holds each address and zone that it compares with: more of them than this are left out of it.
const (
	maxFilterPrefixes = 64
	maxFilterZones    = 64
)

// Offsets in a notification: the netlink header, nfgenmsg, attributes.
const (
	offsetType   = 4
	offsetFlags  = 6
	offsetFamily = 16
	offsetAttrs  = 20
)

// What the program keeps in its memory.
const (
	slotOrig    = 0 // offset of the tuple of the original direction
	slotReply   = 1
	slotStatus  = 2
	slotAddress = 4 // and three more words
)

// An eventFilter writes the program that keeps out of a socket what no connection of a Match is concerned by. A notification is dropped
// if something excludes the connection that never changes while it lives, or, in that of its beginning alone, its status or its mark.
// What the program does not understand passes: whoever reads looks again.
type eventFilter struct {
	assembly
	order      nlmsg.Order
	match      *Match
	pass, drop label
}

// eventProgram writes the program of a match for kernels of this byte order; it is empty where everything passes.
func eventProgram(o nlmsg.Order, m *Match) []bpfOp {
	if !m.narrowsBeginnings() && !m.narrowsFlows() {
		return nil
	}
	f := &eventFilter{order: o, match: m}
	f.pass, f.drop = f.label(), f.label()
	flow := f.label()
	f.do(bpfHalf, offsetType)
	f.jumpIf(bpfEqual, f.seen(nlmsg.SubsysCTNetlink<<8|nlmsg.CTDelete), flow)
	f.jumpUnless(bpfEqual, f.seen(nlmsg.SubsysCTNetlink<<8|nlmsg.CTNew), f.pass)
	if m.narrowsBeginnings() {
		f.do(bpfHalf, offsetFlags)
		f.jumpUnless(bpfAnyBit, f.seen(nlmsg.FlagCreate), flow)
		f.beginning()
	}
	f.place(flow)
	f.flow()
	f.place(f.pass)
	f.do(bpfReturn, 1<<32-1) // the whole message
	f.place(f.drop)
	f.do(bpfReturn, 0)
	return f.program()
}

// withoutPrefixes is m where the program with them would be too large.
func (m Match) withoutPrefixes() Match {
	if families := m.families(); len(families) == 1 {
		m.Family = families[0]
	}
	m.Prefixes = nil
	return m
}

// narrowsBeginnings tells whether m looks at what changes while a connection lives.
func (m *Match) narrowsBeginnings() bool {
	mask, _ := m.status()
	return mask != 0 || m.markMask() != 0 || m.narrowsPaths()
}

func (m *Match) narrowsPaths() bool { return len(m.Paths) > 0 && !m.allPaths() }

// narrowsFlows tells whether m looks at what never changes.
func (m *Match) narrowsFlows() bool { return len(m.families()) > 0 || m.narrowsTuples() }

func (m *Match) narrowsTuples() bool {
	return m.Proto != 0 || m.Tuple != Tuple{} || m.fewPrefixes() || m.fewZones()
}

func (m *Match) fewPrefixes() bool {
	return len(m.Prefixes) > 0 && len(m.Prefixes) <= maxFilterPrefixes
}

func (m *Match) fewZones() bool { return len(m.Zones) > 0 && len(m.Zones) <= maxFilterZones }

// seen is how a number in the kernel's byte order looks to a program.
func (f *eventFilter) seen(v uint16) uint32 {
	return uint32(binary.BigEndian.Uint16(f.order.AppendUint16(nil, v)))
}

// beginning drops those that do not match now: should that change, an update tells of it.
func (f *eventFilter) beginning() {
	if mask, _ := f.match.status(); mask != 0 || f.match.narrowsPaths() {
		f.status()
	}
	mask := f.match.markMask()
	if mask == 0 {
		return
	}
	absent, compare := f.label(), f.label()
	f.attribute(nlmsg.CTAMark, absent)
	f.value(4)
	f.jump(compare)
	f.place(absent)
	f.do(bpfLoad, 0)
	f.place(compare)
	f.do(bpfAnd, mask)
	f.jumpUnless(bpfEqual, f.match.Mark&mask, f.drop)
}

func (f *eventFilter) status() {
	done := f.label()
	f.attribute(nlmsg.CTAStatus, done)
	f.value(4)
	f.do(bpfStore, slotStatus)
	if mask, value := f.match.status(); mask != 0 {
		f.do(bpfAnd, uint32(mask))
		f.jumpUnless(bpfEqual, uint32(value), f.drop)
	}
	if f.match.narrowsPaths() {
		to := func(p Path) label {
			if slices.Contains(f.match.Paths, p) {
				return done
			}
			return f.drop
		}
		f.do(bpfRecall, slotStatus)
		f.jumpIf(bpfAnyBit, uint32(HWOffload), to(Hardware))
		f.jumpIf(bpfAnyBit, uint32(Offload), to(Software))
		if slices.Contains(f.match.Paths, Unknown) {
			f.jump(done) // it has the bits of slow
		} else {
			f.jump(to(Slow))
		}
	}
	f.place(done)
}

// flow drops what belongs to a connection that never matches.
func (f *eventFilter) flow() {
	for _, family := range f.match.families() {
		f.do(bpfByte, offsetFamily)
		f.jumpUnless(bpfEqual, uint32(family), f.drop)
	}
	if !f.match.narrowsTuples() {
		return
	}
	f.attribute(nlmsg.CTATupleOrig, f.pass)
	f.do(bpfStore, slotOrig)
	f.attribute(nlmsg.CTATupleReply, f.pass)
	f.do(bpfStore, slotReply)
	if f.match.fewZones() {
		f.zones()
	}
	if f.match.Proto != 0 {
		f.field(slotOrig, f.pass, 1, nlmsg.CTATupleProto, nlmsg.CTAProtoNum)
		f.jumpUnless(bpfEqual, uint32(f.match.Proto), f.drop)
	}
	if (f.match.Tuple != Tuple{}) {
		f.tuple()
	}
	if f.match.fewPrefixes() {
		f.prefixes()
	}
}

// attribute looks for one of the message's attributes and leaves its offset in A and X; where there is none, it jumps.
func (f *eventFilter) attribute(typ uint16, missing label) {
	f.do(bpfLoad, offsetAttrs)
	f.find(bpfAttr, typ, missing)
}

// inside does the same in the nest at offset A.
func (f *eventFilter) inside(typ uint16, missing label) { f.find(bpfNested, typ, missing) }

func (f *eventFilter) find(where uint32, typ uint16, missing label) {
	f.do(bpfLoadX, uint32(typ))
	f.do(bpfWord, where)
	f.jumpIf(bpfEqual, 0, missing)
	f.do(bpfAtoX, 0)
}

// sized lets a message pass whose attribute at X is not of this size: nothing may be loaded past its end.
func (f *eventFilter) sized(size int) {
	f.do(bpfHalf+bpfIndexed, 0)
	f.jumpUnless(bpfEqual, f.seen(uint16(attrHeader+size)), f.pass)
}

// attrHeader is the size of struct nlattr.
const attrHeader = 4

// value loads the attribute at X.
func (f *eventFilter) value(size int) {
	f.sized(size)
	code := uint16(bpfWord)
	switch size {
	case 1:
		code = bpfByte
	case 2:
		code = bpfHalf
	}
	f.do(code+bpfIndexed, attrHeader)
}
