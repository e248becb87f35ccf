package ruleset

import (
	"strconv"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// A WordField is tested against words in nft's spelling: protocols, devices, addresses, states.
type WordField Field

// Is matches any of the values.
func (f WordField) Is(values ...string) Statement {
	return Statement{Match: &Match{Field: Field(f), Is: values}}
}

// Not matches none of the values.
func (f WordField) Not(values ...string) Statement {
	return Statement{Match: &Match{Field: Field(f), Not: values}}
}

// In matches the elements of a set of the same table.
func (f WordField) In(set string) Statement { return f.Is("@" + set) }

// NotIn matches what is not in a set of the same table.
func (f WordField) NotIn(set string) Statement { return f.Not("@" + set) }

// A NumberField is tested against numbers: ports, DSCP.
type NumberField Field

// Is matches any of the numbers.
func (f NumberField) Is(values ...uint16) Statement {
	return Statement{Match: &Match{Field: Field(f), Is: decimals(values)}}
}

// Not matches none of the numbers.
func (f NumberField) Not(values ...uint16) Statement {
	return Statement{Match: &Match{Field: Field(f), Not: decimals(values)}}
}

// Between matches from low to high, both included.
func (f NumberField) Between(low, high uint16) Statement {
	return WordField(f).Is(strconv.Itoa(int(low)) + "-" + strconv.Itoa(int(high)))
}

// In matches the elements of a set of the same table.
func (f NumberField) In(set string) Statement { return WordField(f).In(set) }

// NotIn matches what is not in a set of the same table.
func (f NumberField) NotIn(set string) Statement { return WordField(f).NotIn(set) }

// A MarkField is 32 bits that rules test and set.
type MarkField Field

// Is matches any of the marks, whole.
func (f MarkField) Is(values ...uint32) Statement {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = nftvalue.Hex(v)
	}
	return WordField(f).Is(words...)
}

// Has matches when the bits of mask equal those of value: `mark & mask == value`. Validate refuses a mask of 0, and bits of
// value outside of it.
func (f MarkField) Has(value, mask uint32) Statement {
	return Statement{Match: &Match{Field: Field(f), Is: []string{nftvalue.Hex(value)}, Mask: nftvalue.Hex(mask)}}
}

// HasNot matches when the bits of mask differ from those of value: `mark & mask != value`.
func (f MarkField) HasNot(value, mask uint32) Statement {
	return Statement{Match: &Match{Field: Field(f), Not: []string{nftvalue.Hex(value)}, Mask: nftvalue.Hex(mask)}}
}

// Set sets the bits of mask to those of value and leaves the others: `mark set mark & ^mask | value`. ^uint32(0) is the whole
// mark. Validate refuses a mask of 0, and bits of value outside of it.
func (f MarkField) Set(value, mask uint32) Statement {
	return Statement{Set: &Mutation{Field: Field(f), Value: nftvalue.Hex(value), Mask: nftvalue.Hex(mask)}}
}

// A MeterField is a counter of the connection. A rule with one turns net.netfilter.nf_conntrack_acct on for good
// (net/netfilter/nft_ct.c), and flows created before have no counters.
type MeterField Field

// AtLeast matches from n on, in packets or bytes.
func (f MeterField) AtLeast(n uint64) Statement {
	return Statement{Match: &Match{Field: Field(f), AtLeast: n}}
}

// Below matches as long as the counter is less than n.
func (f MeterField) Below(n uint64) Statement {
	return Statement{Match: &Match{Field: Field(f), Below: n}}
}

// FlowAdd offloads the packet's connection to a flowtable of the same table. When the connection cannot be offloaded (yet)
// the rule ends here; statements behind it run only on success (net/netfilter/nft_flow_offload.c).
func FlowAdd(name string) Statement { return Statement{FlowAdd: name} }

// Accept ends the evaluation of this base chain.
func Accept() Statement { return Statement{Verdict: VerdictAccept} }

// Drop drops the packet.
func Drop() Statement { return Statement{Verdict: VerdictDrop} }

// Return goes back to the calling chain, or to the base chain's policy.
func Return() Statement { return Statement{Verdict: VerdictReturn} }

// Jump continues in a regular chain and comes back.
func Jump(chain string) Statement { return Statement{Jump: chain} }

// Goto continues in a regular chain and does not come back.
func Goto(chain string) Statement { return Statement{Goto: chain} }

// Counter counts the packets and bytes that come to it.
func Counter() Statement { return Statement{Counter: &Counting{}} }

// DNAT translates the destination of a new connection. The port is kept if it is 0.
func DNAT(addr string, port uint16) Statement {
	return Statement{DNAT: &NAT{Addr: addr, Port: port}}
}

// SNAT translates the source of a new connection. The port is kept if it is 0.
func SNAT(addr string, port uint16) Statement {
	return Statement{SNAT: &NAT{Addr: addr, Port: port}}
}

// Masquerade translates the source of a new connection to the address of the outgoing device.
func Masquerade() Statement { return Statement{Masquerade: &Masquerading{}} }

func decimals(values []uint16) []string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = strconv.Itoa(int(v))
	}
	return words
}
