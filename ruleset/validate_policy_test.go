package ruleset

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestValidatePolicies(t *testing.T) {
	assertMistakes(t, policyTable(Inet,
		Policy{Flowtable: "slow"},
		Policy{Flowtable: "fast", Priority: "fast"},
		Policy{Flowtable: "fast", Inline: true, Priority: "10"},
		Policy{Flowtable: "fast", Chain: "offload"},
		Policy{Flowtable: strings.Repeat("f", 250)},
		Policy{Flowtable: "fast", Chain: "a", After: Threshold{Packets: 1, Direction: "both"}},
	),
		`tables[0].offload[0].flowtable: no flowtable "slow" in this table`,
		`tables[0].offload[1].priority: priority "fast"`,
		`tables[0].offload[2].chain: chain "offload-fast" is already that of offload[1]; set chain`,
		`tables[0].offload[2].priority: an inline policy has no hook`,
		`tables[0].offload[3].chain: nft cannot spell the name "offload"`,
		`tables[0].offload[4].flowtable: no flowtable`,
		`tables[0].offload[4].chain: the name is 258 bytes long`,
		`tables[0].offload[5].after.direction: "both" is not a direction`,
	)
}

func TestValidateSelections(t *testing.T) {
	only := func(s Selection) Policy { return Policy{Flowtable: "fast", Only: s} }
	check := func(family Family, s Selection, want ...string) {
		t.Helper()
		for i := range want {
			want[i] = "tables[0].offload[0].only." + want[i]
		}
		assertMistakes(t, policyTable(family, only(s)), want...)
	}
	check(Inet, Selection{Family: Inet, Direction: "there", Protocols: []string{TCP, "6", "icmp", "sctp", "x", "@ports"}},
		`family: "inet" is not a family of connections`,
		`direction: "there" is not a direction; write "original" or "reply"`,
		`protocols[5]: "@ports" is a set`,
		`protocols[2]: no kernel offloads "icmp"; write "tcp", "udp" or "gre"`,
		`protocols[3]: no kernel offloads "sctp"`)
	check(Inet, Selection{Protocols: []string{TCP, "6", "x"}},
		`protocols[2]: "x" is not a protocol`,
		`protocols[1]: "6" overlaps "tcp"`)
	check(IP, Selection{Family: IP6, States: []string{"established", "invalid", "established", "open"}},
		`family: no packet of family ip6 comes to a table of family ip`,
		`states[3]: "open" is not a connection state`,
		`states[2]: "established" is listed twice`,
		`states[1]: no kernel offloads what is invalid`)
	check(Inet, Selection{Between: []DevicePair{{}, {From: []string{"@ports"}, To: []string{"a/b", "wan0", "wan*"}}, {From: []string{"@none"}}}},
		`between[0]: the pair names no device`,
		`between[1].from[0]: set "ports" holds elements of type inet_service`,
		`between[1].to[0]: device name "a/b"`,
		`between[1].to[2]: "wan*" overlaps "wan0"`,
		`between[2].from[0]: no set "none"`)
	check(Inet, Selection{Family: IP, Also: []Statement{IP6Saddr.Is("::1"), Accept(), {}, TCPDport.Is(80), FlowAdd("fast"), CTMark.Set(1, 1), IPSaddr.In("none")}},
		`also[0].match: "ip6 saddr" is of family ip6, but only packets of family ip come here`,
		`also[1]: only matches, limits and raw statements`,
		`also[2]: the statement is empty`,
		`also[3].match: nft refuses "tcp dport" behind a match on several protocols`,
		`also[4]: only matches`,
		`also[5]: only matches`,
		`also[6].match.is[0]: no set "none"`)
	check(Inet, Selection{Also: repeated(128, CTMark.Is(1)).Do},
		`also: with these statements the rule compiles to 262 expressions`)
	assert.NoError(t, policyTable(Inet, only(Selection{Protocols: []string{TCP}, Also: []Statement{TCPDport.Is(80)}})).Validate())
	assert.NoError(t, policyTable(IP6, only(Selection{Family: IP6, Also: []Statement{IP6Saddr.Is("::1"), THDport.Is(80)}})).Validate())
}

func TestValidateExclusions(t *testing.T) {
	check := func(p Policy, want ...string) {
		t.Helper()
		for i := range want {
			want[i] = "tables[0].offload[0].except" + want[i]
		}
		p.Flowtable = "fast"
		assertMistakes(t, policyTable(Inet, p), want...)
	}
	check(Policy{Except: Exclusions{
		Marks:   []MarkBits{{Value: "0x100", Mask: "0xff"}, {Mask: "0"}, {Value: "x"}},
		CTMarks: []MarkBits{{Value: "1", Mask: "0xffffffffff"}},
		DSCP:    []string{"64", "ef", "46"},
		Devices: []string{"@guests"},
		Ports:   []string{"1-5", "5", "http"},
		Helpers: []string{"s i p"},
		Addrs:   []string{"192.0.2.1", "2001:db8::/31", "2001:db8::1", "192.0.2.0/24", "@slow", "example.com", "192.0.2.1/24"},
		Sets:    []string{"none", "slow", "slow"},
		Zones:   []uint16{5, 5},
	}},
		`.marks[0].value: "0x100" has bits outside the mask 0xff`,
		`.marks[1].mask: the mask is 0`,
		`.marks[2].value: "x" is not a number`,
		`.ctMarks[0].mask: "0xffffffffff" is not a number of 32 bits`,
		`.dscp[0]: "64" is not a code point`,
		`.dscp[2]: "46" overlaps "ef"`,
		`.devices[0]: "@guests" is a set; list the values, or name it in except.sets`,
		`.ports[2]: "http" is not a port`,
		`.ports[1]: "5" overlaps "1-5"`,
		`.helpers[0]: "s i p" is not the name of a helper`,
		`.addrs[4]: "@slow" is a set`,
		`.addrs[5]: "example.com" is not an IPv4 address`,
		`.addrs[6]: prefix "192.0.2.1/24" has bits set`,
		`.addrs[3]: "192.0.2.0/24" overlaps "192.0.2.1"`,
		`.addrs[2]: "2001:db8::1" overlaps "2001:db8::/31"`,
		`.sets[0]: no set "none"`,
		`.sets[2]: set "slow" is already offload[0].except.sets[1]`,
		`.zones[1]: zone "5" is already`,
	)
	check(Policy{Only: Selection{Protocols: []string{"gre"}}, Except: Exclusions{Sets: []string{"ports"}}}, `: ports are excluded, but none of the protocols has ports`)
	check(Policy{Except: Exclusions{Rules: []Rule{
		R(), R(Accept()), R(FlowAdd("fast")), R(Return(), Counter()), R(Jump("elsewhere")), R(TCPDport.Is(53), IPSaddr.Is("x")),
	}}},
		`.rules[0].do: the rule does nothing`,
		`.rules[1].do[0]: an exclusion returns and nothing else`,
		`.rules[2].do[0]: flow add in an exclusion would offload what it is to hold back`,
		`.rules[3].do[0]: an exclusion returns and nothing else`,
		`.rules[3].do[1]: no packet comes here`,
		`.rules[4].do[0]: an exclusion returns and nothing else`,
		`.rules[4].do[0].jump: no chain "elsewhere"`,
		`.rules[5].do[1].match.is[0]: "x" is not an IPv4 address`,
	)
	check(Policy{Except: Exclusions{Rules: []Rule{repeated(128, Counter()), repeated(127, Counter())}}},
		`.rules[0].do: with what the policy adds the rule compiles to 129 expressions`)
}

func TestValidateAnnouncements(t *testing.T) {
	s := policyTable(Inet,
		Policy{Flowtable: "fast", Announce: "0x3"},
		Policy{Flowtable: "fast", Chain: "b", Announce: "x"},
		Policy{Flowtable: "fast", Chain: "c", Announce: "0x100000000"},
		Policy{Flowtable: "fast", Chain: "d", Announce: "0x100", Except: Exclusions{CTMarks: []MarkBits{{Value: "1"}, {Mask: "0x300"}, {Mask: "0x200"}}}},
		Policy{Flowtable: "fast", Chain: "e", Announce: "256"},
	)
	s.Tables = append(s.Tables, Table{Name: "y", Flowtables: fast("fast", "", "dmz0"), Offload: []Policy{{Flowtable: "fast", Announce: "0x100"}}})
	assertMistakes(t, s,
		`tables[0].offload[0].announce: "0x3" is not one bit of a mark`,
		`tables[0].offload[1].announce: "x" is not one bit`,
		`tables[0].offload[2].announce: "0x100000000" is not one bit`,
		`tables[1].offload[0].announce: 0x100 is also the bit of tables[0].offload[3].announce, for another flowtable`,
		`tables[0].offload[3].except.ctMarks[0].mask: the mask holds the announcement bit 0x100`,
		`tables[0].offload[3].except.ctMarks[1].mask: the mask holds the announcement bit 0x100`,
	)
}

// TestValidatePolicyChains: the chains of policies are chains of the table, to jump to and to collide with.
func TestValidatePolicyChains(t *testing.T) {
	with := func(p Policy, chains ...Chain) *Spec {
		s := policyTable(Inet, p)
		s.Tables[0].Chains = chains
		return s
	}
	inline := Policy{Flowtable: "fast", Inline: true}
	assertMistakes(t, with(inline, Chain{Name: "offload-fast"}), `tables[0].offload[0].chain: chain "offload-fast" is already chains[0]`)
	assert.NoError(t, with(inline, Chain{Name: "c", Hook: Forward, Rules: []Rule{R(Jump("offload-fast"))}}).Validate())
	assertMistakes(t, with(Policy{Flowtable: "fast"}, Chain{Name: "c", Hook: Forward, Rules: []Rule{R(Jump("offload-fast"))}}),
		`tables[0].chains[0].rules[0].do[0].jump: chain "offload-fast" is a base chain`)
	assertMistakes(t, with(inline,
		Chain{Name: "c", Hook: Input, Rules: []Rule{R(Jump("d"))}}, Chain{Name: "d", Rules: []Rule{R(Goto("offload-fast"))}}),
		`tables[0].offload[0].inline: flow add works only in "forward", and chain "offload-fast" is reached from base chain "c" at hook "input"`)
}
