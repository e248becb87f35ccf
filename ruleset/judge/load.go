package judge

import (
	"encoding/binary"
	"strconv"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// load does what fills registers, and sets marks.
func (x *run) load(s *step) end {
	switch s.do {
	case loadMeta:
		x.loadMeta(s)
	case loadCT:
		return x.loadCT(s)
	case loadPayload:
		x.loadPayload(s)
	case loadUnknown:
		x.registers.hide(s.dreg, 16, s.name+" "+string(s.a), s.varies)
	case immediate:
		x.registers.put(s.dreg, s.a)
	case bitwise:
		x.bitwise(s)
	case byteorder:
		x.byteorder(s)
	case setMeta:
		if s.key == metaMark {
			x.metaMark = x.copyOf(s.sreg)
		}
	case setCT:
		if s.key == ctMark {
			x.ctMark = x.copyOf(s.sreg)
		}
	}
	return goOn
}

func (x *run) copyOf(register uint32) *word {
	i, ok := at(register)
	if !ok {
		return nil
	}
	w := x.registers[i]
	return &w
}

// keep puts a word back.
func (x *run) keep(register uint32, w *word) {
	if i, ok := at(register); ok {
		x.registers[i] = *w
	}
}

func (x *run) host32(v uint32) []byte { return x.rules.order.AppendUint32(nil, v) }

func (x *run) loadMeta(s *step) {
	switch s.key {
	case metaNFProto:
		x.registers.put(s.dreg, []byte{x.flow.family()})
	case metaL4Proto:
		x.registers.put(s.dreg, []byte{x.flow.Protocol})
	case metaProtocol:
		x.registers.put(s.dreg, etherType(x.flow.family()))
	case metaSecPath:
		x.registers.put(s.dreg, []byte{0})
	case metaIIFName:
		x.device(s, x.flow.In[x.direction])
	case metaOIFName:
		if x.hook == nlmsg.HookPrerouting {
			x.registers.put(s.dreg, make([]byte, 16)) // not routed yet
			return
		}
		x.device(s, x.flow.Out[x.direction])
	case metaMark:
		if x.metaMark != nil {
			x.keep(s.dreg, x.metaMark)
			return
		}
		fallthrough
	default:
		x.registers.hide(s.dreg, metaLength(s.key), "meta "+strconv.Itoa(int(s.key)), s.varies)
	}
}

// device loads a device's name, padded to its full length.
func (x *run) device(s *step, name string) {
	if name == "" {
		x.registers.hide(s.dreg, 16, "meta "+strconv.Itoa(int(s.key)), false)
		return
	}
	b := make([]byte, 16)
	copy(b[:15], name)
	x.registers.put(s.dreg, b)
}

func (x *run) loadCT(s *step) end {
	f, d := x.flow, x.direction
	if s.direction == int(Original) || s.direction == int(Reply) {
		d = Direction(s.direction)
	}
	src, dst := f.Tuples[d].Src, f.Tuples[d].Dst
	switch s.key {
	case ctHelper:
		return breakRule // it has none (net/netfilter/nft_ct.c)
	case ctState:
		x.registers.put(s.dreg, x.host32(f.state(x.direction)))
	case ctDirection:
		x.registers.put(s.dreg, []byte{byte(x.direction)})
	case ctStatus:
		x.registers.put(s.dreg, x.host32(f.Status))
	case ctMark:
		x.registers.put(s.dreg, x.host32(f.Mark))
		if x.blind {
			x.registers.hide(s.dreg, 4, "ct mark", false)
		}
		if x.ctMark != nil {
			x.keep(s.dreg, x.ctMark)
		}
	case ctZone:
		x.registers.put(s.dreg, x.rules.order.AppendUint16(nil, f.Zone))
	case ctL3Protocol:
		x.registers.put(s.dreg, []byte{f.family()})
	case ctProtocol:
		x.registers.put(s.dreg, []byte{f.Protocol})
	case ctSrc, ctSrcIP, ctSrcIP6:
		x.registers.put(s.dreg, src.Addr().AsSlice())
	case ctDst, ctDstIP, ctDstIP6:
		x.registers.put(s.dreg, dst.Addr().AsSlice())
	case ctProtoSrc:
		x.registers.put(s.dreg, binary.BigEndian.AppendUint16(nil, src.Port()))
	case ctProtoDst:
		x.registers.put(s.dreg, binary.BigEndian.AppendUint16(nil, dst.Port()))
	case ctPackets, ctBytes:
		x.loadMeter(s)
	default:
		x.registers.hide(s.dreg, ctLength(s.key), "ct "+strconv.Itoa(int(s.key))+" "+strconv.Itoa(s.direction), s.key == ctExpiration || s.key == ctAvgPacket)
	}
	return goOn
}

// loadMeter loads what the connection carried: in one direction, or in both together.
func (x *run) loadMeter(s *step) {
	least := uint64(0)
	for d := range x.flow.Carried {
		if s.direction >= 0 && s.direction != d {
			continue
		}
		if s.key == ctPackets {
			least += x.flow.Carried[d].Packets
		} else {
			least += x.flow.Carried[d].Bytes
		}
	}
	if !x.flow.Counted { // and never will be
		x.registers.put(s.dreg, make([]byte, 8))
		return
	}
	x.registers.hide(s.dreg, 8, "ct "+strconv.Itoa(int(s.key))+" "+strconv.Itoa(s.direction), false)
	if i, ok := at(s.dreg); ok {
		x.registers[i].meter = &meter{least: least, big: x.rules.order == nlmsg.BigEndian}
	}
}

func (x *run) loadPayload(s *step) {
	var b [40]byte
	n := min(s.length, uint32(len(b)))
	if x.headers.load(b[:n], s.key, s.offset, n) {
		x.registers.put(s.dreg, b[:n])
		return
	}
	// What is known of it is known word by word.
	i, ok := at(s.dreg)
	for o := uint32(0); ok && o < n && i < len(x.registers); o, i = o+4, i+1 {
		var w word
		if k := min(4, n-o); !x.headers.load(w.b[:k], s.key, s.offset+o, k) {
			w.unknown = "payload " + strconv.Itoa(int(s.key)) + " " + strconv.Itoa(int(s.offset+o)) + " " + strconv.Itoa(int(k))
			w.varies = s.varies
		}
		x.registers[i] = w
	}
}

func (x *run) bitwise(s *step) {
	n := int(s.length)
	v, known := x.registers.get(s.sreg, n, &x.buf)
	if known && s.simple && len(s.a) == n && len(s.b) == n {
		for i := range v {
			v[i] = v[i]&s.a[i] ^ s.b[i]
		}
		x.registers.put(s.dreg, v)
		return
	}
	if s.simple && len(s.a) == n && constant(s.a) {
		x.registers.put(s.dreg, append([]byte(nil), s.b...)) // nothing of it is left
		return
	}
	name, varies := x.registers.name(s.sreg, n)
	x.registers.hide(s.dreg, n, "("+name+"& "+string(s.a)+" ^ "+string(s.b)+s.target+")", varies)
}

// constant reports whether a mask leaves nothing.
func constant(mask []byte) bool {
	for _, b := range mask {
		if b != 0 {
			return false
		}
	}
	return true
}

func (x *run) byteorder(s *step) {
	n, size := int(s.length), int(s.offset)
	if v, known := x.registers.get(s.sreg, n, &x.buf); known && size > 0 && n%size == 0 {
		if x.rules.order == nlmsg.LittleEndian {
			for i := 0; i < n; i += size {
				for j := range size / 2 {
					v[i+j], v[i+size-1-j] = v[i+size-1-j], v[i+j]
				}
			}
		}
		x.registers.put(s.dreg, v)
		return
	}
	var m *meter
	if i, ok := at(s.sreg); ok && x.registers[i].meter != nil {
		m = &meter{x.registers[i].meter.least, true}
	}
	name, varies := x.registers.name(s.sreg, n)
	x.registers.hide(s.dreg, n, "swapped "+name, varies)
	if i, ok := at(s.dreg); ok {
		x.registers[i].meter = m
	}
}
