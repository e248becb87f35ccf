package conntrack

// A bpfOp is one instruction of a classic BPF program (struct sock_filter of include/uapi/linux/filter.h).
type bpfOp struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// Codes of instructions (include/uapi/linux/bpf_common.h, filter.h): A is the accumulator, X the index register, M the memory of 16 words. What
// is loaded of the message counts as big endian; a load past its end ends the program with 0, which drops it.
const (
	bpfByte    = 0x30 // A = the byte at k
	bpfHalf    = 0x28 // A = the 16 bits at k
	bpfWord    = 0x20 // A = the 32 bits at k
	bpfIndexed = 0x20 // added to one of these three: at X + k
	bpfLoad    = 0x00 // A = k
	bpfLoadX   = 0x01 // X = k
	bpfRecall  = 0x60 // A = M[k]
	bpfStore   = 0x02 // M[k] = A
	bpfAnd     = 0x54 // A &= k
	bpfAtoX    = 0x07 // X = A
	bpfGoto    = 0x05
	bpfEqual   = 0x15 // condition: A == k
	bpfAnyBit  = 0x45 // condition: A & k != 0
	bpfReturn  = 0x06
)

// Places that bpfWord loads from and that are none of the message's (net/core/filter.c, bpf_skb_get_nlattr and _nest).
const (
	bpfAttr   = 0xfffff00c // SKF_AD_NLATTR: the offset of the attribute of type X among those that begin at offset A; 0 if there is none
	bpfNested = 0xfffff010 // SKF_AD_NLATTR_NEST: the same among those inside the attribute at offset A
)

// bpfReach is how many instructions a conditional jump can pass over.
const bpfReach = 255

// An assembly is a program in the making. Jumps lead to labels further down.
type assembly struct {
	lines  []asmLine
	places []int // of the labels: the line before which they stand
}

// A label is a place in an assembly, from 1 on.
type label int

// An asmLine is an instruction, or a jump if it has a label.
type asmLine struct {
	op     bpfOp
	to     label
	unless bool // of a condition: jump where it does not hold
}

func (a *assembly) label() label {
	a.places = append(a.places, 0)
	return label(len(a.places))
}

// place puts a label before what is appended next.
func (a *assembly) place(l label) { a.places[l-1] = len(a.lines) }

func (a *assembly) do(code uint16, k uint32) {
	a.lines = append(a.lines, asmLine{op: bpfOp{code: code, k: k}})
}

func (a *assembly) jump(to label) {
	a.lines = append(a.lines, asmLine{op: bpfOp{code: bpfGoto}, to: to})
}

func (a *assembly) jumpIf(condition uint16, k uint32, to label) {
	a.lines = append(a.lines, asmLine{op: bpfOp{code: condition, k: k}, to: to})
}

func (a *assembly) jumpUnless(condition uint16, k uint32, to label) {
	a.lines = append(a.lines, asmLine{op: bpfOp{code: condition, k: k}, to: to, unless: true})
}

// program resolves the jumps. A conditional one that does not reach its label jumps to, or past, a goto behind it.
func (a *assembly) program() []bpfOp {
	far := make([]bool, len(a.lines))
	at := a.layout(far)
	for grown := true; grown; at = a.layout(far) {
		grown = false
		for i, l := range a.lines {
			if l.conditional() && !far[i] && a.distance(at, i) > bpfReach {
				far[i], grown = true, true
			}
		}
	}
	var ops []bpfOp
	for i, l := range a.lines {
		switch {
		case l.to == 0:
			ops = append(ops, l.op)
		case !l.conditional():
			ops = append(ops, bpfOp{code: bpfGoto, k: uint32(a.distance(at, i))})
		case far[i]:
			ops = append(ops, l.branch(0, 1), bpfOp{code: bpfGoto, k: uint32(a.distance(at, i) - 1)})
		default:
			ops = append(ops, l.branch(uint8(a.distance(at, i)), 0))
		}
	}
	return ops
}

// layout numbers the first instruction of each line, and the one behind the last.
func (a *assembly) layout(far []bool) []int {
	at := make([]int, len(a.lines)+1)
	for i := range a.lines {
		at[i+1] = at[i] + 1
		if far[i] {
			at[i+1]++
		}
	}
	return at
}

// distance counts the instructions between a jump and its label.
func (a *assembly) distance(at []int, line int) int {
	return at[a.places[a.lines[line].to-1]] - at[line] - 1
}

func (l *asmLine) conditional() bool { return l.to != 0 && l.op.code != bpfGoto }

// branch passes over so many instructions where the jump is taken, and so many where not.
func (l *asmLine) branch(taken, other uint8) bpfOp {
	if l.unless {
		taken, other = other, taken
	}
	return bpfOp{code: l.op.code, jt: taken, jf: other, k: l.op.k}
}
