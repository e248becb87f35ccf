package judge

import (
	"bytes"
	"strconv"
	"strings"
)

// A word is a 32-bit register. What is in it is known, or has a name that says where it comes from.
type word struct {
	b       [4]byte
	unknown string
	varies  bool
	// A meter is what a connection has carried at least: it only grows.
	meter *meter
}

// A meter is a counter's value, and whether it was brought to network byte order.
type meter struct {
	least uint64
	big   bool
}

// Registers are those of nf_tables: NFT_REG_1 to 4 of 16 bytes are the same memory as NFT_REG32_00 to 15.
type registers [16]word

// at is the first word of a register; false if there is no such register.
func at(register uint32) (int, bool) {
	switch {
	case register >= 1 && register <= 4:
		return int(register-1) * 4, true
	case register >= 8 && register < 24:
		return int(register - 8), true
	}
	return 0, false
}

// put writes a known value.
func (r *registers) put(register uint32, v []byte) {
	i, ok := at(register)
	for ; ok && len(v) > 0 && i < len(r); i++ {
		r[i] = word{}
		v = v[copy(r[i].b[:], v):]
	}
}

// hide writes an unknown value of so many bytes.
func (r *registers) hide(register uint32, length int, name string, varies bool) {
	i, ok := at(register)
	for n := 0; ok && n < length && i < len(r); n, i = n+4, i+1 {
		r[i] = word{unknown: name + "/" + strconv.Itoa(n), varies: varies}
	}
}

// get reads so many bytes into buf; false if one of them is not known. Then the name says what they are.
func (r *registers) get(register uint32, length int, buf *[64]byte) (v []byte, known bool) {
	i, ok := at(register)
	if !ok || length < 0 || length > 4*(len(r)-i) {
		return nil, false
	}
	v = buf[:0]
	for n := 0; n < length; n, i = n+4, i+1 {
		if r[i].unknown != "" {
			return nil, false
		}
		v = append(v, r[i].b[:]...)
	}
	return v[:length], true
}

// name says what so many bytes are, and whether they vary.
func (r *registers) name(register uint32, length int) (name string, varies bool) {
	i, ok := at(register)
	if !ok {
		return "nothing", false
	}
	var b strings.Builder
	for n := 0; n < length && i < len(r); n, i = n+4, i+1 {
		if r[i].unknown == "" {
			b.WriteString("=")
			b.Write(bytes.Clone(r[i].b[:]))
		} else {
			b.WriteString(r[i].unknown)
		}
		b.WriteByte(' ')
		varies = varies || r[i].varies
	}
	return b.String(), varies
}
