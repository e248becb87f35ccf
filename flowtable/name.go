package flowtable

import (
	"errors"
	"fmt"
)

// MaxName is the longest name of a table, chain, set or flowtable in bytes (NFT_NAME_MAXLEN without the NUL,
// include/uapi/linux/netfilter/nf_tables.h).
const MaxName = 255

// CheckName says why a table, chain, set or flowtable cannot bear a name; nil if it can. The kernel takes any bytes, but nft
// spells only words: a letter, "_" or "." first, then also digits, "-" and "/", and none of its own reserved words. A ruleset
// with another name could be neither written for nft nor handled with it.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty; give one")
	case len(name) > MaxName:
		return fmt.Errorf("the name is %d bytes long; the kernel takes at most %d", len(name), MaxName)
	case name == ".":
		return errors.New(`nft cannot spell the name "."; add a letter`)
	}
	for i, r := range name {
		if isLetter(r) || r == '_' || r == '.' || i > 0 && (isDigit(r) || r == '-' || r == '/') {
			continue
		}
		if i == 0 {
			return fmt.Errorf(`nft cannot spell the name %q: it begins with %q; begin with a letter, "_" or "."`, name, r)
		}
		return fmt.Errorf(`nft cannot spell the name %q: it holds %q; use ASCII letters, digits, "_", "-", "." and "/"`, name, r)
	}
	if isKeyword(name) {
		return fmt.Errorf("nft cannot spell the name %q, a reserved word; choose another, such as %q", name, name+"_")
	}
	return nil
}

// CheckReference says why nft cannot spell a name behind "@", as sets and flowtables are named in rules; nil if it can. It
// includes CheckName.
func CheckReference(name string) error {
	if isKeywordAfterAt(name) {
		return fmt.Errorf("nft cannot spell %q, which means a packet header; choose another name, such as %q", "@"+name, name+"_")
	}
	return CheckName(name)
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func isDigit(r rune) bool { return r >= '0' && r <= '9' }
