package ruleset

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// A ruleCase is a rule twice: as nft spells it, written by hand, and as ours.
type ruleCase struct {
	nft  string
	rule Rule
}

// The sets and chains that the cases refer to.
const oracleTable = `table %s t {
	comment "managed by fastpath"
	set ports { type inet_service; elements = { 22, 80 }; }
	set portranges { type inet_service; flags interval; elements = { 22, 1024-65535 }; }
	set names { type ifname; elements = { "eth0", "wan" }; }
	set prefixes { type ifname; flags interval; elements = { "ppp*", "wan" }; }
	%s
	chain regular { }
	chain forward {
		type filter hook forward priority filter; policy drop;
%s
	}
	chain dstnat {
		type nat hook prerouting priority dstnat; policy accept;
%s
	}
	chain srcnat {
		type nat hook postrouting priority srcnat + 5; policy accept;
%s
	}
}
`

const oracleSets4 = `set hosts { type ipv4_addr; elements = { 192.0.2.2, 192.0.2.1 }; }
	set nets { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1, 192.0.2.5-192.0.2.9, 255.0.0.0/8 }; }`

const oracleSets6 = `set hosts6 { type ipv6_addr; elements = { 2001:db8::2, ::1 }; }
	set nets6 { type ipv6_addr; flags interval; elements = { 2001:db8::/32, ::1, fe80::1-fe80::9 }; }`

func oracleSets(f Family) (text string, sets []Set) {
	sets = []Set{
		{Name: "ports", Type: InetService, Elements: []string{"22", "80"}},
		{Name: "portranges", Type: InetService, Interval: true, Elements: []string{"1024-65535", "22"}},
		{Name: "names", Type: IfName, Elements: []string{"eth0", "wan"}},
		{Name: "prefixes", Type: IfName, Interval: true, Elements: []string{"wan", "ppp*"}},
	}
	if f != IP6 {
		text += oracleSets4 + "\n\t"
		sets = append(sets,
			Set{Name: "hosts", Type: IPv4Addr, Elements: []string{"192.0.2.1", "192.0.2.2"}},
			Set{Name: "nets", Type: IPv4Addr, Interval: true, Elements: []string{"255.0.0.0/8", "192.0.2.5-192.0.2.9", "10.0.0.0/8", "192.0.2.1"}})
	}
	if f != IP {
		text += oracleSets6
		sets = append(sets,
			Set{Name: "hosts6", Type: IPv6Addr, Elements: []string{"::1", "2001:db8::2"}},
			Set{Name: "nets6", Type: IPv6Addr, Interval: true, Elements: []string{"fe80::1-fe80::9", "2001:db8::/32", "::1"}})
	}
	return text, sets
}

// TestRulesAgainstNFT sends every form of statement in every family, and compares line by line what nft lists with what it
// lists for its own reading of the text.
func TestRulesAgainstNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	for _, family := range []Family{Inet, IP, IP6} {
		t.Run(string(family), func(t *testing.T) {
			forward, dstnat, srcnat := forwardCases(family), dstnatCases(family), srcnatCases(family)
			setText, _ := oracleSets(family)
			spec := oracleSpec(family)
			text := fmt.Sprintf(oracleTable, family, setText, textOf(forward), textOf(dstnat), textOf(srcnat))
			want := listed(t, text)
			ns := testns.NewT(t, "ours")
			apply(t, ns, spec)
			compareLines(t, want, listing(t, ns))
			t.Run("WriteNFT", func(t *testing.T) { compareLines(t, want, listed(t, nftText(t, spec))) })
			t.Run("Plan.String", func(t *testing.T) { compareLines(t, want, listed(t, planText(t, spec))) })
		})
	}
}

// oracleSpec holds all cases of a family.
func oracleSpec(family Family) *Spec {
	_, sets := oracleSets(family)
	return &Spec{Tables: []Table{{Family: family, Name: "t", Sets: sets, Chains: []Chain{
		{Name: "regular"},
		{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: rulesOf(forwardCases(family))},
		{Name: "dstnat", Type: NATChain, Hook: Prerouting, Priority: "dstnat", Rules: rulesOf(dstnatCases(family))},
		{Name: "srcnat", Type: NATChain, Hook: Postrouting, Priority: "105", Rules: rulesOf(srcnatCases(family))},
	}}}}
}

func compareLines(t *testing.T, want, got string) {
	t.Helper()
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		assert.Equal(t, w[i], g[i], "line %d", i)
	}
	require.Equal(t, len(w), len(g), "number of lines in\n%s", got)
}

func rulesOf(cases []ruleCase) []Rule {
	var rules []Rule
	for _, c := range cases {
		rules = append(rules, c.rule)
	}
	return rules
}

func textOf(cases []ruleCase) string {
	var b strings.Builder
	for _, c := range cases {
		b.WriteString("\t\t" + c.nft + "\n")
	}
	return b.String()
}

// forFamily keeps what a family can hold.
func forFamily(f Family, all, four, six []ruleCase) []ruleCase {
	cases := all
	if f != IP6 {
		cases = append(cases, four...)
	}
	if f != IP {
		cases = append(cases, six...)
	}
	return cases
}
