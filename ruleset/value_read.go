package ruleset

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// parseValue reads one word in nft's spelling. Set references ("@slow") are not values.
func parseValue(kind valueKind, word string) (span, error) {
	var r valueReader
	return r.value(kind, word)
}

// A valueReader reads many words with little new memory: the bounds of what it read lie together in its own.
type valueReader struct{ memory []byte }

// forget makes room again: what was read before must not be used any more.
func (r *valueReader) forget() { r.memory = r.memory[:0] }

// room is memory for n bytes. What was given out before stays where it is.
func (r *valueReader) room(n int) []byte {
	start := len(r.memory)
	if start+n > cap(r.memory) {
		start, r.memory = 0, make([]byte, 0, max(n, 32, min(2*cap(r.memory), 1<<16)))
	}
	r.memory = r.memory[:start+n]
	return r.memory[start : start+n : start+n]
}

// text keeps a name.
func (r *valueReader) text(name string) []byte {
	b := r.room(len(name))
	copy(b, name)
	return b
}

// number keeps a number in the kind's width, big endian.
func (r *valueReader) number(kind valueKind, v uint64) []byte {
	b := r.room(kind.width())
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte(v)
		v >>= 8
	}
	return b
}

// address keeps an address in its width.
func (r *valueReader) address(a netip.Addr) []byte {
	if a.Is4() {
		four := a.As4()
		b := r.room(len(four))
		copy(b, four[:])
		return b
	}
	sixteen := a.As16()
	b := r.room(len(sixteen))
	copy(b, sixteen[:])
	return b
}

// value reads one word.
func (r *valueReader) value(kind valueKind, word string) (span, error) {
	if word == "" {
		return span{}, fmt.Errorf("a value is empty; write %s", kind.expects())
	}
	switch kind {
	case kindIPv4, kindIPv6:
		if strings.IndexByte(word, '/') >= 0 {
			return r.prefix(kind, word)
		}
	case kindIfName:
		return r.ifName(word)
	}
	switch kind {
	case kindIPv4, kindIPv6, kindPort, kindDSCP:
		if i := strings.IndexByte(word, '-'); i >= 0 {
			return r.between(kind, word, word[:i], word[i+1:])
		}
	}
	b, err := r.word(kind, word)
	if err != nil {
		return span{}, err
	}
	return span{low: b, high: b}, nil
}

// between reads a range.
func (r *valueReader) between(kind valueKind, word, low, high string) (span, error) {
	l, err := r.word(kind, low)
	if err != nil {
		return span{}, err
	}
	h, err := r.word(kind, high)
	if err != nil {
		return span{}, err
	}
	if bytes.Compare(l, h) > 0 {
		return span{}, fmt.Errorf("range %q runs backwards; write the lower bound first", word)
	}
	return span{low: l, high: h}, nil
}

// prefix reads an address prefix.
func (r *valueReader) prefix(kind valueKind, word string) (span, error) {
	p, err := netip.ParsePrefix(word)
	if err != nil || !kind.takes(p.Addr()) {
		return span{}, kind.unfit(word)
	}
	if p.Masked() != p {
		return span{}, fmt.Errorf("prefix %q has bits set behind its length; write %q", word, p.Masked())
	}
	low, high := r.address(p.Addr()), r.address(p.Addr())
	setBits(high, p.Bits())
	return span{low: low, high: high, prefix: p.Bits() < 8*len(low)}, nil
}

// word reads one value that is neither a range nor a prefix.
func (r *valueReader) word(kind valueKind, word string) ([]byte, error) {
	if v, ok := kind.number(word); ok {
		return r.number(kind, v), nil
	}
	switch kind {
	case kindIPv4, kindIPv6:
		addr, err := netip.ParseAddr(word)
		if err != nil || !kind.takes(addr) {
			return nil, kind.unfit(word)
		}
		return r.address(addr), nil
	case kindHelper:
		return r.helper(word)
	case kindPort, kindDSCP, kindProto, kindMark, kindZone:
		v, err := parseNumber(word)
		if err != nil || v > kind.max() {
			return nil, kind.unfit(word)
		}
		return r.number(kind, v), nil
	}
	return nil, kind.unfit(word)
}

// parseNumber reads a number as nft writes it, decimal or hexadecimal ("0x10"). Octal is refused: nft reads "010" as 8.
func parseNumber(word string) (uint64, error) {
	if digits, ok := strings.CutPrefix(word, "0x"); ok {
		return strconv.ParseUint(digits, 16, 64)
	}
	if len(word) > 1 && word[0] == '0' {
		return 0, errors.New("a leading zero means octal to nft; leave it out")
	}
	return strconv.ParseUint(word, 10, 64)
}
