package conntrack

import "encoding/hex"

// Labels are the 128 bits of a connection's ct label, bit n in byte n/8 (CTA_LABELS). Rules set them by name, as
// connlabel.conf has them. Bits are numbered as nft numbers them: on a big-endian machine the kernel's bytes are one number
// with the highest bits first, and the conntrack tool and iptables's connlabel, which read words of the kernel's, call the
// bit n^96 there. It is a plain, comparable value.
type Labels [16]byte

// Has reports whether a bit from 0 to 127 is set.
func (l Labels) Has(bit uint8) bool { return bit < 128 && l[bit/8]&(1<<(bit%8)) != 0 }

// String is the bits as one hexadecimal number of 32 digits, bit 127 first.
func (l Labels) String() string {
	for i, j := 0, len(l)-1; i < j; i, j = i+1, j-1 {
		l[i], l[j] = l[j], l[i]
	}
	return hex.EncodeToString(l[:])
}

// MarshalText is String.
func (l Labels) MarshalText() ([]byte, error) { return []byte(l.String()), nil }
