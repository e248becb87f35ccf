package ruleset

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// loadJSON puts our JSON of a Spec to nft in a namespace.
func loadJSON(t testing.TB, ns *testns.Namespace, s *Spec, config *JSONConfig) {
	t.Helper()
	text := nftJSON(t, s, config)
	_, err := ns.Run(testContext(t), text, "nft", "-j", "-f", "-")
	require.NoError(t, err)
}

// compareJSON holds what nft lists after our JSON against what it lists after our text.
func compareJSON(t *testing.T, s *Spec) {
	t.Helper()
	ns := testns.NewT(t, "json")
	loadJSON(t, ns, s, nil)
	want, got := listed(t, nftText(t, s)), listing(t, ns)
	if !readsJSONComments(t, ns) {
		want = withoutMarks(want)
	}
	compareLines(t, want, got)
}

// readsJSONComments reports whether this nft reads the comments of tables in JSON: since 1.0.8.
func readsJSONComments(t testing.TB, ns *testns.Namespace) bool {
	t.Helper()
	return nftVersion(t, ns) >= 1_00_08
}

// nftVersion is 10006 for nft 1.0.6.
func nftVersion(t testing.TB, ns *testns.Namespace) int {
	t.Helper()
	text, err := ns.Run(testContext(t), "", "nft", "--version")
	require.NoError(t, err)
	var major, minor, patch int
	_, err = fmt.Sscanf(text, "nftables v%d.%d.%d", &major, &minor, &patch)
	require.NoError(t, err, text)
	return major*1_00_00 + minor*1_00 + patch
}

// withoutMarks drops the comments of tables from a listing.
func withoutMarks(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "\tcomment ") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// TestJSONRulesAgainstNFT writes every form of statement in every family as JSON.
func TestJSONRulesAgainstNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	for _, family := range []Family{Inet, IP, IP6} {
		t.Run(string(family), func(t *testing.T) { compareJSON(t, oracleSpec(family)) })
	}
}

// TestJSONDeclaredAgainstNFT writes the rulesets from the world as JSON, without what a kernel without flowtables cannot take.
func TestJSONDeclaredAgainstNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	for _, c := range declared() {
		t.Run(c.name, func(t *testing.T) { compareJSON(t, withoutFlowtables(c.spec)) })
	}
	others := goldenSpecs()
	maps.Copy(others, policies())
	for name, spec := range others {
		t.Run(name, func(t *testing.T) { compareJSON(t, withoutFlowtables(spec)) })
	}
}

// TestJSONWordsAgainstNFT puts unusual words and the ends of ranges to nft: its JSON reads some words for itself.
func TestJSONWordsAgainstNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	names := []string{
		"ether", "ip", "ip6", "vlan", "arp", "dnat", "snat", "ecn", "reset", "original", "reply",
		"label", "wän", "-", "eth0.7", "7", "0x10", "true", "null", "{", "<&>", "1-2", "a,b", "$x",
	}
	var rules []Rule
	for _, name := range names {
		rules = append(rules, R(IIFName.Is(name)), R(OIFName.Not(name, "wan")))
	}
	compareJSON(t, oneTable(Table{
		Family: IP, Name: ".rules-v4/" + strings.Repeat("n", 200),
		Sets: []Set{{Name: "_a.b-c/d", Type: IfName, Elements: names}},
		Chains: []Chain{
			{Name: "filter", Hook: Forward, Priority: "-2147483648", Rules: append(rules,
				R(Log("; # { } \\ ' <&>")).Note("; # { } $x \\ ä"),
				R(CTBytes.AtLeast(math.MaxUint64)), R(CTBytes.Below(math.MaxInt64)), R(CTPackets.AtLeast(1<<63)),
				R(CTMark.Is(math.MaxUint32)), R(MetaMark.Set(2, math.MaxUint32-1)))},
			{Name: "nat", Type: NATChain, Hook: Output, Priority: "2147483647"},
		},
	}))
}

// TestJSONNumbersAgainstNFT: every code point and protocol, since nft has names for some.
func TestJSONNumbersAgainstNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	var rules []Rule
	for v := range uint16(64) {
		rules = append(rules, R(DSCP.Is(v)))
	}
	for v := range 256 {
		rules = append(rules, R(L4Proto.Is(strconv.Itoa(v))))
	}
	compareJSON(t, oneTable(Table{Name: "t", Chains: []Chain{{Name: "c", Hook: Forward, Rules: rules}}}))
}

// TestJSONRefusedAgainstNFT holds the words that we refuse against nft, which really misreads them.
func TestJSONRefusedAgainstNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "json")
	for _, name := range []string{TCP, UDP, "udplite", "esp", "ah", "icmp", "icmpv6", "comp", "dccp", "sctp", "redirect"} {
		spec := oneTable(Table{Name: "t", Chains: []Chain{{Name: "c", Rules: []Rule{R(IIFName.Is(name))}}}})
		_, err := ns.Run(testContext(t), uncheckedJSON(t, spec), "nft", "-j", "-f", "-")
		if err == nil {
			assert.NotContains(t, listing(t, ns), `iifname "`+name+`"`)
		}
	}
}

// uncheckedJSON is what WriteNFTJSON refuses to write.
func uncheckedJSON(t testing.TB, s *Spec) string {
	t.Helper()
	r, err := s.Resolve(nil)
	require.NoError(t, err)
	var b strings.Builder
	j := newJSONWriter(&b)
	for i := range r.spec.Tables {
		r.writeJSONTable(j, i)
	}
	require.NoError(t, j.end())
	return b.String()
}

// TestKernelJSONFlowtables loads flowtables of every shape that JSON can say, and compares the listing with that of the text.
// With DropFlowtableFlags nothing but the flags may be missing.
func TestKernelJSONFlowtables(t *testing.T) {
	testns.RequireFlowtables(t)
	for _, family := range []Family{Inet, IP, IP6} {
		plain := flowtablesSpec()
		plain.Tables[0].Family = family
		for i := range plain.Tables[0].Flowtables {
			f := &plain.Tables[0].Flowtables[i]
			f.NoCounter, f.Hardware = true, flowtable.HardwareOff
		}
		flagged := flowtablesSpec()
		flagged.Tables[0].Family = family
		if byName(t) {
			plain.Tables[0].Flowtables[3].Devices = []flowtable.Selector{{Prefix: "ppp"}}
			flagged.Tables[0].Flowtables[3].Devices = []flowtable.Selector{{Prefix: "ppp"}}
		}
		theirs, ours := withDevices(t, flowtableDevices...), withDevices(t, flowtableDevices...)
		require.NoError(t, theirs.NFT(testContext(t), nftText(t, plain)))
		loadJSON(t, ours, plain, nil)
		want := withoutMarks(sortedDeviceLines(listing(t, theirs)))
		compareLines(t, want, withoutMarks(sortedDeviceLines(listing(t, ours))))
		lossy := withDevices(t, flowtableDevices...)
		loadJSON(t, lossy, flagged, &JSONConfig{DropFlowtableFlags: true})
		compareLines(t, want, withoutMarks(sortedDeviceLines(listing(t, lossy))))
	}
}

// flowtableDevices are those of flowtablesSpec.
var flowtableDevices = []string{"lan0", "lan1", "wan0", "dmz0"}
