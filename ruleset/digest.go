package ruleset

import (
	"encoding/binary"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A digest is a 64-bit hash. It tells rules apart; it does not keep secrets.
type digest uint64

const (
	digestStart digest = 0xcbf29ce484222325
	digestPrime digest = 0x9e3779b97f4a7c15
)

func (d digest) number(v uint64) digest {
	d = (d ^ digest(v)) * digestPrime
	return d ^ d>>29
}

func (d digest) byte(c byte) digest { return d.number(uint64(c)) }

// bytes hashes b with its length, so that "ab", "c" differs from "a", "bc".
func (d digest) bytes(b []byte) digest {
	n := len(b)
	for ; len(b) >= 8; b = b[8:] {
		d = d.number(binary.LittleEndian.Uint64(b))
	}
	if len(b) == 4 { // as most attributes
		return d.number(uint64(binary.LittleEndian.Uint32(b))).number(uint64(n))
	}
	tail := uint64(0)
	for i, c := range b {
		tail |= uint64(c) << (8 * i)
	}
	return d.number(tail).number(uint64(n))
}

// text is bytes for a string.
func (d digest) text(s string) digest {
	n := len(s)
	for ; len(s) >= 8; s = s[8:] {
		d = d.number(binary.LittleEndian.Uint64([]byte(s[:8])))
	}
	tail := uint64(0)
	for i := range len(s) {
		tail |= uint64(s[i]) << (8 * i)
	}
	return d.number(tail).number(uint64(n))
}

func (d digest) texts(list []string) digest {
	for _, s := range list {
		d = d.text(s)
	}
	return d.number(uint64(len(list)))
}

func (d digest) truth(b bool) digest {
	if b {
		return d.byte(1)
	}
	return d.byte(0)
}

// An identity is what every rule of ours bears in its user data, beside the comment: what it was declared as, and what was
// sent for it. nft passes over it.
type identity struct {
	declared digest // of the Rule
	body     digest // of its expressions, in the form that a kernel's dump and our encoding share
}

// The user data of an identity: type, length, a mark and a version, two numbers in network byte order. nft's types are small.
const (
	udataIdentity  = 0xf5
	identityLength = 4 + 8 + 8
)

var identityMark = [4]byte{'f', 'p', 0, 1}

func (id identity) appendTo(b []byte) []byte {
	b = append(b, udataIdentity, identityLength)
	b = append(b, identityMark[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(id.declared))
	return binary.BigEndian.AppendUint64(b, uint64(id.body))
}

// readUdata reads a rule's user data: its comment, and our identity if it bears one. What is not a list of type, length and
// value is someone else's, and says nothing.
func readUdata(b []byte) (comment string, id identity, ours bool) {
	for len(b) >= 2 && len(b)-2 >= int(b[1]) {
		typ, value := b[0], b[2:2+int(b[1])]
		b = b[2+len(value):]
		switch {
		case typ == nlmsg.UdataRuleComment:
			comment = trimmed(value)
		case typ == udataIdentity && len(value) == identityLength && [4]byte(value) == identityMark:
			ours = true
			id.declared = digest(binary.BigEndian.Uint64(value[4:]))
			id.body = digest(binary.BigEndian.Uint64(value[12:]))
		}
	}
	return comment, id, ours
}

// trimmed is a text without the NULs at its end.
func trimmed(b []byte) string {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return string(b)
}

// digestRanges is the content of a set, whatever its name and however its elements were sent.
func digestRanges(ranges []nftvalue.Range, length int) digest {
	d := digestStart
	for i := range ranges {
		d = d.bytes(ranges[i].Low[:length]).bytes(ranges[i].High[:length])
	}
	return d.number(uint64(len(ranges)))
}

// encodingVersion is part of what a rule is declared as. Raise it when the encoder says the same rule in other bytes and rules that
// are in force should be replaced for it.
const encodingVersion = 1

// declaredAs is what tells a Rule from others.
func declaredAs(r *Rule) digest {
	d := digestStart.byte(encodingVersion).text(r.Comment)
	for i := range r.Do {
		d = r.Do[i].digest(d)
	}
	return d.number(uint64(len(r.Do)))
}

func (s *Statement) digest(d digest) digest {
	switch {
	case s.Match != nil:
		m := s.Match
		d = d.byte(1).text(string(m.Field)).texts(m.Is).texts(m.Not).text(m.Mask).number(m.AtLeast).number(m.Below)
	case s.FlowAdd != "":
		d = d.byte(2).text(s.FlowAdd)
	case s.Verdict != "":
		d = d.byte(3).text(string(s.Verdict))
	case s.Jump != "":
		d = d.byte(4).text(s.Jump)
	case s.Goto != "":
		d = d.byte(5).text(s.Goto)
	case s.Set != nil:
		d = d.byte(6).text(string(s.Set.Field)).text(s.Set.Value).text(s.Set.Mask)
	case s.DNAT != nil:
		d = d.byte(7).text(s.DNAT.Addr).number(uint64(s.DNAT.Port))
	case s.SNAT != nil:
		d = d.byte(8).text(s.SNAT.Addr).number(uint64(s.SNAT.Port))
	case s.Masquerade != nil:
		d = d.byte(9).truth(s.Masquerade.FullyRandom)
	case s.Counter != nil:
		d = d.byte(10)
	case s.Limit != nil:
		d = s.Limit.digest(d.byte(11))
	case s.Log != nil:
		d = s.Log.digest(d.byte(12))
	case s.Raw != nil:
		d = d.byte(13).number(uint64(len(s.Raw.Expr)))
		for _, e := range s.Raw.Expr {
			d = d.bytes(e)
		}
	}
	return d
}

// hasRaw reports whether the rule holds expressions of the caller's own.
func (r *Rule) hasRaw() bool {
	return slices.ContainsFunc(r.Do, func(s Statement) bool { return s.Raw != nil })
}
