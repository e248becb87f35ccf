package ruleset

// names maps the kind's words to numbers; nil where there are none.
func (k valueKind) names() map[string]uint64 {
	switch k {
	case kindProto:
		return protoNumbers()
	case kindNFProto:
		return map[string]uint64{"ipv4": 2, "ipv6": 10} // NFPROTO_*, include/uapi/linux/netfilter.h
	case kindCTDir:
		return map[string]uint64{Original: 0, Reply: 1} // IP_CT_DIR_*
	case kindCTState:
		return ctStateBits()
	case kindCTStatus:
		return ctStatusBits()
	case kindDSCP:
		return dscpNumbers()
	}
	return nil
}

// expects says in words what the kind takes.
func (k valueKind) expects() string {
	switch k {
	case kindIPv4:
		return `an IPv4 address, prefix or range, such as "192.0.2.1", "192.0.2.0/24", "192.0.2.1-192.0.2.9"`
	case kindIPv6:
		return `an IPv6 address, prefix or range, such as "2001:db8::1", "2001:db8::/32"`
	case kindPort:
		return `a port or a range, 0 to 65535, such as "443", "1024-65535"`
	case kindIfName:
		return `a device name of 1 to 15 bytes, or a prefix such as "ppp*"`
	case kindProto:
		return `a protocol, such as "tcp", "udp", "icmp", "icmpv6", "gre", or its number, 0 to 255`
	case kindNFProto:
		return `"ipv4" or "ipv6"`
	case kindMark:
		return `a number of 32 bits, such as "16", "0x10"`
	case kindCTState:
		return `a connection state: "invalid", "established", "related", "new", "untracked"`
	case kindCTStatus:
		return `a connection status: "expected", "seen-reply", "assured", "confirmed", "snat", "dnat", "dying"`
	case kindCTDir:
		return `"original" or "reply"`
	case kindDSCP:
		return `a code point, 0 to 63, or its name, such as "ef", "cs1", "af41"`
	case kindMeter:
		return "a threshold"
	}
	return "a known kind of value"
}

// protoNumbers are IPPROTO_* (include/uapi/linux/in.h) by the names that nft and /etc/protocols use.
func protoNumbers() map[string]uint64 {
	return map[string]uint64{
		"icmp": 1, "igmp": 2, "ipencap": 4, TCP: 6, UDP: 17, "dccp": 33, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51,
		"icmpv6": 58, "ipv6-icmp": 58, "eigrp": 88, "ospf": 89, "pim": 103, "comp": 108, "ipcomp": 108, "vrrp": 112, "l2tp": 115,
		"sctp": 132, "udplite": 136,
	}
}

// ctStateBits are NF_CT_STATE_BIT values (include/uapi/linux/netfilter/nf_conntrack_common.h).
func ctStateBits() map[string]uint64 {
	return map[string]uint64{Invalid: 1, Established: 2, Related: 4, New: 8, Untracked: 64}
}

// ctStatusBits are IPS_* bits that nft has names for (nftables src/ct.c).
func ctStatusBits() map[string]uint64 {
	return map[string]uint64{
		"expected": 1 << 0, "seen-reply": 1 << 1, "assured": 1 << 2, "confirmed": 1 << 3, "snat": 1 << 4, "dnat": 1 << 5, "dying": 1 << 9,
	}
}

// dscpNumbers are the code points that nft has names for (nftables src/proto.c).
func dscpNumbers() map[string]uint64 {
	return map[string]uint64{
		"cs0": 0, "cs1": 8, "cs2": 16, "cs3": 24, "cs4": 32, "cs5": 40, "cs6": 48, "cs7": 56,
		"af11": 10, "af12": 12, "af13": 14, "af21": 18, "af22": 20, "af23": 22,
		"af31": 26, "af32": 28, "af33": 30, "af41": 34, "af42": 36, "af43": 38, "ef": 46,
	}
}
