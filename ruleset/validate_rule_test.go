package ruleset

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-fastpath/fastpath/flowtable"
)

// inTable puts one rule into the chain of a table that has sets and a flowtable.
func inTable(family Family, c Chain, r Rule) *Spec {
	c.Name, c.Rules = "c", []Rule{r}
	return oneTable(Table{
		Family: family, Name: "x",
		Flowtables: []flowtable.Spec{{Name: "f"}},
		Sets: []Set{
			{Name: "four", Type: IPv4Addr}, {Name: "six", Type: IPv6Addr}, {Name: "ports", Type: InetService}, {Name: "links", Type: IfName},
		},
		Chains: []Chain{c, {Name: "regular"}},
	})
}

func is(f Field, words ...string) Statement { return Statement{Match: &Match{Field: f, Is: words}} }

// A badRule is a rule of a forward chain with its one mistake: the path below the rule, and a part of the text.
type badRule struct {
	rule       Rule
	path, want string
}

func TestValidateMatches(t *testing.T) {
	for _, c := range []badRule{
		{R(is("ct colour", "red")), "do[0].match.field", `unknown field "ct colour"`},
		{R(is("ct state")), "do[0].match", "compares with nothing; set is or not"},
		{R(CTPackets.AtLeast(0)), "do[0].match", "compares with nothing; set atLeast or below to 1 or more"},
		{R(Statement{Match: &Match{Field: fieldCTState, Is: []string{New}, Not: []string{New}}}), "do[0].match", "several of is, not"},
		{R(Statement{Match: &Match{Field: fieldCTPackets, AtLeast: 1, Below: 5}}), "do[0].match", "several of"},
		{R(is(fieldCTPackets, "5")), "do[0].match", "is a counter; compare it by atLeast or below"},
		{R(Statement{Match: &Match{Field: fieldTCPDport, AtLeast: 5}}), "do[0].match", "is no counter"},
		{R(is(fieldTCPDport, "65536")), "do[0].match.is[0]", `"65536" is not a port`},
		{R(is(fieldTCPDport, "22", "https")), "do[0].match.is[1]", `"https" is not a port`},
		{R(is(fieldTCPDport, "22", "20-25")), "do[0].match.is[1]", `"20-25" overlaps "22"`},
		{R(WordField(TCPDport).Not("22", "22")), "do[0].match.not[1]", `"22" is listed twice`},
		{R(CTState.Is("establish")), "do[0].match.is[0]", "is not a connection state"},
		{R(CTState.Is(New, New)), "do[0].match.is[1]", "listed twice"},
		{R(CTStatus.Is("offload")), "do[0].match.is[0]", "is not a connection status"},
		{R(CTDirection.Is("back")), "do[0].match.is[0]", `"original" or "reply"`},
		{R(L4Proto.Is("256")), "do[0].match.is[0]", "is not a protocol"},
		{R(L4Proto.Is(TCP, "6")), "do[0].match.is[1]", `"6" overlaps "tcp"`},
		{R(IIFName.Is("")), "do[0].match.is[0]", "a value is empty"},
		{R(IIFName.Is("*")), "do[0].match.is[0]", "matches every device"},
		{R(IIFName.Is("ppp0", "ppp*")), "do[0].match.is[1]", `"ppp*" overlaps "ppp0"`},
		{R(IIFName.Is(strings.Repeat("d", 16))), "do[0].match.is[0]", "16 bytes long"},
		{R(IPSaddr.Is("2001:db8::1")), "do[0].match.is[0]", "is not an IPv4 address"},
		{R(IPSaddr.Is("192.0.2.7/24")), "do[0].match.is[0]", `write "192.0.2.0/24"`},
		{R(DSCP.Is(64)), "do[0].match.is[0]", "is not a code point"},
		{R(is(fieldIPDSCP, "af44")), "do[0].match.is[0]", "is not a code point"},
		{R(is(fieldMetaMark, "0x100000000")), "do[0].match.is[0]", "is not a number of 32 bits"},
		{R(is(fieldMetaMark, "1-5")), "do[0].match.is[0]", "is not a number of 32 bits"},
		{R(CTMark.Has(0x100, 0xff)), "do[0].match.is[0]", "bits outside the mask 0xff and never matches"},
		{R(CTMark.Has(0, 0)), "do[0].match.mask", "the mask is 0"},
		{R(Statement{Match: &Match{Field: fieldCTMark, Is: []string{"1"}, Mask: "x"}}), "do[0].match.mask", "is not a number"},
		{R(Statement{Match: &Match{Field: fieldIPSaddr, Is: []string{"192.0.2.1"}, Mask: "0xff"}}), "do[0].match.mask", "only marks have"},
		{R(IPSaddr.In("none")), "do[0].match.is[0]", `no set "none" in this table`},
		{R(IPSaddr.NotIn("ports")), "do[0].match.not[0]", `set "ports" holds elements of type inet_service, which "ip saddr" cannot be compared with; use a set of type ipv4_addr`},
		{R(CTMark.Is(), is(fieldCTMark, "@ports")), "do[0].match", "compares with nothing"},
		{R(is(fieldCTMark, "@ports")), "do[0].match.is[0]", "list the values in the match"},
		{R(is(fieldIPSaddr, "192.0.2.1", "@four")), "do[0].match.is[1]", "is a set beside other values"},
		{R(IP6Saddr.In("six"), IPSaddr.In("four")), "do[1].match", "only packets of family ip6 come here"},
		{R(NFProto.Is("ipv6"), DSCP.Is(1)), "do[1].match", "only packets of family ip6 come here"},
		{R(NFProto.Is("ipv4", "ipv6")), "do[0].match", "knows two families"},
		{R(MetaIPsec.Is("exists", "missing")), "do[0].match", "either exists or is missing"},
		{R(L4Proto.Is(TCP, UDP), TCPFlags.Is("syn")), "do[1].match", `nft refuses "tcp flags" behind a match on several protocols; match one protocol`},
		{R(UDPDport.Is(53), TCPFlags.Is("syn")), "do[1].match", "contradicts the protocol"},
		{R(CTHelper.In("ports")), "do[0].match.is[0]", "list the values in the match"},
		{R(THDport.Is(80)), "do[0].match", `"th dport" needs a match on protocols with ports before it`},
		{R(L4Proto.Not(TCP), THDport.Is(80)), "do[1].match", "needs a match on protocols with ports"},
		{R(L4Proto.Is(TCP, "icmp"), THDport.Is(80)), "do[1].match", "needs a match on protocols with ports"},
		{R(THDport.Is(80), L4Proto.Is(TCP)), "do[0].match", "needs a match on protocols with ports"},
		{R(TCPDport.Is(80), UDPDport.Is(80)), "do[1].match", `"udp dport" contradicts the protocol matched before`},
		{R(L4Proto.Is("gre"), TCPDport.Is(80)), "do[1].match", `"tcp dport" contradicts`},
		{R(L4Proto.Is(TCP, UDP), TCPDport.Is(80)), "do[1].match", `write "th dport"`},
		{R(TCPDport.Is(80), L4Proto.Is(UDP)), "do[1].match", "contradicts"},
	} {
		spec := inTable(Inet, Chain{Hook: Forward}, c.rule)
		got := mistakesOf(t, spec)
		if assert.NotEmpty(t, got, "%+v", c.rule) {
			assert.True(t, strings.HasPrefix(got[0], "tables[0].chains[0].rules[0]."+c.path+": "), got[0])
			assert.Contains(t, got[0], c.want)
		}
	}
}

func TestValidateFamilies(t *testing.T) {
	assertMistakes(t, inTable(IP, Chain{}, R(IP6Saddr.Is("::1"))), `tables[0].chains[0].rules[0].do[0].match: "ip6 saddr" is of family ip6, but only packets of family ip come here`)
	assertMistakes(t, inTable(IP6, Chain{}, R(DSCP.Is(1))), `tables[0].chains[0].rules[0].do[0].match: "ip dscp" is of family ip,`)
	assertMistakes(t, inTable(IP6, Chain{}, R(NFProto.Is("ipv6"))), `tables[0].chains[0].rules[0].do[0].match: only for inet tables`)
	assert.NoError(t, inTable(IP6, Chain{}, R(IP6Saddr.In("six"), DSCP6.Is(46))).Validate())
	assert.NoError(t, inTable("", Chain{}, R(NFProto.Not("ipv6"), IPSaddr.In("four"))).Validate())
}

func TestValidateStatements(t *testing.T) {
	group := uint16(1)
	for _, c := range []badRule{
		{R(), "do", "the rule does nothing"},
		{R(Statement{}), "do[0]", "the statement is empty"},
		{R(Statement{FlowAdd: "f", Verdict: VerdictAccept}), "do[0]", "both flowAdd and verdict; make two statements"},
		{R(Statement{Verdict: "reject"}), "do[0].verdict", `unknown verdict "reject"`},
		{R(Accept(), Counter()), "do[1]", "no packet comes here: do[0] ends the rule"},
		{R(Jump("regular"), Counter()), "do[1]", "no packet comes here"},
		{R(Accept()).Note(strings.Repeat("c", 128)), "comment", "128 bytes long; write at most 127"},
		{R(Accept()).Note(`say "hi"`), "comment", "which nft cannot spell"},
		{R(CTMark.Set(0x1ff, 0xff)), "do[0].set.value", "bits outside the mask 0xff"},
		{R(CTMark.Set(0, 0)), "do[0].set.mask", "the mask is 0"},
		{R(Statement{Set: &Mutation{Field: "ct state", Value: "1"}}), "do[0].set.field", `"ct state" cannot be set`},
		{R(Statement{Set: &Mutation{Field: fieldCTMark, Value: ""}}), "do[0].set.value", "is not a number"},
		{R(Statement{Set: &Mutation{Field: fieldCTMark, Value: "-1"}}), "do[0].set.value", "is not a number"},
		{R(Statement{Set: &Mutation{Field: fieldCTMark, Value: "1", Mask: "0xg"}}), "do[0].set.mask", "is not a number"},
		{R(Limit(0, "second")), "do[0].limit.rate", "the rate is 0"},
		{R(Limit(1, "month")), "do[0].limit.per", `unknown unit of time "month"`},
		{R(Limit(1_000_000_001, "second")), "do[0].limit.rate", "write at most 1000000000 a second"},
		{R(Statement{Limit: &Limiting{Rate: 1, Per: "week", Burst: 1<<32 - 1}}), "do[0].limit.burst", "EOVERFLOW"},
		{R(Log(strings.Repeat("p", 128))), "do[0].log.prefix", "128 bytes long"},
		{R(Log("cost: $5")), "do[0].log.prefix", "reads a variable"},
		{R(Log("a\tb")), "do[0].log.prefix", "cannot spell"},
		{R(Statement{Log: &Logging{Level: "loud"}}), "do[0].log.level", `unknown level "loud"`},
		{R(Statement{Log: &Logging{Level: "info", Group: &group}}), "do[0].log", "set one of them"},
		{R(Statement{Raw: &Raw{Expr: [][]byte{{1}}}}), "do[0].raw.text", "the text is empty"},
		{R(Statement{Raw: &Raw{Text: "a\nb", Expr: [][]byte{{1}}}}), "do[0].raw.text", "several lines"},
		{R(Statement{Raw: &Raw{Text: "a"}}), "do[0].raw.expr", "there is no expression"},
		{R(Statement{Raw: &Raw{Text: "a", Expr: [][]byte{{1}, {}}}}), "do[0].raw.expr[1]", "the expression is empty"},
	} {
		assertMistakes(t, inTable(Inet, Chain{Hook: Forward}, c.rule), "tables[0].chains[0].rules[0]."+c.path+": "+c.want)
	}
}

func TestValidateNAT(t *testing.T) {
	dstnat, srcnat := Chain{Hook: Prerouting, Type: NATChain}, Chain{Hook: Postrouting, Type: NATChain}
	output, input := Chain{Hook: Output, Type: NATChain}, Chain{Hook: Input, Type: NATChain}
	const path = "tables[0].chains[0].rules[0]."
	for _, c := range []struct {
		chain Chain
		rule  Rule
		want  string // "" is valid
	}{
		{dstnat, R(DNAT("192.0.2.1", 0)), ""},
		{output, R(TCPDport.Is(80), DNAT("192.0.2.1", 8080)), ""},
		{Chain{}, R(DNAT("192.0.2.1", 0)), ""},
		{dstnat, R(L4Proto.Is(TCP, UDP), DNAT("", 80)), ""},
		{dstnat, R(L4Proto.Is("sctp"), DNAT("2001:db8::1", 80)), ""},
		{srcnat, R(Masquerade()), ""},
		{srcnat, R(SNAT("192.0.2.1", 0)), ""},
		{input, R(SNAT("192.0.2.1", 0)), ""},
		{srcnat, R(Statement{Raw: &Raw{Text: "meta l4proto tcp", Expr: [][]byte{{1}}}}, SNAT("192.0.2.1", 80)), ""},
		{srcnat, R(DNAT("192.0.2.1", 0)), `do[0].dnat: dnat works only in nat chains at hook "prerouting" or "output", and packets come here from nat chain "c" at hook "postrouting"`},
		{dstnat, R(SNAT("192.0.2.1", 0)), `do[0].snat: snat works only in nat chains at hook "postrouting" or "input"`},
		{input, R(Masquerade()), `do[0].masquerade: masquerade works only in nat chains at hook "postrouting", and`},
		{Chain{Hook: Postrouting}, R(Masquerade()), `do[0].masquerade: packets come here from filter chain "c"`},
		{dstnat, R(DNAT("", 0)), "do[0].dnat: the dnat changes nothing"},
		{dstnat, R(DNAT("192.0.2.1", 80)), "do[0].dnat.port: a port needs a match on protocols with ports"},
		{dstnat, R(L4Proto.Is(TCP, "icmp"), DNAT("192.0.2.1", 80)), "do[1].dnat.port: a port needs a match on protocols with ports"},
		{dstnat, R(DNAT("192.0.2.1:80", 0)), `do[0].dnat.addr: "192.0.2.1:80" is not an address`},
		{dstnat, R(DNAT("192.0.2.0/24", 0)), `do[0].dnat.addr: is not an address`},
		{dstnat, R(DNAT("fe80::1%eth0", 0)), `do[0].dnat.addr: is not an address`},
		{dstnat, R(IP6Saddr.Is("::1"), DNAT("192.0.2.1", 0)), "do[1].dnat.addr: the address is of family ip, but only packets of family ip6 come here"},
		{srcnat, R(Masquerade(), Counter()), "do[1]: no packet comes here"},
	} {
		spec := inTable(Inet, c.chain, c.rule)
		if c.want == "" {
			assert.NoError(t, spec.Validate(), "%+v", c.rule)
			continue
		}
		assertMistakes(t, spec, path+c.want)
	}
	assertMistakes(t, inTable(IP, dstnat, R(DNAT("::1", 0))), path+"do[0].dnat.addr: the address is of family ip6, but only packets of family ip come here")
	assertMistakes(t, oneTable(Table{Name: "x", Chains: []Chain{
		{Name: "nat", Type: NATChain, Hook: Postrouting, Rules: []Rule{R(Jump("common"))}},
		{Name: "filter", Hook: Postrouting, Rules: []Rule{R(Jump("common"))}},
		{Name: "common", Rules: []Rule{R(Masquerade())}},
	}}), `tables[0].chains[2].rules[0].do[0].masquerade: packets come here from filter chain "filter" at hook "postrouting"`)
}
