package flowtable

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxDevice is the longest device name in bytes (IFNAMSIZ without the NUL, include/uapi/linux/if.h).
const MaxDevice = 15

// CheckDevice says why no network device can bear a name, or nft cannot spell it; nil if it is fine. The rules are those of
// the kernel (dev_valid_name, net/core/dev.c) and of nft's quoted strings. Kernels before 7 cut longer names silently.
func CheckDevice(name string) error {
	if name == "" {
		return errors.New("the device name is empty; give one")
	}
	if name == "." || name == ".." {
		return fmt.Errorf("no device can be named %q; give the name that `ip link` prints", name)
	}
	return checkDevicePart(name)
}

// CheckDevicePrefix says why no network device's name can begin with a prefix, or nft cannot spell it; nil if it is fine.
func CheckDevicePrefix(prefix string) error {
	switch {
	case prefix == "":
		return errors.New("the prefix is empty, which would be every device, lo included; give its first letters")
	case strings.HasSuffix(prefix, "*"):
		return fmt.Errorf(`prefix %q ends in "*", which is implied; write %q`, prefix, strings.TrimRight(prefix, "*"))
	case len(prefix) == MaxDevice:
		return fmt.Errorf("prefix %q is as long as a device name can be; write it as a name", prefix)
	}
	return checkDevicePart(prefix)
}

func checkDevicePart(name string) error {
	if len(name) > MaxDevice {
		return fmt.Errorf("device name %q is %d bytes long; a device has at most %d", name, len(name), MaxDevice)
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c == '*':
			return fmt.Errorf(`device name %q holds "*"; write the part before it as a prefix`, name)
		case c <= ' ' || c == 0x7f || c == 0xa0 || strings.IndexByte(`/:%"\`, c) >= 0:
			return fmt.Errorf("device name %q holds %q, which the kernel refuses in names or nft cannot spell", name, c)
		}
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("device name %q holds what does not print, and nft's text has no escapes", name)
	}
	return nil
}

// Spelled is a name of a device, or of something else that others name, for people to read: in quotes and with escapes where it is
// empty or holds spaces, quotes, backslashes or what does not print. Kernels take nearly every byte in names, and a terminal does as they say.
func Spelled(name string) string {
	odd := func(r rune) bool {
		return !unicode.IsPrint(r) || r == ' ' || r == '"' || r == '\\' || r == utf8.RuneError // what is not UTF-8, too
	}
	if name == "" || strings.ContainsFunc(name, odd) {
		return strconv.Quote(name)
	}
	return name
}

// spelled is Spelled for the name of a link, which is not taken for a prefix.
func spelled(name string) string {
	if strings.Contains(name, "*") {
		return strconv.Quote(name)
	}
	return Spelled(name)
}
