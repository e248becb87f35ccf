package judge

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// value is what NFTA_DATA_VALUE holds.
func value(o nlmsg.Order, data []byte) (v []byte) {
	_ = nlmsg.EachAttr(o, data, func(a nlmsg.Attr) error {
		if a.Type == nlmsg.NFTADataValue {
			v = a.Data
		}
		return nil
	})
	return v
}

// canonical is a list of attributes in one form, whoever wrote it: by type, without zeros and without one of them.
func canonical(o nlmsg.Order, data []byte, without uint16) ([]byte, error) {
	var list []nlmsg.Attr
	err := nlmsg.EachAttr(o, data, func(a nlmsg.Attr) error {
		if a.Type != without && len(bytes.Trim(a.Data, "\x00")) > 0 {
			list = append(list, a)
		}
		return nil
	})
	slices.SortFunc(list, func(a, b nlmsg.Attr) int { return cmp.Compare(a.Type, b.Type) })
	var b []byte
	for _, a := range list {
		b = append(append(b, byte(a.Type), byte(len(a.Data))), a.Data...)
	}
	return b, err
}

// verdictOf is what NFTA_DATA_VERDICT holds; false if there is none.
func verdictOf(o nlmsg.Order, data []byte) (code uint32, chain string, ok bool) {
	_ = nlmsg.EachAttr(o, data, func(a nlmsg.Attr) error {
		if a.Type != nlmsg.NFTADataVerdict {
			return nil
		}
		return nlmsg.EachAttr(o, a.Data, func(a nlmsg.Attr) (err error) {
			switch a.Type {
			case nlmsg.NFTAVerdictCode:
				code, err = a.Uint32BE()
				ok = err == nil
			case nlmsg.NFTAVerdictChain:
				chain = a.String()
			}
			return err
		})
	})
	return code, chain, ok
}

// setName is a set's own name, or one made of its number in a batch: there all anonymous sets have the same name.
func setName(name string, id uint32) string {
	if id != 0 && strings.Contains(name, "%") {
		return "#" + strconv.FormatUint(uint64(id), 10)
	}
	return name
}

// Keys of meta (enum nft_meta_keys) and ct (enum nft_ct_keys) that are known of a connection, or may differ from packet to
// packet of it.
const (
	metaLen      = 0
	metaProtocol = 1
	metaMark     = 3
	metaIIFName  = 6
	metaOIFName  = 7
	metaNFProto  = 15
	metaL4Proto  = 16
	metaCPU      = 20
	metaPRandom  = 24
	metaSecPath  = 25
	metaTimeNS   = 30
	metaTimeHour = 32

	ctState      = 0
	ctDirection  = 1
	ctStatus     = 2
	ctMark       = 3
	ctExpiration = 5
	ctHelper     = 6
	ctL3Protocol = 7
	ctSrc        = 8
	ctDst        = 9
	ctProtocol   = 10
	ctProtoSrc   = 11
	ctProtoDst   = 12
	ctLabels     = 13
	ctPackets    = 14
	ctBytes      = 15
	ctAvgPacket  = 16
	ctZone       = 17
	ctSrcIP      = 19
	ctDstIP      = 20
	ctSrcIP6     = 21
	ctDstIP6     = 22
)

// metaVaries reports whether a key differs from packet to packet of one connection and direction.
func metaVaries(key uint32) bool {
	return key == metaLen || key == metaCPU || key == metaPRandom || key >= metaTimeNS && key <= metaTimeHour
}

// metaLength is how many bytes a key of meta fills.
func metaLength(key uint32) int {
	switch key {
	case metaIIFName, metaOIFName, 17, 18, 26, 27, 34: // of bridges, kinds, of the slave
		return 16
	case metaTimeNS:
		return 8
	}
	return 4
}

// ctLength is how many bytes a key of ct fills that is not known.
func ctLength(key uint32) int {
	switch key {
	case ctLabels:
		return 16
	case ctAvgPacket:
		return 8
	}
	return 4
}

// commentOf is the comment in a rule's user data: a list of type, length and value.
func commentOf(b []byte) string {
	for len(b) >= 2 && len(b)-2 >= int(b[1]) {
		v := b[2 : 2+int(b[1])]
		if b[0] == nlmsg.UdataRuleComment {
			return strings.TrimRight(string(v), "\x00")
		}
		b = b[2+len(v):]
	}
	return ""
}

// familyNumber is a family that has hooks on the way of forwarded packets.
func familyNumber(f ruleset.Family) (byte, bool) {
	switch f {
	case ruleset.Inet:
		return nlmsg.FamilyInet, true
	case ruleset.IP:
		return nlmsg.FamilyIPv4, true
	case ruleset.IP6:
		return nlmsg.FamilyIPv6, true
	}
	return 0, false
}

// FamilyName is a table's family, by its number (NFPROTO_*), as nft names it.
func FamilyName(n byte) ruleset.Family {
	switch n {
	case nlmsg.FamilyIPv4:
		return ruleset.IP
	case nlmsg.FamilyIPv6:
		return ruleset.IP6
	}
	return ruleset.Inet
}
