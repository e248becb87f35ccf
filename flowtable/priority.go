package flowtable

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Priority orders a hook among the others at the same place, lower first, in nft's spelling: a standard name ("filter"),
// a name and an offset ("filter - 10"), or a number ("-10"). The standard names are raw (-300), mangle (-150), dstnat (-100),
// filter (0), security (50) and srcnat (100). The zero Priority is "filter". Safe for concurrent use.
type Priority string

// Int32 is the number that the kernel takes. The error says what is expected.
func (p Priority) Int32() (int32, error) {
	name, sign, digits := p.split()
	base, known := standardPriority(name)
	if !known || (sign == 0) != (digits == "") {
		return 0, p.unfit()
	}
	if digits == "" {
		return base, nil
	}
	offset, err := strconv.ParseUint(digits, 10, 32)
	if err != nil && !isRangeError(err) {
		return 0, p.unfit()
	}
	v := int64(base) + int64(sign)*int64(offset)
	if err != nil || v < math.MinInt32 || v > math.MaxInt32 {
		return 0, fmt.Errorf("priority %q is out of range; the kernel takes %d to %d", string(p), math.MinInt32, math.MaxInt32)
	}
	return int32(v), nil
}

// At is the priority as nft prints it at a hook: "ingress", "prerouting", "input", "forward", "output" or "postrouting". A
// standard name is used up to an offset of 10, if nft 1.0.6 knows it at that hook. What Int32 refuses is returned as it is.
func (p Priority) At(hook string) string {
	v, err := p.Int32()
	if err != nil {
		return string(p)
	}
	name, base := nearestPriority(v)
	if !namedAt(name, hook) {
		return strconv.Itoa(int(v))
	}
	switch offset := int64(v) - int64(base); {
	case offset > 0:
		return name + " + " + strconv.FormatInt(offset, 10)
	case offset < 0:
		return name + " - " + strconv.FormatInt(-offset, 10)
	}
	return name
}

// split takes the priority apart: a standard name (empty for a bare number), the sign (0 for none) and the digits.
func (p Priority) split() (name string, sign int, digits string) {
	text := strings.TrimSpace(string(p))
	if text == "" {
		return "filter", 0, ""
	}
	if isDigit(rune(text[0])) {
		return "", 1, text
	}
	i := strings.IndexAny(text, "+-")
	if i < 0 {
		return text, 0, ""
	}
	sign = 1
	if text[i] == '-' {
		sign = -1
	}
	return strings.TrimSpace(text[:i]), sign, strings.TrimSpace(text[i+1:])
}

func (p Priority) unfit() error {
	return fmt.Errorf(`priority %q is neither a number nor a standard name with an offset; write it like "filter", "filter - 10" or "-150"`, string(p))
}

// standardPriority is the number of a standard name (include/uapi/linux/netfilter_ipv4.h, nftables src/rule.c); "" is 0.
func standardPriority(name string) (int32, bool) {
	switch name {
	case "", "filter":
		return 0, true
	case "raw":
		return -300, true
	case "mangle":
		return -150, true
	case "dstnat":
		return -100, true
	case "security":
		return 50, true
	case "srcnat":
		return 100, true
	}
	return 0, false
}

// nearestPriority is the standard name within 10 of v, or "".
func nearestPriority(v int32) (name string, base int32) {
	for _, name := range []string{"raw", "mangle", "dstnat", "filter", "security", "srcnat"} {
		base, _ := standardPriority(name)
		if offset := int64(v) - int64(base); offset >= -10 && offset <= 10 {
			return name, base
		}
	}
	return "", 0
}

// namedAt reports whether every nft since 1.0.6 takes the name at the hook (std_prio_family_hook_compat, src/rule.c).
func namedAt(name, hook string) bool {
	switch name {
	case "filter":
		return true
	case "raw", "mangle", "security":
		return hook != "ingress"
	case "dstnat":
		return hook == "prerouting"
	case "srcnat":
		return hook == "postrouting"
	}
	return false
}

func isRangeError(err error) bool {
	ne, ok := err.(*strconv.NumError)
	return ok && ne.Err == strconv.ErrRange
}
