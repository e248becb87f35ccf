package conntrack

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// runProgram does what the kernel does with a program and a message (net/core/filter.c), and tells whether the message passes.
func runProgram(o nlmsg.Order, program []bpfOp, message []byte) (bool, error) {
	var a, x uint32
	var memory [16]uint32
	for pc := 0; pc < len(program); pc++ {
		op := program[pc]
		switch op.code {
		case bpfLoad:
			a = op.k
		case bpfLoadX:
			x = op.k
		case bpfAtoX:
			x = a
		case bpfRecall:
			a = memory[op.k]
		case bpfStore:
			memory[op.k] = a
		case bpfAnd:
			a &= op.k
		case bpfGoto:
			pc += int(op.k)
		case bpfEqual, bpfAnyBit:
			holds := op.code == bpfEqual && a == op.k || op.code == bpfAnyBit && a&op.k != 0
			if holds {
				pc += int(op.jt)
			} else {
				pc += int(op.jf)
			}
		case bpfReturn:
			return op.k != 0, nil
		default:
			v, ok, err := bpfLoaded(o, op, message, a, x)
			if !ok || err != nil {
				return false, err
			}
			a = v
		}
	}
	return false, fmt.Errorf("the program has no end")
}

// bpfLoaded is what a load of the message gives; not ok past its end.
func bpfLoaded(o nlmsg.Order, op bpfOp, message []byte, a, x uint32) (v uint32, ok bool, err error) {
	at, code := uint64(op.k), op.code
	switch {
	case op.k == bpfAttr || op.k == bpfNested:
		return findAttr(o, message, a, x, op.k == bpfNested), true, nil
	case code == bpfByte+bpfIndexed, code == bpfHalf+bpfIndexed, code == bpfWord+bpfIndexed:
		at, code = at+uint64(x), code-bpfIndexed
	}
	sizes := map[uint16]uint64{bpfByte: 1, bpfHalf: 2, bpfWord: 4}
	size, known := sizes[code]
	switch {
	case !known:
		return 0, false, fmt.Errorf("unknown instruction %+v", op)
	case at+size > uint64(len(message)):
		return 0, false, nil
	}
	var word [4]byte
	copy(word[4-size:], message[at:at+size])
	return binary.BigEndian.Uint32(word[:]), true, nil
}

// findAttr is bpf_skb_get_nlattr and bpf_skb_get_nlattr_nest.
func findAttr(o nlmsg.Order, message []byte, at, typ uint32, nested bool) uint32 {
	if uint64(at)+attrHeader > uint64(len(message)) {
		return 0
	}
	list, start := message[at:], at
	if nested {
		nest, _, err := nlmsg.NextAttr(o, list)
		if err != nil {
			return 0
		}
		list, start = nest.Data, at+attrHeader
	}
	for end := start + uint32(len(list)); len(list) > 0; {
		attr, rest, err := nlmsg.NextAttr(o, list)
		if err != nil {
			return 0
		}
		if uint32(attr.Type) == typ {
			return end - uint32(len(list))
		}
		list = rest
	}
	return 0
}

// programText is one line an instruction: its number, what it does, and where a condition leads.
func programText(program []bpfOp) string {
	verbs := map[uint16]string{
		bpfLoad: "A = %d", bpfLoadX: "X = %d", bpfAtoX: "X = A", bpfRecall: "A = M[%d]", bpfStore: "M[%d] = A", bpfAnd: "A &= %#x",
		bpfByte: "A = byte[%d]", bpfHalf: "A = half[%d]", bpfWord: "A = word[%d]", bpfEqual: "A == %#x ?", bpfAnyBit: "A & %#x ?", bpfReturn: "return %#x",
		bpfByte + bpfIndexed: "A = byte[X+%d]", bpfHalf + bpfIndexed: "A = half[X+%d]", bpfWord + bpfIndexed: "A = word[X+%d]",
	}
	var b strings.Builder
	for pc, op := range program {
		fmt.Fprintf(&b, "%3d ", pc)
		verb := verbs[op.code]
		switch {
		case op.code == bpfGoto:
			fmt.Fprintf(&b, "goto %d", pc+1+int(op.k))
		case op.k == bpfAttr:
			b.WriteString("A = attribute X from A on")
		case op.k == bpfNested:
			b.WriteString("A = attribute X inside A")
		case strings.Contains(verb, "%"):
			fmt.Fprintf(&b, verb, op.k)
		default:
			b.WriteString(verb)
		}
		if op.code == bpfEqual || op.code == bpfAnyBit {
			fmt.Fprintf(&b, " %d : %d", pc+1+int(op.jt), pc+1+int(op.jf))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
