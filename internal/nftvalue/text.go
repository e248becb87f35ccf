package nftvalue

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Defaults of nft that its listings leave out.
const (
	DefaultBurst    = 5
	DefaultLogLevel = "warn"
)

// TextOf is one word as nft spells it. A set reference, or a word that does not parse, comes back as it is.
func TextOf(kind Kind, word string) string {
	if IsReference(word) {
		return word
	}
	v, err := Parse(kind, word)
	if err != nil {
		return word
	}
	return v.Text(kind)
}

// IsReference reports whether a word names a set: "@slow".
func IsReference(word string) bool { return len(word) > 0 && word[0] == '@' }

// Text is the span as nft spells it.
func (s Span) Text(kind Kind) string {
	switch {
	case kind == IfName && s.Prefix:
		return Quote(string(s.Low) + "*")
	case kind == IfName, kind == Helper:
		return Quote(string(s.Low))
	case s.Prefix:
		return WordText(kind, s.Low) + "/" + strconv.Itoa(PrefixLength(s.Low, s.High))
	case s.Single():
		return WordText(kind, s.Low)
	}
	if kind == DSCP { // nft reads no names in a range, since names hold dashes
		return strconv.Itoa(int(s.Low[0])) + "-" + strconv.Itoa(int(s.High[0]))
	}
	return WordText(kind, s.Low) + "-" + WordText(kind, s.High)
}

// WordText is one bound as nft spells it.
func WordText(kind Kind, b []byte) string {
	switch kind {
	case IPv4, IPv6:
		addr, _ := netip.AddrFromSlice(b)
		return addr.String()
	case Port, Zone:
		return strconv.Itoa(int(binary.BigEndian.Uint16(b)))
	case Mark:
		return Hex(binary.BigEndian.Uint32(b))
	case Proto:
		return ProtoWord(b[0])
	case DSCP:
		return dscpWord(b[0])
	case NFProto:
		if b[0] == NFProtoIPv4 {
			return "ipv4"
		}
		return "ipv6"
	case Exists:
		if b[0] == 0 {
			return "missing"
		}
		return "exists"
	case CTDir:
		if b[0] == 0 {
			return "original"
		}
		return "reply"
	}
	return string(b)
}

// PrefixLength is the number of leading bits that two bounds share.
func PrefixLength(low, high []byte) int {
	for i := range low {
		if x := low[i] ^ high[i]; x != 0 {
			return 8*i + bits.LeadingZeros8(x)
		}
	}
	return 8 * len(low)
}

// SortedSpans are the words that parse, lowest first.
func SortedSpans(kind Kind, words []string) []Span {
	spans := make([]Span, 0, len(words))
	for _, w := range words {
		if s, err := Parse(kind, w); err == nil {
			spans = append(spans, s)
		}
	}
	slices.SortFunc(spans, func(a, b Span) int {
		if c := bytes.Compare(a.Low, b.Low); c != 0 {
			return c
		}
		return bytes.Compare(a.High, b.High)
	})
	return spans
}

// Quote puts a string between nft's quotes. nft has no escapes: Validate refuses what it cannot spell, and what others put into the kernel
// is shown with escapes, so that nothing in it ends the quotes or speaks to a terminal.
func Quote(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r == '"' || !unicode.IsPrint(r) }) {
		return strconv.QuoteToASCII(s)
	}
	return `"` + s + `"`
}

// Hex is a number as nft writes marks.
func Hex(v uint32) string { return "0x" + strconv.FormatUint(uint64(v), 16) }
