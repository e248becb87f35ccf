package ruleset

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
)

// Defaults of nft that its listings leave out.
const (
	defaultBurst    = 5
	defaultLogLevel = "warn"
)

// valueText is one word as nft spells it. A set reference, or a word that does not parse, comes back as it is.
func valueText(kind valueKind, word string) string {
	if isReference(word) {
		return word
	}
	v, err := parseValue(kind, word)
	if err != nil {
		return word
	}
	return v.text(kind)
}

// isReference reports whether a word names a set: "@slow".
func isReference(word string) bool { return len(word) > 0 && word[0] == '@' }

// text is the span as nft spells it.
func (s span) text(kind valueKind) string {
	switch {
	case kind == kindIfName && s.prefix:
		return quote(string(s.low) + "*")
	case kind == kindIfName, kind == kindHelper:
		return quote(string(s.low))
	case s.prefix:
		return wordText(kind, s.low) + "/" + strconv.Itoa(prefixLength(s.low, s.high))
	case s.single():
		return wordText(kind, s.low)
	}
	if kind == kindDSCP { // nft reads no names in a range, since names hold dashes
		return strconv.Itoa(int(s.low[0])) + "-" + strconv.Itoa(int(s.high[0]))
	}
	return wordText(kind, s.low) + "-" + wordText(kind, s.high)
}

// wordText is one bound as nft spells it.
func wordText(kind valueKind, b []byte) string {
	switch kind {
	case kindIPv4, kindIPv6:
		addr, _ := netip.AddrFromSlice(b)
		return addr.String()
	case kindPort, kindZone:
		return strconv.Itoa(int(binary.BigEndian.Uint16(b)))
	case kindMark:
		return hex(binary.BigEndian.Uint32(b))
	case kindProto:
		return protoWord(b[0])
	case kindDSCP:
		return dscpWord(b[0])
	case kindNFProto:
		if b[0] == nfprotoIPv4 {
			return "ipv4"
		}
		return "ipv6"
	case kindExists:
		if b[0] == 0 {
			return "missing"
		}
		return "exists"
	case kindCTDir:
		if b[0] == 0 {
			return Original
		}
		return Reply
	}
	return string(b)
}

// prefixLength is the number of leading bits that two bounds share.
func prefixLength(low, high []byte) int {
	for i := range low {
		if x := low[i] ^ high[i]; x != 0 {
			return 8*i + bits.LeadingZeros8(x)
		}
	}
	return 8 * len(low)
}

// sortedSpans are the words that parse, lowest first.
func sortedSpans(kind valueKind, words []string) []span {
	spans := make([]span, 0, len(words))
	for _, w := range words {
		if s, err := parseValue(kind, w); err == nil {
			spans = append(spans, s)
		}
	}
	slices.SortFunc(spans, func(a, b span) int {
		if c := bytes.Compare(a.low, b.low); c != 0 {
			return c
		}
		return bytes.Compare(a.high, b.high)
	})
	return spans
}
