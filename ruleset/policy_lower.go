package ruleset

import (
	"slices"
	"strings"
)

// policyPriority is where a policy's chain stands unless it says otherwise.
const policyPriority = "filter + 10"

// lowered is the Spec with plain chains in place of its policies. It shares memory with s.
func (s *Spec) lowered() Spec {
	c := *s
	c.Tables = slices.Clone(s.Tables)
	for i := range c.Tables {
		c.Tables[i] = c.Tables[i].lowered()
	}
	return c
}

// lowered is the table with the chains of its policies behind its own.
func (t Table) lowered() Table {
	chains := slices.Clone(t.Chains)
	for i := range t.Offload {
		chains = append(chains, t.Offload[i].lower(&t))
	}
	t.Chains, t.Offload = chains, nil
	return t
}

// lower makes the policy's chain.
func (p *Policy) lower(t *Table) Chain {
	c := Chain{Name: p.chain()}
	if !p.Inline {
		c.Hook, c.Priority = Forward, p.Priority
		if c.Priority == "" {
			c.Priority = policyPriority
		}
	}
	l := lowering{policy: p, table: t, four: t.Family != IP6 && p.Only.Family != IP6, six: t.Family != IP && p.Only.Family != IP}
	l.exclude()
	c.Rules = append(l.rules, l.offload()...)
	return c
}

// A lowering is one policy on its way to rules.
type lowering struct {
	policy    *Policy
	table     *Table
	four, six bool // the families that are offloaded
	sets      map[string]SetType
	rules     []Rule
}

// except adds a rule that holds back the packets that pass the statements.
func (l *lowering) except(comment string, do ...Statement) {
	if l.policy.Counter {
		do = append(do, Counter())
	}
	l.rules = append(l.rules, R(append(do, Return())...).Note(noted("except "+comment)))
}

// noted cuts a comment to what a rule holds, not within a letter.
func noted(comment string) string {
	return strings.ToValidUTF8(comment[:min(len(comment), maxComment)], "")
}

func (l *lowering) exclude() {
	e := &l.policy.Except
	for i := range e.Rules {
		l.rules = append(l.rules, l.ownRule(&e.Rules[i]))
	}
	l.marks("mark", MetaMark, e.Marks)
	l.marks("ct mark", CTMark, e.CTMarks)
	if len(e.Zones) > 0 {
		l.except("zones", CTZone.Is(decimals(e.Zones)...))
	}
	if len(e.Helpers) > 0 {
		l.except("helpers", CTHelper.Is(e.Helpers...))
	}
	if e.IPsec {
		l.except("IPsec: in", MetaIPsec.Is("exists"))
		l.except("IPsec: out", RTIPsec.Is("exists"))
	}
	if len(e.Devices) > 0 {
		l.devices("devices", e.Devices...)
	}
	if len(e.DSCP) > 0 && l.four {
		l.except("DSCP: IPv4", WordField(DSCP).Is(e.DSCP...))
	}
	if len(e.DSCP) > 0 && l.six {
		l.except("DSCP: IPv6", WordField(DSCP6).Is(e.DSCP...))
	}
	four, six := splitAddrs(e.Addrs)
	l.addresses("addresses", four, six)
	if len(e.Ports) > 0 {
		l.ports("ports", e.Ports...)
	}
	if len(e.Sets) > 0 {
		l.sets = make(map[string]SetType, len(l.table.Sets))
		for i := range l.table.Sets {
			l.sets[l.table.Sets[i].Name] = l.table.Sets[i].Type
		}
	}
	for _, name := range e.Sets {
		l.set(name)
	}
}

// ownRule is a rule of the caller's that returns.
func (l *lowering) ownRule(r *Rule) Rule {
	do := slices.Clone(r.Do)
	if n := len(do); n > 0 && do[n-1].Verdict == VerdictReturn {
		do = do[:n-1]
	}
	if l.policy.Counter {
		do = append(do, Counter())
	}
	comment := r.Comment
	if comment == "" {
		comment = "except by a rule of one's own"
	}
	return R(append(do, Return())...).Note(comment)
}

func (l *lowering) marks(what string, field MarkField, list []MarkBits) {
	for _, m := range list {
		match, comment := &Match{Field: Field(field), Mask: m.Mask, Is: []string{m.Value}}, what+" "+m.Value
		if m.Value == "" {
			match.Is, match.Not, comment = nil, []string{"0x0"}, "any "+what
		}
		if m.Mask != "" {
			comment += "/" + m.Mask
		}
		l.except(comment, Statement{Match: match})
	}
}

// devices, addresses and ports test both sides.
func (l *lowering) devices(what string, words ...string) {
	l.except(what+": in", IIFName.Is(words...))
	l.except(what+": out", OIFName.Is(words...))
}

func (l *lowering) addresses(what string, four, six []string) {
	if len(four) > 0 && l.four {
		l.except(what+": IPv4 source", IPSaddr.Is(four...))
		l.except(what+": IPv4 destination", IPDaddr.Is(four...))
	}
	if len(six) > 0 && l.six {
		l.except(what+": IPv6 source", IP6Saddr.Is(six...))
		l.except(what+": IPv6 destination", IP6Daddr.Is(six...))
	}
}

func (l *lowering) ports(what string, words ...string) {
	protocols := l.policy.portful()
	l.except(what+": source", L4Proto.Is(protocols...), WordField(THSport).Is(words...))
	l.except(what+": destination", L4Proto.Is(protocols...), WordField(THDport).Is(words...))
}

// set tests a named set as its type demands.
func (l *lowering) set(name string) {
	what, word := "set "+name, []string{"@" + name}
	switch l.sets[name] {
	case IPv4Addr:
		l.addresses(what, word, nil)
	case IPv6Addr:
		l.addresses(what, nil, word)
	case InetService:
		l.ports(what, word...)
	case IfName:
		l.devices(what, word...)
	}
}

// splitAddrs sorts words by family.
func splitAddrs(words []string) (four, six []string) {
	for _, w := range words {
		if strings.Contains(w, ":") {
			six = append(six, w)
		} else {
			four = append(four, w)
		}
	}
	return four, six
}

// offload are the rules with `flow add`: one, or one for each way through each pair of devices.
func (l *lowering) offload() []Rule {
	only := &l.policy.Only
	if len(only.Between) == 0 {
		return []Rule{l.flowAdd(only.Direction)}
	}
	var rules []Rule
	for i := range only.Between {
		pair := &only.Between[i]
		if pair.takes(Original, only.Direction) {
			rules = append(rules, l.flowAdd(pair.direction(Original, only.Direction), sides(pair.From, pair.To)...))
		}
		same := !pair.OneWay && slices.Equal(pair.From, pair.To)
		if pair.takes(Reply, only.Direction) && !same {
			rules = append(rules, l.flowAdd(pair.direction(Reply, only.Direction), sides(pair.To, pair.From)...))
		}
	}
	return rules
}

// takes reports whether packets on a way through the pair are of a direction that is wanted: one-way connections have their
// original direction on one way alone.
func (p *DevicePair) takes(way, wanted string) bool {
	return !p.OneWay || wanted == "" || wanted == way
}

// direction is what packets on a way through the pair must be of.
func (p *DevicePair) direction(way, wanted string) string {
	if p.OneWay {
		return way
	}
	return wanted
}

// sides match the devices that a packet comes from and goes to.
func sides(from, to []string) []Statement {
	var do []Statement
	if len(from) > 0 {
		do = append(do, IIFName.Is(from...))
	}
	if len(to) > 0 {
		do = append(do, OIFName.Is(to...))
	}
	return do
}

// flowAdd is a rule that offloads what is of a direction and passes the statements. There is no verdict behind `flow add`: a
// connection that is not offloaded would not come to it.
func (l *lowering) flowAdd(direction string, sides ...Statement) Rule {
	p := l.policy
	do := append(l.selected(), sides...)
	if direction != "" {
		do = append(do, CTDirection.Is(direction))
	}
	do = append(do, p.Only.Also...)
	do = append(do, p.After.matches()...)
	do = append(do, FlowAdd(p.Flowtable))
	if p.Announce != "" {
		do = append(do, Statement{Set: &Mutation{Field: fieldCTMark, Value: p.Announce, Mask: p.Announce}})
	}
	if p.Counter {
		do = append(do, Counter())
	}
	return R(do...).Note(noted("offload to " + p.Flowtable))
}

// selected matches family, state and protocol.
func (l *lowering) selected() []Statement {
	only := &l.policy.Only
	var do []Statement
	if l.table.Family != IP && l.table.Family != IP6 && only.Family != "" {
		do = append(do, NFProto.Is(nfprotoWord(only.Family)))
	}
	states := only.States
	if len(states) == 0 {
		states = []string{Established}
	}
	return append(do, CTState.Is(states...), L4Proto.Is(l.policy.protocols()...))
}

// nfprotoWord is a family as `meta nfproto` names it.
func nfprotoWord(f Family) string {
	if f == IP6 {
		return "ipv6"
	}
	return "ipv4"
}

// matches are the tests of what has come so far.
func (t *Threshold) matches() []Statement {
	packets, bytes := CTPackets, CTBytes
	switch t.Direction {
	case Original:
		packets, bytes = CTOriginalPackets, CTOriginalBytes
	case Reply:
		packets, bytes = CTReplyPackets, CTReplyBytes
	}
	var do []Statement
	if t.Packets > 0 {
		do = append(do, packets.AtLeast(t.Packets))
	}
	if t.Bytes > 0 {
		do = append(do, bytes.AtLeast(t.Bytes))
	}
	return do
}
