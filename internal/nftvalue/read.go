package nftvalue

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Parse reads one word in nft's spelling. Set references ("@slow") are not values.
func Parse(kind Kind, word string) (Span, error) {
	var r Reader
	return r.Value(kind, word)
}

// A Reader reads many words with little new memory: the bounds of what it read lie together in its own.
type Reader struct{ memory []byte }

// Forget makes room again: what was read before must not be used any more.
func (r *Reader) Forget() { r.memory = r.memory[:0] }

// room is memory for n bytes. What was given out before stays where it is.
func (r *Reader) room(n int) []byte {
	start := len(r.memory)
	if start+n > cap(r.memory) {
		start, r.memory = 0, make([]byte, 0, max(n, 32, min(2*cap(r.memory), 1<<16)))
	}
	r.memory = r.memory[:start+n]
	return r.memory[start : start+n : start+n]
}

// text keeps a name.
func (r *Reader) text(name string) []byte {
	b := r.room(len(name))
	copy(b, name)
	return b
}

// number keeps a number in the kind's width, big endian.
func (r *Reader) number(kind Kind, v uint64) []byte {
	b := r.room(kind.Width())
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte(v)
		v >>= 8
	}
	return b
}

// address keeps an address in its width.
func (r *Reader) address(a netip.Addr) []byte {
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

// Value reads one word.
func (r *Reader) Value(kind Kind, word string) (Span, error) {
	if word == "" {
		return Span{}, fmt.Errorf("a value is empty; write %s", kind.Expects())
	}
	switch kind {
	case IPv4, IPv6:
		if strings.IndexByte(word, '/') >= 0 {
			return r.prefix(kind, word)
		}
	case IfName:
		return r.ifName(word)
	}
	switch kind {
	case IPv4, IPv6, Port, DSCP:
		if i := strings.IndexByte(word, '-'); i >= 0 {
			return r.between(kind, word, word[:i], word[i+1:])
		}
	}
	b, err := r.word(kind, word)
	if err != nil {
		return Span{}, err
	}
	return Span{Low: b, High: b}, nil
}

// between reads a range.
func (r *Reader) between(kind Kind, word, low, high string) (Span, error) {
	l, err := r.word(kind, low)
	if err != nil {
		return Span{}, err
	}
	h, err := r.word(kind, high)
	if err != nil {
		return Span{}, err
	}
	if bytes.Compare(l, h) > 0 {
		return Span{}, fmt.Errorf("range %q runs backwards; write the lower bound first", word)
	}
	return Span{Low: l, High: h}, nil
}

// prefix reads an address prefix.
func (r *Reader) prefix(kind Kind, word string) (Span, error) {
	p, err := netip.ParsePrefix(word)
	if err != nil || !kind.takes(p.Addr()) {
		return Span{}, kind.Unfit(word)
	}
	if p.Masked() != p {
		return Span{}, fmt.Errorf("prefix %q has bits set behind its length; write %q", word, p.Masked())
	}
	low, high := r.address(p.Addr()), r.address(p.Addr())
	setBits(high, p.Bits())
	return Span{Low: low, High: high, Prefix: p.Bits() < 8*len(low)}, nil
}

// word reads one value that is neither a range nor a prefix.
func (r *Reader) word(kind Kind, word string) ([]byte, error) {
	if v, ok := kind.number(word); ok {
		return r.number(kind, v), nil
	}
	switch kind {
	case IPv4, IPv6:
		addr, err := netip.ParseAddr(word)
		if err != nil || !kind.takes(addr) {
			return nil, kind.Unfit(word)
		}
		return r.address(addr), nil
	case Helper:
		return r.helper(word)
	case Port, DSCP, Proto, Mark, Zone:
		v, err := ParseNumber(word)
		if err != nil || v > kind.max() {
			return nil, kind.Unfit(word)
		}
		return r.number(kind, v), nil
	}
	return nil, kind.Unfit(word)
}

// ParseNumber reads a number as nft writes it, decimal or hexadecimal ("0x10"). Octal is refused: nft reads "010" as 8.
func ParseNumber(word string) (uint64, error) {
	if digits, ok := strings.CutPrefix(word, "0x"); ok {
		return strconv.ParseUint(digits, 16, 64)
	}
	if len(word) > 1 && word[0] == '0' {
		return 0, errors.New("a leading zero means octal to nft; leave it out")
	}
	return strconv.ParseUint(word, 10, 64)
}
