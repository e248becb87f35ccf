package nftvalue

import (
	"strconv"
	"strings"
)

// number is the value of one of the kind's words.
func (k Kind) number(word string) (uint64, bool) {
	switch k {
	case Proto:
		return protoNumber(word)
	case NFProto:
		return nfprotoNumber(word)
	case CTDir:
		return directionNumber(word)
	case CTState:
		return stateBit(word)
	case CTStatus:
		return statusBit(word)
	case DSCP:
		return dscpNumber(word)
	case TCPFlags:
		return tcpFlagBit(word)
	case Exists:
		return existsNumber(word)
	}
	return 0, false
}

// Expects says in words what the kind takes.
func (k Kind) Expects() string {
	switch k {
	case IPv4:
		return `an IPv4 address, prefix or range, such as "192.0.2.1", "192.0.2.0/24", "192.0.2.1-192.0.2.9"`
	case IPv6:
		return `an IPv6 address, prefix or range, such as "2001:db8::1", "2001:db8::/32"`
	case Port:
		return `a port or a range, 0 to 65535, such as "443", "1024-65535"`
	case IfName:
		return `a device name of 1 to 15 bytes, or a prefix such as "ppp*"`
	case Proto:
		return `a protocol, such as "tcp", "udp", "icmp", "icmpv6", "gre", or its number, 0 to 255`
	case NFProto:
		return `"ipv4" or "ipv6"`
	case Mark:
		return `a number of 32 bits, such as "16", "0x10"`
	case CTState:
		return `a connection state: "invalid", "established", "related", "new", "untracked"`
	case CTStatus:
		return `a connection status: "expected", "seen-reply", "assured", "confirmed", "snat", "dnat", "dying"`
	case CTDir:
		return `"original" or "reply"`
	case DSCP:
		return `a code point or a range, 0 to 63, or a name, such as "ef", "cs1", "af41"`
	case Helper:
		return `the name of a helper, 1 to 15 letters, digits, "-", "_" and ".", such as "ftp", "Q.931"`
	case Zone:
		return `a zone, 0 to 65535`
	case TCPFlags:
		return `a flag of TCP: "fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"`
	case Exists:
		return `"exists" or "missing"`
	case Meter:
		return "a threshold"
	}
	return "a known kind of value"
}

// Numbers of include/uapi/linux/in.h and include/uapi/linux/netfilter.h.
const (
	ProtoTCP    = 6
	ProtoUDP    = 17
	NFProtoIPv4 = 2
	nfprotoIPv6 = 10
)

// protoNumber is IPPROTO_* (include/uapi/linux/in.h) by the names of nft and /etc/protocols.
func protoNumber(word string) (uint64, bool) {
	switch word {
	case "icmp":
		return 1, true
	case "igmp":
		return 2, true
	case "tcp":
		return ProtoTCP, true
	case "udp":
		return ProtoUDP, true
	case "dccp":
		return 33, true
	case "gre":
		return 47, true
	case "esp":
		return 50, true
	case "ah":
		return 51, true
	case "icmpv6", "ipv6-icmp":
		return 58, true
	case "ospf":
		return 89, true
	case "pim":
		return 103, true
	case "comp":
		return 108, true
	case "vrrp":
		return 112, true
	case "sctp":
		return 132, true
	case "udplite":
		return 136, true
	}
	return 0, false
}

// ProtoWord is the protocol as nft spells it without the help of /etc/protocols: its own reserved words (1.0.6), else numbers.
func ProtoWord(v byte) string {
	for _, word := range [...]string{"icmp", "tcp", "udp", "dccp", "esp", "ah", "icmpv6", "comp", "sctp", "udplite"} {
		if n, _ := protoNumber(word); n == uint64(v) {
			return word
		}
	}
	return strconv.Itoa(int(v))
}

// nfprotoNumber is NFPROTO_* (include/uapi/linux/netfilter.h).
func nfprotoNumber(word string) (uint64, bool) {
	switch word {
	case "ipv4":
		return NFProtoIPv4, true
	case "ipv6":
		return nfprotoIPv6, true
	}
	return 0, false
}

// directionNumber is IP_CT_DIR_* (include/uapi/linux/netfilter/nf_conntrack_tuple_common.h).
func directionNumber(word string) (uint64, bool) {
	switch word {
	case "original":
		return 0, true
	case "reply":
		return 1, true
	}
	return 0, false
}

// stateBit is NF_CT_STATE_BIT of a state (include/uapi/linux/netfilter/nf_conntrack_common.h).
func stateBit(word string) (uint64, bool) {
	switch word {
	case "invalid":
		return 1 << 0, true
	case "established":
		return 1 << 1, true
	case "related":
		return 1 << 2, true
	case "new":
		return 1 << 3, true
	case "untracked":
		return 1 << 6, true
	}
	return 0, false
}

// statusBit is the IPS_* bit that nft has the name for (nftables src/ct.c).
func statusBit(word string) (uint64, bool) {
	switch word {
	case "expected":
		return 1 << 0, true
	case "seen-reply":
		return 1 << 1, true
	case "assured":
		return 1 << 2, true
	case "confirmed":
		return 1 << 3, true
	case "snat":
		return 1 << 4, true
	case "dnat":
		return 1 << 5, true
	case "dying":
		return 1 << 9, true
	}
	return 0, false
}

// tcpFlagBit is a flag in byte 13 of the TCP header (RFC 9293, section 3.1), by nft's names.
func tcpFlagBit(word string) (uint64, bool) {
	for i, flag := range [...]string{"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"} {
		if flag == word {
			return 1 << i, true
		}
	}
	return 0, false
}

// existsNumber reads nft's boolean type.
func existsNumber(word string) (uint64, bool) {
	switch word {
	case "exists":
		return 1, true
	case "missing":
		return 0, true
	}
	return 0, false
}

// maxHelper is the longest name of a helper in bytes (NF_CT_HELPER_NAME_LEN without the NUL).
const maxHelper = 15

// helper reads the name of a conntrack helper. nft would read a "*" at its end as a wildcard.
func (r *Reader) helper(word string) ([]byte, error) {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)
	}
	if len(word) > maxHelper || strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return nil, Helper.Unfit(word)
	}
	return r.text(word), nil
}

// dscpNumber reads a name of a code point (nftables src/proto.c): csN is 8N, afXY is 8X+2Y, ef is 46.
func dscpNumber(word string) (uint64, bool) {
	switch {
	case word == "ef":
		return 46, true
	case len(word) == 3 && word[:2] == "cs" && word[2] >= '0' && word[2] <= '7':
		return 8 * uint64(word[2]-'0'), true
	case len(word) == 4 && word[:2] == "af" && word[2] >= '1' && word[2] <= '4' && word[3] >= '1' && word[3] <= '3':
		return 8*uint64(word[2]-'0') + 2*uint64(word[3]-'0'), true
	}
	return 0, false
}

// dscpWord is the code point as nft prints it.
func dscpWord(v byte) string {
	class, drop := v/8, v%8
	switch {
	case v == 46:
		return "ef"
	case drop == 0 && class <= 7:
		return "cs" + strconv.Itoa(int(class))
	case class >= 1 && class <= 4 && (drop == 2 || drop == 4 || drop == 6):
		return "af" + strconv.Itoa(int(class)) + strconv.Itoa(int(drop/2))
	}
	return "0x" + strconv.FormatUint(uint64(v)|0x100, 16)[1:]
}
