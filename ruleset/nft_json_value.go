package ruleset

import (
	"encoding/binary"
	"strconv"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// valuesJSON is a set reference, one value, or an anonymous set.
func valuesJSON(kind nftvalue.Kind, words []string) any {
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
func valueJSON(kind nftvalue.Kind, word string) any {
	if nftvalue.IsReference(word) {
		return word
	}
	v, err := nftvalue.Parse(kind, word)
	if err != nil {
		return word
	}
	return spanJSON(kind, v)
}

// spanJSON is a span as nft's JSON has it: a word, a number, {"prefix": ...} or {"range": [...]}.
func spanJSON(kind nftvalue.Kind, s nftvalue.Span) any {
	switch {
	case kind == nftvalue.IfName && s.Prefix:
		return string(s.Low) + "*"
	case s.Prefix:
		return jsonObject{"prefix": jsonObject{"addr": nftvalue.WordText(kind, s.Low), "len": nftvalue.PrefixLength(s.Low, s.High)}}
	case s.Single():
		return wordJSON(kind, s.Low)
	}
	return jsonObject{"range": []any{wordJSON(kind, s.Low), wordJSON(kind, s.High)}}
}

// wordJSON is one bound: a number where nft prints one, else its word.
func wordJSON(kind nftvalue.Kind, b []byte) any {
	switch kind {
	case nftvalue.Exists:
		return b[0] != 0
	case nftvalue.Port, nftvalue.Zone:
		return binary.BigEndian.Uint16(b)
	case nftvalue.Mark:
		return binary.BigEndian.Uint32(b)
	case nftvalue.DSCP:
		return b[0]
	}
	return nftvalue.WordText(kind, b)
}

func decimal(v uint64) string { return strconv.FormatUint(v, 10) }
