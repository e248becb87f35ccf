package nftvalue

import (
	"bytes"
	"fmt"
	"net/netip"

	"github.com/go-fastpath/fastpath/flowtable"
)

// A Kind says how the words of a field or a set are read.
type Kind int

// The kinds.
const (
	IPv4     Kind = iota + 1 // 4 bytes
	IPv6                     // 16 bytes
	Port                     // 2 bytes
	IfName                   // the name without NUL, 1 to 15 bytes
	Proto                    // 1 byte, IPPROTO_*
	NFProto                  // 1 byte, NFPROTO_IPV4 or NFPROTO_IPV6
	Mark                     // 4 bytes
	CTState                  // 4 bytes, one bit
	CTStatus                 // 4 bytes, one bit
	CTDir                    // 1 byte, IP_CT_DIR_*
	DSCP                     // 1 byte, 0 to 63, not shifted
	Helper                   // the name without NUL, 1 to 15 bytes
	Zone                     // 2 bytes
	TCPFlags                 // 1 byte, one bit
	Exists                   // 1 byte, 0 or 1
	Meter                    // 8 bytes; only thresholds, never words
)

// A Span is one value, prefix or range: inclusive bounds of the kind's width in network byte order. What the kernel keeps in
// host order (marks, states) is big endian here too; the encoder turns it. Equal bounds are one value.
type Span struct {
	Low, High []byte
	// Prefix says that the word was an address prefix ("10.0.0.0/8", bounds set) or a name prefix ("ppp*", low and high "ppp").
	Prefix bool
}

// Single reports whether the span is exactly one value.
func (s Span) Single() bool { return !s.IsNamePrefix() && bytes.Equal(s.Low, s.High) }

// IsNamePrefix reports whether the span is a device name prefix: unlike those of an address prefix its bounds are equal.
func (s Span) IsNamePrefix() bool { return s.Prefix && bytes.Equal(s.Low, s.High) }

// takes reports whether the address belongs to the kind. A zone ("fe80::1%eth0") has no place in a rule.
func (k Kind) takes(a netip.Addr) bool {
	if k == IPv4 {
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

// Width of one value in bytes; 0 for names, which differ.
func (k Kind) Width() int {
	switch k {
	case Proto, NFProto, CTDir, DSCP, TCPFlags, Exists:
		return 1
	case Port, Zone:
		return 2
	case IPv4, Mark, CTState, CTStatus:
		return 4
	case Meter:
		return 8
	case IPv6:
		return 16
	}
	return 0
}

// max is the greatest number of the kind.
func (k Kind) max() uint64 {
	switch k {
	case DSCP:
		return 63
	case Proto:
		return 255
	case Port, Zone:
		return 1<<16 - 1
	case Mark:
		return 1<<32 - 1
	}
	return 0
}

// Unfit is the error for a word that the kind does not take.
func (k Kind) Unfit(word string) error {
	return fmt.Errorf("%q is not %s", word, k.Expects())
}

// UpperName is the upper bound of the span; of a name prefix, the last name that begins with it.
func (s Span) UpperName() []byte {
	if !s.IsNamePrefix() {
		return s.High
	}
	last := bytes.Repeat([]byte{0xff}, flowtable.MaxDevice)
	copy(last, s.Low)
	return last
}
