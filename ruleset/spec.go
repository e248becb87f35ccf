package ruleset

import "github.com/go-fastpath/fastpath/flowtable"

// DefaultOwner is the owner of a Spec that names none.
const DefaultOwner = "fastpath"

// A Spec declares tables. It is inert data: no privilege, no kernel, no Close. Its JSON form is stable and strict: unknown
// fields are errors at every level (Parse). Safe for concurrent reading.
type Spec struct {
	// Owner is the mark that every table of this Spec bears in its comment, so that two programs on one host stay apart. A
	// table with this mark that is no longer declared is deleted. Zero is "fastpath".
	Owner  string  `json:"owner,omitempty"`
	Tables []Table `json:"tables"`
}

// A Table is owned whole: chains, sets, rules and flowtables that it does not declare are removed from it. Stateful objects of
// others (counters, quotas, helpers) are told in the plan's warnings and stay. Safe for concurrent reading.
type Table struct {
	// Family is "inet" (zero), "ip" or "ip6": the three that have flowtables.
	Family Family `json:"family,omitempty"`
	Name   string `json:"name"`

	Flowtables []flowtable.Spec `json:"flowtables,omitempty"`
	Sets       []Set            `json:"sets,omitempty"`
	// Offload says what the flowtables take and when. Each Policy compiles to one more chain, in place of rules written by hand.
	Offload []Policy `json:"offload,omitempty"`
	Chains  []Chain  `json:"chains,omitempty"`
}

// Family is an nftables address family.
type Family string

// The families that have flowtables (net/netfilter/nf_flow_table_inet.c).
const (
	Inet Family = "inet"
	IP   Family = "ip"
	IP6  Family = "ip6"
)

// A Set holds elements of one type, in nft's spelling. Safe for concurrent reading.
type Set struct {
	Name string  `json:"name"`
	Type SetType `json:"type"`
	// Interval sets hold prefixes and ranges beside single values (nft's `flags interval`). Elements must not overlap.
	Interval bool `json:"interval,omitempty"`
	// Live elements are left alone by plans: those that others add and remove while the ruleset is in force, such as addresses to
	// keep off the fast path. Elements is what the set is created with, and is not looked at again.
	Live bool `json:"live,omitempty"`
	// Elements such as "192.0.2.1", "10.0.0.0/8", "10.0.0.1-10.0.0.9", "2001:db8::/32", "443", "1024-2047", "eth0". Order does not matter.
	Elements []string `json:"elements,omitempty"`
}

// SetType is the type of a set's elements, as nft names it.
type SetType string

// The set types.
const (
	IPv4Addr    SetType = "ipv4_addr"
	IPv6Addr    SetType = "ipv6_addr"
	InetService SetType = "inet_service"
	IfName      SetType = "ifname"
)

// A Chain holds rules. With a Hook it is a base chain, entered by packets; without one it is a regular chain, entered by
// jump and goto. Type, Priority and Policy belong to base chains. Safe for concurrent reading.
type Chain struct {
	Name string    `json:"name"`
	Type ChainType `json:"type,omitempty"` // zero is "filter"
	Hook Hook      `json:"hook,omitempty"`
	// Priority in nft's spelling: "filter" (zero), "dstnat", "srcnat + 5", "-150".
	Priority flowtable.Priority `json:"priority,omitempty"`
	// Policy is the verdict at the chain's end: "accept" (zero) or "drop".
	Policy Verdict `json:"policy,omitempty"`
	Rules  []Rule  `json:"rules,omitempty"`
}

// ChainType is the type of a base chain.
type ChainType string

// The chain types. "nat" chains see only the first packet of a connection.
const (
	FilterChain ChainType = "filter"
	NATChain    ChainType = "nat"
	RouteChain  ChainType = "route"
)

// Hook is the place where packets enter a base chain.
type Hook string

// The hooks of the families ip, ip6 and inet. `flow add` works in Forward alone.
const (
	Prerouting  Hook = "prerouting"
	Input       Hook = "input"
	Forward     Hook = "forward"
	Output      Hook = "output"
	Postrouting Hook = "postrouting"
)
