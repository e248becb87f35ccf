package ruleset

// A Rule is a list of statements, read left to right as nft does: the first match that fails ends the rule.
// Safe for concurrent reading.
type Rule struct {
	Do      []Statement `json:"do"`
	Comment string      `json:"comment,omitempty"` // at most 127 bytes
}

// R makes a Rule of statements.
func R(do ...Statement) Rule { return Rule{Do: do} }

// Note returns the rule with a comment.
func (r Rule) Note(comment string) Rule {
	r.Comment = comment
	return r
}

// A Statement is one test or action of a Rule. Exactly one field is set; write it with the verbs (CTState.Is, FlowAdd, ...).
// Safe for concurrent reading.
type Statement struct {
	Match      *Match        `json:"match,omitempty"`
	FlowAdd    string        `json:"flowAdd,omitempty"` // name of a flowtable of the same table; only reachable from forward base chains
	Verdict    Verdict       `json:"verdict,omitempty"`
	Jump       string        `json:"jump,omitempty"` // name of a regular chain of the same table
	Goto       string        `json:"goto,omitempty"` // likewise, without coming back
	Set        *Mutation     `json:"set,omitempty"`
	DNAT       *NAT          `json:"dnat,omitempty"`
	SNAT       *NAT          `json:"snat,omitempty"`
	Masquerade *Masquerading `json:"masquerade,omitempty"`
	Counter    *Counting     `json:"counter,omitempty"`
	Limit      *Limiting     `json:"limit,omitempty"`
	Log        *Logging      `json:"log,omitempty"`
	Raw        *Raw          `json:"raw,omitempty"`
}

// Verdict ends the evaluation of a rule.
type Verdict string

// The verdicts.
const (
	VerdictAccept Verdict = "accept"
	VerdictDrop   Verdict = "drop"
	VerdictReturn Verdict = "return"
)

// A Match tests one field of the packet or its connection. Exactly one of Is, Not, AtLeast and Below is set.
// Safe for concurrent reading.
type Match struct {
	Field Field `json:"field"`
	// Is lists values in nft's spelling, any of which matches: "established", "tcp", "192.0.2.0/24", "1024-65535", "eth0",
	// "ppp*", "0x10", or one set of the same table, "@slow".
	Is []string `json:"is,omitempty"`
	// Not lists values none of which may match.
	Not []string `json:"not,omitempty"`
	// Mask is anded with a mark before the comparison, as a number in nft's spelling ("0xff"). Zero is every bit.
	Mask string `json:"mask,omitempty"`
	// AtLeast and Below are thresholds of connection counters, in packets or bytes.
	AtLeast uint64 `json:"atLeast,omitempty"`
	Below   uint64 `json:"below,omitempty"`
}

// A Mutation sets the bits of a mark that Mask names to those of Value: mark = mark and not Mask or Value.
// Safe for concurrent reading.
type Mutation struct {
	Field Field  `json:"field"`          // "ct mark" or "meta mark"
	Value string `json:"value"`          // a number in nft's spelling
	Mask  string `json:"mask,omitempty"` // zero is every bit
}

// A NAT translates an address, a port, or both. Safe for concurrent reading.
type NAT struct {
	Addr string `json:"addr,omitempty"` // one IPv4 or IPv6 address
	Port uint16 `json:"port,omitempty"` // zero keeps the port; needs a rule that matches tcp or udp
}

// A Masquerading translates the source address to that of the outgoing device. Safe for concurrent reading.
type Masquerading struct {
	FullyRandom bool `json:"fullyRandom,omitempty"` // nft's `fully-random`
}

// A Counting counts the packets and bytes that come to it. Safe for concurrent reading.
type Counting struct{}

// A Raw is an encoded expression list of the caller's own (package rawexpr makes one); Text is printed for it. Of Expr it is seen whether it offloads
// (Statement.Offloads), and where it jumps to. Neither is checked beyond that: a
// Text that does not say what Expr does makes files for nft that differ from the batch, and what the kernel refuses comes back
// from it alone. The bytes fit one byte order: do not compile them for the other. Safe for concurrent reading.
type Raw struct {
	Text string   `json:"text"`
	Expr [][]byte `json:"expr"` // each the attributes of one NFTA_LIST_ELEM, in the byte order of the target
}
