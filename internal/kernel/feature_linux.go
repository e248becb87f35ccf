package kernel

import (
	"fmt"
	"iter"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// genericAttrs walks the attributes of a genetlink message. An error is the last pair.
func genericAttrs(o nlmsg.Order, data []byte) iter.Seq2[nlmsg.Attr, error] {
	if len(data) < genericHeader {
		return func(yield func(nlmsg.Attr, error) bool) {
			yield(nlmsg.Attr{}, fmt.Errorf("%w: a genetlink message of %d bytes", nlmsg.ErrMalformed, len(data)))
		}
	}
	return attrs(o, data[genericHeader:])
}

// attrs walks attributes. An error is the last pair.
func attrs(o nlmsg.Order, b []byte) iter.Seq2[nlmsg.Attr, error] {
	return func(yield func(nlmsg.Attr, error) bool) {
		for len(b) > 0 {
			a, rest, err := nlmsg.NextAttr(o, b)
			if !yield(a, err) || err != nil {
				return
			}
			b = rest
		}
	}
}

// inside is the data of the first attribute of a type, nil if there is none.
func inside(o nlmsg.Order, b []byte, typ uint16) ([]byte, error) {
	for a, err := range attrs(o, b) {
		if err != nil {
			return nil, err
		}
		if a.Type == typ {
			return a.Data, nil
		}
	}
	return nil, nil
}

// parseFamily decodes an answer to GETFAMILY: the number of a genetlink family, 0 if it tells none.
func parseFamily(o nlmsg.Order, data []byte) (uint16, error) {
	for a, err := range genericAttrs(o, data) {
		if err != nil {
			return 0, err
		}
		if a.Type == unix.CTRL_ATTR_FAMILY_ID && len(a.Data) >= 2 {
			return o.Uint16(a.Data), nil
		}
	}
	return 0, nil
}

// parseFeature decodes an answer to FEATURES_GET: the link's index, and what one feature is, as ethtool prints it.
func parseFeature(o nlmsg.Order, data []byte, bit uint32) (index int, feature string, err error) {
	var changeable, active, never bool
	for a, err := range genericAttrs(o, data) {
		if err != nil {
			return 0, "", err
		}
		switch a.Type {
		case unix.ETHTOOL_A_FEATURES_HEADER:
			index, err = headerIndex(o, a.Data)
		case unix.ETHTOOL_A_FEATURES_HW:
			changeable, err = bitOf(o, a.Data, bit)
		case unix.ETHTOOL_A_FEATURES_ACTIVE:
			active, err = bitOf(o, a.Data, bit)
		case unix.ETHTOOL_A_FEATURES_NOCHANGE:
			never, err = bitOf(o, a.Data, bit)
		}
		if err != nil {
			return 0, "", err
		}
	}
	if index < 1 {
		return 0, "", fmt.Errorf("%w: the features of a link with index %d", nlmsg.ErrMalformed, index)
	}
	feature = "off"
	if active {
		feature = "on"
	}
	if !changeable || never {
		feature += " [fixed]"
	}
	return index, feature, nil
}

func headerIndex(o nlmsg.Order, b []byte) (int, error) {
	data, err := inside(o, b, unix.ETHTOOL_A_HEADER_DEV_INDEX)
	if err == nil && len(data) < 4 {
		err = fmt.Errorf("%w: features without a link's index", nlmsg.ErrMalformed)
	}
	if err != nil {
		return 0, err
	}
	return int(int32(o.Uint32(data))), nil
}

// bitOf reads one bit of a compact bitset: words of 32 bits in host byte order (Documentation/networking/ethtool-netlink.rst).
func bitOf(o nlmsg.Order, b []byte, bit uint32) (bool, error) {
	words, err := inside(o, b, unix.ETHTOOL_A_BITSET_VALUE)
	if err != nil {
		return false, err
	}
	at := uint64(bit) / 32 * 4 // an int has 32 bits on some machines
	if at+4 > uint64(len(words)) {
		return false, fmt.Errorf("%w: a bitset of %d bytes has no bit %d", nlmsg.ErrMalformed, len(words), bit)
	}
	return o.Uint32(words[at:])>>(bit%32)&1 != 0, nil
}

// findString looks for a string in an answer to STRSET_GET and tells its index.
func findString(o nlmsg.Order, data []byte, want string) (index uint32, found bool, err error) {
	if len(data) < genericHeader {
		return 0, false, fmt.Errorf("%w: a genetlink message of %d bytes", nlmsg.ErrMalformed, len(data))
	}
	b := data[genericHeader:]
	for _, level := range []uint16{unix.ETHTOOL_A_STRSET_STRINGSETS, unix.ETHTOOL_A_STRINGSETS_STRINGSET, unix.ETHTOOL_A_STRINGSET_STRINGS} {
		if b, err = inside(o, b, level); err != nil {
			return 0, false, err
		}
	}
	for a, err := range attrs(o, b) {
		if err != nil {
			return 0, false, err
		}
		value, err := inside(o, a.Data, unix.ETHTOOL_A_STRING_VALUE)
		if err != nil {
			return 0, false, err
		}
		if (nlmsg.Attr{Data: value}).String() != want {
			continue
		}
		number, err := inside(o, a.Data, unix.ETHTOOL_A_STRING_INDEX)
		if err == nil && len(number) < 4 {
			err = fmt.Errorf("%w: a string without index", nlmsg.ErrMalformed)
		}
		if err != nil {
			return 0, false, err
		}
		return o.Uint32(number), true, nil
	}
	return 0, false, nil
}
