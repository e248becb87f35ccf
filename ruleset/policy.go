package ruleset

import (
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// A Policy says which connections a flowtable takes, and when. It compiles to a chain of its own: first rules that return for
// what is excluded, then `flow add`. At priority filter + 10 it stands behind most firewalls' chains: what they drop never comes
// to it, and what they accept does, because accept ends only the chain that it stands in. Every zero field but Flowtable is the
// recommended default. Safe for concurrent reading.
//
// A connection is offloaded as a whole by the first packet, of either direction, that no exclusion holds back. Connections that
// are in the fast path already run on when an exclusion is added, until they are evicted.
type Policy struct {
	// Flowtable is the name of a flowtable of the same table.
	Flowtable string `json:"flowtable"`
	// Only narrows what is offloaded. Zero is every established TCP and UDP connection.
	Only Selection `json:"only,omitzero"`
	// Except says what is not offloaded.
	Except Exclusions `json:"except,omitzero"`
	// After says how much of a connection takes the classic path first. Zero is no more than the kernel itself wants.
	After Threshold `json:"after,omitzero"`
	// Announce is one bit of the ct mark, as a number in nft's spelling ("0x100"), that is set when a connection is offloaded,
	// by a statement behind `flow add` in the same rule. conntrack tells that change as an event, and the bit tells the flowtable
	// (Spec.Announced). It stays set when the connection leaves the fast path, and nobody else's rules may use it.
	Announce string `json:"announce,omitempty"`
	// Chain is the name of the chain that the policy compiles to. Zero is "offload-" and the flowtable's name.
	Chain string `json:"chain,omitempty"`
	// Priority of the chain in the forward hook. Zero is "filter + 10".
	Priority flowtable.Priority `json:"priority,omitempty"`
	// Inline makes the chain one without hook, for forward chains of the same table to jump to. Nothing is offloaded unless one does.
	Inline bool `json:"inline,omitempty"`
	// Counter counts, in each rule, the packets that were excluded and the connections that were offloaded.
	Counter bool `json:"counter,omitempty"`
}

// A Selection narrows what a Policy offloads; a connection must meet all of its fields. Safe for concurrent reading.
type Selection struct {
	// Family is "ip" or "ip6". Zero is both, or that of the table.
	Family Family `json:"family,omitempty"`
	// Protocols are "tcp", "udp" and "gre" (Linux 5.18, without NAT), all that kernels offload. Zero is TCP and UDP.
	Protocols []string `json:"protocols,omitempty"`
	// States are connection states: Established (zero), Related, New. TCP is offloaded no sooner than established; New lets UDP
	// that is never answered in, from its second packet on.
	States []string `json:"states,omitempty"`
	// Direction is that of the packets that get their connection offloaded, Original or Reply. Zero is both. It is the remedy for
	// marks and code points that only one direction bears: the other could not be told from what is not excluded.
	Direction string `json:"direction,omitempty"`
	// Between lists pairs of devices; a connection must run between one of them.
	Between []DevicePair `json:"between,omitempty"`
	// Also are further statements in front of `flow add`: matches, limits, Raw.
	Also []Statement `json:"also,omitempty"`
}

// IsZero reports whether the Selection narrows nothing; JSON leaves it out then.
func (s Selection) IsZero() bool {
	return s.Family == "" && s.Direction == "" && len(s.Protocols)+len(s.States)+len(s.Between)+len(s.Also) == 0
}

// A DevicePair is the devices on two sides of the router, by name ("lan0"), prefix ("ppp*") or one set of the same table
// ("@wan"): those that the forward hook sees, such as a bridge or a VLAN device, whatever the flowtable lists. An empty side is
// any device. Safe for concurrent reading.
type DevicePair struct {
	From []string `json:"from,omitempty"`
	To   []string `json:"to,omitempty"`
	// OneWay takes only connections that were opened from the side of From.
	OneWay bool `json:"oneWay,omitempty"`
}

// Exclusions say what a Policy does not offload; one that matches is enough. Addresses, ports, devices and sets are tested on
// both sides, so that they match packets of both directions. Marks and code points are those of the packet at hand: see
// Selection.Direction. CTMarks, Helpers and Zones belong to the connection. Safe for concurrent reading.
type Exclusions struct {
	// Rules are the caller's own: a packet that passes all statements of one is left alone. Return() is added where it is not the
	// last statement already. They are tried first.
	Rules []Rule `json:"rules,omitempty"`
	// Marks and CTMarks are marks of the packet and of the connection.
	Marks   []MarkBits `json:"marks,omitempty"`
	CTMarks []MarkBits `json:"ctMarks,omitempty"`
	// DSCP are code points, by name or number, or ranges: "ef", "8-15".
	DSCP []string `json:"dscp,omitempty"`
	// Devices are names or prefixes, as in DevicePair.
	Devices []string `json:"devices,omitempty"`
	// Addrs are addresses, prefixes and ranges, of IPv4 and IPv6 mixed. What the table does not carry is left out.
	Addrs []string `json:"addrs,omitempty"`
	// Ports are ports and ranges of TCP and UDP: "5060-5061".
	Ports []string `json:"ports,omitempty"`
	// Sets are names of sets of the same table. Their type says what they are compared with. A Live set can be changed without a plan.
	Sets []string `json:"sets,omitempty"`
	// Helpers are names of conntrack helpers, whose expected connections are left alone: "ftp", "sip". Connections that have a helper
	// themselves are never offloaded.
	Helpers []string `json:"helpers,omitempty"`
	// Zones are conntrack zones.
	Zones []uint16 `json:"zones,omitempty"`
	// IPsec leaves alone what goes into an IPsec tunnel, besides what comes out of one, which is never offloaded.
	IPsec bool `json:"ipsec,omitempty"`
}

// IsZero reports whether nothing is excluded; JSON leaves it out then.
func (e Exclusions) IsZero() bool {
	return !e.IPsec && len(e.Rules)+len(e.Marks)+len(e.CTMarks)+len(e.DSCP)+len(e.Devices)+len(e.Addrs)+len(e.Ports)+
		len(e.Sets)+len(e.Helpers)+len(e.Zones) == 0
}

// MarkBits are marks, as numbers in nft's spelling, that equal Value in the bits of Mask. A zero Value is any mark with one of
// the bits set, a zero Mask every bit. Safe for concurrent reading.
type MarkBits struct {
	Value string `json:"value,omitempty"`
	Mask  string `json:"mask,omitempty"`
}

// A Threshold is how much of a connection has to come before it is offloaded; all that is set must be reached. It turns
// net.netfilter.nf_conntrack_acct on for good (net/netfilter/nft_ct.c); connections from before that never reach it.
// Safe for concurrent reading.
type Threshold struct {
	Packets uint64 `json:"packets,omitempty"`
	Bytes   uint64 `json:"bytes,omitempty"`
	// Direction of what is counted, Original or Reply. Zero is both together.
	Direction string `json:"direction,omitempty"`
}

// Elephants is a Policy that offloads what goes on: connections of 20 packets, both directions together.
func Elephants(flowtable string) Policy {
	return Policy{Flowtable: flowtable, After: Threshold{Packets: 20}}
}

// SkipDPI is a Policy that leaves the first 30 packets of the original direction on the classic path, for programs that look
// into them (deep packet inspection by nfqueue, tproxy or the like).
func SkipDPI(flowtable string) Policy {
	return Policy{Flowtable: flowtable, After: Threshold{Packets: 30, Direction: Original}}
}

// SkipMarked is a Policy that leaves packets alone whose meta mark has value in the bits of mask; a value of 0 is any mark with
// one of the bits set. Where only one direction is marked, set Only.Direction to it.
func SkipMarked(flowtable string, value, mask uint32) Policy {
	bits := MarkBits{Mask: nftvalue.Hex(mask)}
	if value != 0 {
		bits.Value = nftvalue.Hex(value)
	}
	return Policy{Flowtable: flowtable, Except: Exclusions{Marks: []MarkBits{bits}}}
}

// Announced names the flowtable that each announcement bit of the policies stands for; a nil Spec has none.
func (s *Spec) Announced() map[uint32]string {
	bits := map[uint32]string{}
	if s == nil {
		return bits
	}
	for i := range s.Tables {
		for j := range s.Tables[i].Offload {
			p := &s.Tables[i].Offload[j]
			if bit, err := nftvalue.ParseNumber(p.Announce); err == nil && bit != 0 && bit < 1<<32 {
				bits[uint32(bit)] = p.Flowtable
			}
		}
	}
	return bits
}

// chain is the name of the policy's chain.
func (p *Policy) chain() string {
	if p.Chain != "" {
		return p.Chain
	}
	return "offload-" + p.Flowtable
}

// protocols are those that are offloaded.
func (p *Policy) protocols() []string {
	if len(p.Only.Protocols) > 0 {
		return p.Only.Protocols
	}
	return []string{TCP, UDP}
}

// numbers are the protocols as the kernel numbers them, without what is none.
func (p *Policy) numbers() []byte {
	var all []byte
	for _, word := range p.protocols() {
		if s, err := nftvalue.Parse(nftvalue.Proto, word); err == nil {
			all = append(all, s.Low[0])
		}
	}
	return all
}

// portful are the protocols that have ports.
func (p *Policy) portful() []string {
	var with []string
	for _, n := range p.numbers() {
		if carriesPorts(n) {
			with = append(with, nftvalue.ProtoWord(n))
		}
	}
	return with
}
