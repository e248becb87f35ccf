package ruleset

import (
	"encoding/binary"
	"strconv"
)

// valuesJSON is a set reference, one value, or an anonymous set.
func valuesJSON(kind valueKind, words []string) any {
	all := make([]any, len(words))
	for i, w := range words {
		all[i] = valueJSON(kind, w)
	}
	if len(all) == 1 {
		return all[0]
	}
	return jsonObject{"set": all}
}

// valueJSON is one word. A set reference, or a word that does not parse, comes back as it is.
func valueJSON(kind valueKind, word string) any {
	if isReference(word) {
		return word
	}
	v, err := parseValue(kind, word)
	if err != nil {
		return word
	}
	return v.json(kind)
}

// json is the span as nft's JSON has it: a word, a number, {"prefix": ...} or {"range": [...]}.
func (s span) json(kind valueKind) any {
	switch {
	case kind == kindIfName && s.prefix:
		return string(s.low) + "*"
	case s.prefix:
		return jsonObject{"prefix": jsonObject{"addr": wordText(kind, s.low), "len": prefixLength(s.low, s.high)}}
	case s.single():
		return wordJSON(kind, s.low)
	}
	return jsonObject{"range": []any{wordJSON(kind, s.low), wordJSON(kind, s.high)}}
}

// wordJSON is one bound: a number where nft prints one, else its word.
func wordJSON(kind valueKind, b []byte) any {
	switch kind {
	case kindExists:
		return b[0] != 0
	case kindPort, kindZone:
		return binary.BigEndian.Uint16(b)
	case kindMark:
		return binary.BigEndian.Uint32(b)
	case kindDSCP:
		return b[0]
	}
	return wordText(kind, b)
}

func decimal(v uint64) string { return strconv.FormatUint(v, 10) }
