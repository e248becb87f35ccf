package ruleset

import (
	"bytes"
	"fmt"
	"net/netip"
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
	setBits(high, bits)
	return high
}

// setBits sets all bits from one on.
func setBits(b []byte, from int) {
	for i := from; i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
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
