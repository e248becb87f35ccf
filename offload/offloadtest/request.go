package offloadtest

import (
	"encoding/binary"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Errors of Linux by number, whatever system runs the test (include/uapi/asm-generic/errno*.h).
const (
	ePERM      = 1
	eNOENT     = 2
	e2BIG      = 7
	eBUSY      = 16
	eEXIST     = 17
	eINVAL     = 22
	eNFILE     = 23
	eFBIG      = 27
	eMLINK     = 31
	eRANGE     = 34
	eRESTART   = 85
	eOPNOTSUPP = 95
)

// A refusal is a negative answer to one message; nil is success.
type refusal struct {
	errno  int32
	offset uint32
	text   string
}

func refuse(errno int32) *refusal { return &refusal{errno: errno} }

// at points the finger at an attribute.
func (a attr) refuse(errno int32) *refusal { return &refusal{errno: errno, offset: a.at} }

const failedPolicy = "Attribute failed policy validation"

// An attr is an attribute and its place in the message, counted from the header as extended acks count.
type attr struct {
	nlmsg.Attr
	at    uint32
	there bool
}

// attrs are those of one level. Of attributes of one type the kernel takes the last.
type attrs []attr

// parse reads the attributes of one level. As the kernel does, it stops at the first that does not fit.
func parse(b []byte, at uint32) attrs {
	var list attrs
	for len(b) > 0 {
		a, rest, err := nlmsg.NextAttr(nlmsg.Native(), b)
		if err != nil {
			return list
		}
		list = append(list, attr{Attr: a, at: at, there: true})
		at += uint32(len(b) - len(rest))
		b = rest
	}
	return list
}

func (l attrs) get(typ uint16) attr {
	for i := len(l) - 1; i >= 0; i-- {
		if l[i].Type == typ {
			return l[i]
		}
	}
	return attr{}
}

// inside are the attributes of a nest.
func (a attr) inside() attrs {
	if !a.there {
		return nil
	}
	return parse(a.Data, a.at+4)
}

const maxName = 255 // NFT_NAME_MAXLEN - 1

// checkNames refuses names that the kernel's policy finds too long.
func (l attrs) checkNames(types ...uint16) *refusal {
	for _, typ := range types {
		a := l.get(typ)
		n := len(a.Data)
		if n > 0 && a.Data[n-1] == 0 {
			n--
		}
		if n > maxName {
			return &refusal{eRANGE, a.at, failedPolicy}
		}
	}
	return nil
}

// checkLengths refuses numbers that are too short for the kernel's policy.
func (l attrs) checkLengths(size int, types ...uint16) *refusal {
	for _, typ := range types {
		if a := l.get(typ); a.there && len(a.Data) < size {
			return &refusal{eRANGE, a.at, failedPolicy}
		}
	}
	return nil
}

// u32 is a number in network byte order, 0 where it is not there.
func (a attr) u32() uint32 {
	if len(a.Data) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(a.Data)
}

func (a attr) u64() uint64 {
	if len(a.Data) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(a.Data)
}

// append writes the attribute again.
func (a attr) append(b *nlmsg.Builder) {
	typ := a.Type
	if a.Nested {
		typ |= nlmsg.AttrNested
	}
	b.Data(typ, a.Data)
}

// attrBytes writes attributes again.
func attrBytes(list ...attr) []byte {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	for _, a := range list {
		a.append(b)
	}
	return b.Bytes()
}
