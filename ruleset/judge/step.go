package judge

import (
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// An action is what a step does.
type action int

const (
	doNothing action = iota // counter, log, last: no effect on the verdict
	loadMeta
	setMeta
	loadCT
	setCT
	loadPayload
	loadUnknown // into dreg, whatever it is
	bitwise
	byteorder
	compare
	inRange
	lookup
	immediate
	verdict
	flowAdd
	mayEnd // a test that cannot be made here
	refuse // reject
)

// A step is one expression of a rule, read.
type step struct {
	do         action
	name       string // of the expression, for one that is not interpreted
	sreg, dreg uint32
	key        uint32 // NFT_META_*, NFT_CT_*, NFT_CMP_*, base of the payload, verdict
	direction  int    // of a ct load, -1 is none
	offset     uint32
	length     uint32
	a, b       []byte // mask and xor, from and to, data
	target     string // set, chain or flowtable
	negate     bool
	simple     bool // a bitwise by mask and xor
	varies     bool // what is loaded or tested may differ from packet to packet of one connection
}

// readSteps reads the content of NFTA_RULE_EXPRESSIONS.
func readSteps(o nlmsg.Order, b []byte) ([]step, error) {
	var steps []step
	err := nlmsg.EachAttr(o, b, func(elem nlmsg.Attr) error {
		name, data, err := nlmsg.Expression(o, elem.Data)
		if err != nil {
			return err
		}
		s := step{name: name, direction: -1}
		if err := s.read(o, data); err != nil {
			return err
		}
		steps = append(steps, s)
		return nil
	})
	return steps, err
}

// read takes one expression's attributes.
func (s *step) read(o nlmsg.Order, data []byte) error {
	switch s.name {
	case "counter", "log", "last", "notrack", "dup":
		return nil
	case "meta":
		return s.numbers(o, data, loadMeta, setMeta, nlmsg.NFTAMetaDreg, nlmsg.NFTAMetaKey, nlmsg.NFTAMetaSreg)
	case "ct":
		return s.numbers(o, data, loadCT, setCT, nlmsg.NFTACTDreg, nlmsg.NFTACTKey, nlmsg.NFTACTSreg)
	case "payload":
		return s.readPayload(o, data)
	case "bitwise":
		return s.readBitwise(o, data)
	case "byteorder":
		return s.readByteorder(o, data)
	case "cmp":
		return s.readCompare(o, data)
	case "range":
		return s.readRange(o, data)
	case "lookup":
		return s.readLookup(o, data)
	case "immediate":
		return s.readImmediate(o, data)
	case "flow_offload":
		s.do = flowAdd
		return nlmsg.EachAttr(o, data, func(a nlmsg.Attr) error {
			if a.Type == nlmsg.NFTAFlowTableName {
				s.target = a.String()
			}
			return nil
		})
	case "reject":
		s.do = refuse
		return nil
	case "queue": // the program behind it decides
		s.do, s.key = verdict, nlmsg.VerdictAccept
		return nil
	}
	return s.readOther(o, data)
}

// readOther takes an expression that is not interpreted: a load of something, or what may end the rule.
func (s *step) readOther(o nlmsg.Order, data []byte) error {
	s.do, s.varies = mayEnd, true
	attr := otherLoad(s.name)
	var err error
	if s.a, err = canonical(o, data, attr); err != nil {
		return err
	}
	if attr == 0 {
		return nil
	}
	s.varies = s.name == "numgen" || s.name == "exthdr"
	return nlmsg.EachAttr(o, data, func(a nlmsg.Attr) (err error) {
		if a.Type == attr {
			s.do = loadUnknown
			s.dreg, err = a.Uint32BE()
		}
		return err
	})
}

// otherLoad is the attribute that names the register which an expression fills (include/uapi/linux/netfilter/nf_tables.h), 0 for
// one that fills none.
func otherLoad(name string) uint16 {
	switch name {
	case "rt", "fib", "numgen", "exthdr", "osf", "xfrm":
		return 1
	case "hash", "socket", "tunnel":
		return 2
	}
	return 0
}

// numbers takes a load or a set of meta and ct.
func (s *step) numbers(o nlmsg.Order, data []byte, load, set action, dreg, key, sreg uint16) error {
	s.do = load
	err := nlmsg.EachAttr(o, data, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case dreg:
			s.dreg, err = a.Uint32BE()
		case key:
			s.key, err = a.Uint32BE()
		case sreg:
			s.do = set
			s.sreg, err = a.Uint32BE()
		case nlmsg.NFTACTDirection: // meta has no such attribute
			var d uint8
			d, err = a.Uint8()
			s.direction = int(d)
		}
		return err
	})
	s.varies = load == loadMeta && metaVaries(s.key)
	return err
}

func (s *step) readPayload(o nlmsg.Order, data []byte) error {
	s.do = loadPayload
	return nlmsg.EachAttr(o, data, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTAPayloadDreg:
			s.dreg, err = a.Uint32BE()
		case nlmsg.NFTAPayloadBase:
			s.key, err = a.Uint32BE()
		case nlmsg.NFTAPayloadOffset:
			s.offset, err = a.Uint32BE()
		case nlmsg.NFTAPayloadLen:
			s.length, err = a.Uint32BE()
		case nlmsg.NFTAPayloadSreg: // it rewrites the packet: nothing that is known here is changed by nft's own rules
			s.do = doNothing
		}
		s.varies = s.key >= transportHeader // TCP flags, the content; addresses and DSCP do not
		return err
	})
}

func (s *step) readBitwise(o nlmsg.Order, data []byte) error {
	s.do, s.simple = bitwise, true
	return nlmsg.EachAttr(o, data, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTABitwiseSreg:
			s.sreg, err = a.Uint32BE()
		case nlmsg.NFTABitwiseDreg:
			s.dreg, err = a.Uint32BE()
		case nlmsg.NFTABitwiseLen:
			s.length, err = a.Uint32BE()
		case nlmsg.NFTABitwiseMask:
			s.a = value(o, a.Data)
		case nlmsg.NFTABitwiseXor:
			s.b = value(o, a.Data)
		case nlmsg.NFTABitwiseOp:
			var op uint32
			op, err = a.Uint32BE()
			s.simple = s.simple && op == 0
		default: // a second register, a shift
			s.simple = false
			s.target += string(a.Data)
		}
		return err
	})
}

func (s *step) readByteorder(o nlmsg.Order, data []byte) error {
	s.do = byteorder
	return nlmsg.EachAttr(o, data, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTAByteorderSreg:
			s.sreg, err = a.Uint32BE()
		case nlmsg.NFTAByteorderDreg:
			s.dreg, err = a.Uint32BE()
		case nlmsg.NFTAByteorderLen:
			s.length, err = a.Uint32BE()
		case nlmsg.NFTAByteorderSize:
			s.offset, err = a.Uint32BE()
		}
		return err
	})
}

func (s *step) readCompare(o nlmsg.Order, data []byte) error {
	s.do = compare
	return nlmsg.EachAttr(o, data, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTACmpSreg:
			s.sreg, err = a.Uint32BE()
		case nlmsg.NFTACmpOp:
			s.key, err = a.Uint32BE()
		case nlmsg.NFTACmpData:
			s.a = value(o, a.Data)
		}
		return err
	})
}

func (s *step) readRange(o nlmsg.Order, data []byte) error {
	s.do = inRange
	return nlmsg.EachAttr(o, data, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTARangeSreg:
			s.sreg, err = a.Uint32BE()
		case nlmsg.NFTARangeOp:
			var op uint32
			op, err = a.Uint32BE()
			s.negate = op == nlmsg.RangeNeq
		case nlmsg.NFTARangeFrom:
			s.a = value(o, a.Data)
		case nlmsg.NFTARangeTo:
			s.b = value(o, a.Data)
		}
		return err
	})
}

// noRegister marks a lookup that only tests.
const noRegister = ^uint32(0)

func (s *step) readLookup(o nlmsg.Order, data []byte) error {
	s.do, s.dreg = lookup, noRegister
	var id uint32
	err := nlmsg.EachAttr(o, data, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTALookupSet:
			s.target = a.String()
		case nlmsg.NFTALookupSetID:
			id, err = a.Uint32BE()
		case nlmsg.NFTALookupSreg:
			s.sreg, err = a.Uint32BE()
		case nlmsg.NFTALookupDreg:
			s.dreg, err = a.Uint32BE()
		case nlmsg.NFTALookupFlags:
			var flags uint32
			flags, err = a.Uint32BE()
			s.negate = flags&nlmsg.LookupInverted != 0
		}
		return err
	})
	s.target = setName(s.target, id)
	return err
}

func (s *step) readImmediate(o nlmsg.Order, data []byte) error {
	s.do = immediate
	return nlmsg.EachAttr(o, data, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTAImmediateDreg:
			s.dreg, err = a.Uint32BE()
		case nlmsg.NFTAImmediateData:
			s.a = value(o, a.Data)
			if code, chain, ok := verdictOf(o, a.Data); ok {
				s.do, s.key, s.target = verdict, code, chain
			}
		}
		return err
	})
}
