package ruleset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// A valueKind says how the words of a field or a set are read.
type valueKind int

const (
	kindIPv4     valueKind = iota + 1 // 4 bytes
	kindIPv6                          // 16 bytes
	kindPort                          // 2 bytes
	kindIfName                        // the name without NUL, 1 to 15 bytes
	kindProto                         // 1 byte, IPPROTO_*
	kindNFProto                       // 1 byte, NFPROTO_IPV4 or NFPROTO_IPV6
	kindMark                          // 4 bytes
	kindCTState                       // 4 bytes, one bit
	kindCTStatus                      // 4 bytes, one bit
	kindCTDir                         // 1 byte, IP_CT_DIR_*
	kindDSCP                          // 1 byte, 0 to 63, not shifted
	kindHelper                        // the name without NUL, 1 to 15 bytes
	kindZone                          // 2 bytes
	kindTCPFlags                      // 1 byte, one bit
	kindExists                        // 1 byte, 0 or 1
	kindMeter                         // 8 bytes; only thresholds, never words
)

// A span is one value, prefix or range: inclusive bounds of the kind's width in network byte order. What the kernel keeps in
// host order (marks, states) is big endian here too; the encoder turns it. Equal bounds are one value.
type span struct {
	low, high []byte
	// prefix says that the word was an address prefix ("10.0.0.0/8", bounds set) or a name prefix ("ppp*", low and high "ppp").
	prefix bool
}

// single reports whether the span is exactly one value.
func (s span) single() bool { return !s.isNamePrefix() && bytes.Equal(s.low, s.high) }

// isNamePrefix reports whether the span is a device name prefix: unlike those of an address prefix its bounds are equal.
func (s span) isNamePrefix() bool { return s.prefix && bytes.Equal(s.low, s.high) }

// parseValue reads one word in nft's spelling. Set references ("@slow") are not values.
func parseValue(kind valueKind, word string) (span, error) {
	if word == "" {
		return span{}, fmt.Errorf("a value is empty; write %s", kind.expects())
	}
	switch kind {
	case kindIPv4, kindIPv6:
		return parseAddress(kind, word)
	case kindIfName:
		return parseIfName(word)
	case kindPort, kindDSCP:
		if low, high, ok := strings.Cut(word, "-"); ok {
			return parseRange(kind, word, low, high)
		}
	}
	b, err := parseWord(kind, word)
	if err != nil {
		return span{}, err
	}
	return span{low: b, high: b}, nil
}

func parseRange(kind valueKind, word, low, high string) (span, error) {
	l, err := parseWord(kind, low)
	if err != nil {
		return span{}, err
	}
	h, err := parseWord(kind, high)
	if err != nil {
		return span{}, err
	}
	if bytes.Compare(l, h) > 0 {
		return span{}, fmt.Errorf("range %q runs backwards; write the lower bound first", word)
	}
	return span{low: l, high: h}, nil
}

// parseWord reads one value that is neither a range nor a prefix.
func parseWord(kind valueKind, word string) ([]byte, error) {
	if v, ok := kind.number(word); ok {
		return kind.bytes(v), nil
	}
	switch kind {
	case kindIPv4, kindIPv6:
		addr, err := parseAddr(kind, word)
		return addr.AsSlice(), err
	case kindHelper:
		return parseHelper(word)
	case kindPort, kindDSCP, kindProto, kindMark, kindZone:
		v, err := parseNumber(word)
		if err != nil || v > kind.max() {
			return nil, kind.unfit(word)
		}
		return kind.bytes(v), nil
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

func parseAddress(kind valueKind, word string) (span, error) {
	if low, high, ok := strings.Cut(word, "-"); ok {
		return parseRange(kind, word, low, high)
	}
	if !strings.Contains(word, "/") {
		b, err := parseWord(kind, word)
		if err != nil {
			return span{}, err
		}
		return span{low: b, high: b}, nil
	}
	p, err := netip.ParsePrefix(word)
	if err != nil || !kind.takes(p.Addr()) {
		return span{}, kind.unfit(word)
	}
	if p.Masked() != p {
		return span{}, fmt.Errorf("prefix %q has bits set behind its length; write %q", word, p.Masked())
	}
	low := p.Addr().AsSlice()
	return span{low: low, high: lastOf(low, p.Bits()), prefix: p.Bits() < 8*len(low)}, nil
}

func parseAddr(kind valueKind, word string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(word)
	if err != nil || !kind.takes(addr) {
		return netip.Addr{}, kind.unfit(word)
	}
	return addr, nil
}

// takes reports whether the address belongs to the kind. A zone ("fe80::1%eth0") has no place in a rule.
func (k valueKind) takes(a netip.Addr) bool {
	if k == kindIPv4 {
		return a.Is4()
	}
	return a.Is6() && a.Zone() == ""
}

// lastOf returns the highest address of the prefix that starts at low.
func lastOf(low []byte, bits int) []byte {
	high := bytes.Clone(low)
	for i := bits; i < 8*len(high); i++ {
		high[i/8] |= 0x80 >> (i % 8)
	}
	return high
}

// bytes puts a number into the kind's width, big endian.
func (k valueKind) bytes(v uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, v)
	return b[8-k.width():]
}

// width of one value in bytes; 0 for names, which differ.
func (k valueKind) width() int {
	switch k {
	case kindProto, kindNFProto, kindCTDir, kindDSCP, kindTCPFlags, kindExists:
		return 1
	case kindPort, kindZone:
		return 2
	case kindIPv4, kindMark, kindCTState, kindCTStatus:
		return 4
	case kindMeter:
		return 8
	case kindIPv6:
		return 16
	}
	return 0
}

// max is the greatest number of the kind.
func (k valueKind) max() uint64 {
	switch k {
	case kindDSCP:
		return 63
	case kindProto:
		return 255
	case kindPort, kindZone:
		return 1<<16 - 1
	case kindMark:
		return 1<<32 - 1
	}
	return 0
}

// unfit is the error for a word that the kind does not take.
func (k valueKind) unfit(word string) error {
	return fmt.Errorf("%q is not %s", word, k.expects())
}
