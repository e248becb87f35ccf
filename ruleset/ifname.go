package ruleset

import (
	"fmt"
	"strings"
)

// maxIfName is the longest device name in bytes (IFNAMSIZ without the NUL).
const maxIfName = 15

// parseIfName reads a device name, or a prefix that ends in "*".
func parseIfName(word string) (span, error) {
	name, prefix := strings.CutSuffix(word, "*")
	switch {
	case name == "":
		return span{}, fmt.Errorf("%q matches every device; leave the match out", word)
	case len(name) > maxIfName:
		return span{}, fmt.Errorf("device name %q is %d bytes long; a device has at most %d", word, len(name), maxIfName)
	case name == "." || name == "..":
		if !prefix {
			return span{}, fmt.Errorf("%q cannot be the name of a device", word)
		}
	}
	for _, r := range name {
		if strings.ContainsRune(`/:*"\`, r) || r <= ' ' || r == 0x7f {
			return span{}, fmt.Errorf("device name %q holds %q, which nft cannot spell or the kernel refuses in names", word, r)
		}
	}
	return span{low: []byte(name), high: []byte(name), prefix: prefix}, nil
}
