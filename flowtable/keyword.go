package flowtable

// isKeyword reports whether nft's scanner takes the word for itself wherever it stands, so that it can name nothing and quoting
// does not help. These are all unconditional words of nftables 1.0.6 to 1.1.6 (src/scanner.l): a name must work in each.
func isKeyword(word string) bool {
	switch word {
	case "accept", "add", "ah", "all", "and", "arp", "auto-merge", "bridge", "cgroup", "chain", "comment", "comp",
		"constant", "continue", "counter", "cpu", "create", "ct", "day", "dccp", "define", "delete", "describe",
		"destroy", "device", "devices", "dnat", "drop", "dst", "dup", "dynamic", "ecn", "element", "elements", "eq",
		"esp", "ether", "exists", "expires", "export", "exthdr", "fib", "flags", "flow", "flowtable", "flush", "frag",
		"fwd", "gc-interval", "ge", "geneve", "get", "goto", "gre", "gretap", "gt", "handle", "hbh", "hook", "hour",
		"ibriport", "ibrname", "icmp", "icmpv6", "igmp", "iif", "iifgroup", "iifname", "iiftype", "import", "include",
		"index", "inet", "insert", "interval", "ip", "ip6", "ipsec", "jhash", "jump", "last", "le", "limit", "list",
		"log", "lshift", "lt", "map", "mark", "masquerade", "meta", "meter", "mh", "missing", "monitor", "ne",
		"netdev", "nftrace", "not", "notrack", "numgen", "obriport", "obrname", "offload", "oif", "oifgroup",
		"oifname", "oiftype", "or", "osf", "pkttype", "policy", "position", "priority", "queue", "quota", "random",
		"redefine", "redirect", "reject", "rename", "replace", "reset", "return", "rshift", "rt", "rt0", "rt2",
		"rtclassid", "rule", "ruleset", "sctp", "secmark", "set", "size", "skgid", "skuid", "snat", "socket", "srh",
		"symhash", "synproxy", "table", "tcp", "th", "time", "timeout", "tproxy", "tunnel", "type", "typeof", "udp",
		"udplite", "undefine", "update", "vlan", "vmap", "vni", "vxlan", "xor", "xt":
		return true
	}
	return false
}

// isKeywordAfterAt reports whether nft's scanner takes the word for itself behind an "@", where sets and flowtables are named.
func isKeywordAfterAt(word string) bool { return word == "ll" || word == "nh" }
