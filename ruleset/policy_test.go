package ruleset

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// policyTable is a table with a flowtable, a set of every type, and policies.
func policyTable(family Family, policies ...Policy) *Spec {
	return oneTable(Table{Family: family, Name: "x", Flowtables: fast("fast", "", "lan0", "wan0"), Offload: policies, Sets: []Set{
		{Name: "slow", Type: IPv4Addr, Interval: true, Live: true},
		{Name: "slow6", Type: IPv6Addr, Live: true, Elements: []string{"2001:db8::1"}},
		{Name: "ports", Type: InetService, Elements: []string{"5060"}},
		{Name: "guests", Type: IfName, Elements: []string{"guest0"}},
	}})
}

// everything is a policy with all fields set but those that exclude each other.
func everything() Policy {
	return Policy{
		Flowtable: "fast",
		Only: Selection{
			Family: "", Protocols: []string{TCP, "17", "gre"}, States: []string{Established, New}, Direction: Original,
			Between: []DevicePair{
				{From: []string{"lan0", "vlan*"}, To: []string{"wan0"}, OneWay: true},
				{From: []string{"@guests"}},
				{From: []string{"lan0"}, To: []string{"lan0"}},
			},
			Also: []Statement{CTMark.Has(0x1, 0x1), Limit(100, "second")},
		},
		Except: Exclusions{
			Rules:   []Rule{R(IIFName.Is("lan0"), UDPDport.Is(53)).Note("DNS of the LAN"), R(MetaMark.Is(7), Return())},
			Marks:   []MarkBits{{Value: "0x10", Mask: "0xff"}, {Mask: "0xff00"}, {Value: "5"}, {}},
			CTMarks: []MarkBits{{Value: "16", Mask: "0x10"}},
			DSCP:    []string{"47", "8-15"}, // nft 1.1.7 lists names in such a set of IPv6 as numbers, where it loaded the text
			Devices: []string{"tun*"},
			Addrs:   []string{"192.0.2.0/24", "2001:db8::/32", "198.51.100.7", "fe80::1-fe80::9"},
			Ports:   []string{"5060-5061", "53"},
			Sets:    []string{"slow", "slow6", "ports", "guests"},
			Helpers: []string{"ftp", "sip"}, Zones: []uint16{5, 7}, IPsec: true,
		},
		After:    Threshold{Packets: 20, Bytes: 10000},
		Announce: "0x100", Counter: true, Chain: "to_fast", Priority: "filter - 5",
	}
}

func policies() map[string]*Spec {
	ip6 := everything()
	ip6.Only.Protocols, ip6.Only.Direction, ip6.Announce, ip6.Counter, ip6.After = []string{UDP}, "", "", false, Threshold{Bytes: 1, Direction: Reply}
	inline := Policy{Flowtable: "fast", Inline: true, Only: Selection{Family: IP6}, Except: Exclusions{Addrs: []string{"2001:db8::1", "192.0.2.1"}}}
	inlined := policyTable(Inet, inline)
	inlined.Tables[0].Chains = []Chain{{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
		R(CTState.Is(Established), Jump("offload-fast")), R(CTState.Is(Established, Related), Accept()),
	}}}
	return map[string]*Spec{
		"plain":       policyTable("", Policy{Flowtable: "fast"}),
		"everything":  policyTable(Inet, everything()),
		"ip":          policyTable(IP, everything()),
		"ip6":         policyTable(IP6, ip6),
		"inline":      inlined,
		"elephants":   policyTable(Inet, Elephants("fast")),
		"skip-dpi":    policyTable(Inet, SkipDPI("fast")),
		"skip-marked": policyTable(Inet, SkipMarked("fast", 0x10, 0xf0)),
	}
}

// TestPolicyText compares what policies compile to with files of nft text.
func TestPolicyText(t *testing.T) {
	for name, spec := range policies() {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, spec.Validate())
			_, text, ok := strings.Cut(writeNFT(t, spec), "\tchain ")
			require.True(t, ok)
			path := filepath.Join("testdata", "policies", name+".nft")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, []byte("\tchain "+text), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err, "write it with -update")
			require.Equal(t, string(want), "\tchain "+text)
		})
	}
}

// TestPolicyLowers: what policies compile to is valid on its own, is what is sent, and every rule says what it is for.
func TestPolicyLowers(t *testing.T) {
	for name, spec := range policies() {
		t.Run(name, func(t *testing.T) {
			r := resolved(t, spec)
			plain := r.spec
			require.NoError(t, plain.Validate())
			require.Empty(t, plain.Tables[0].Offload)
			require.Equal(t, writeNFT(t, spec), writeNFT(t, &plain))
			require.Equal(t, batchOf(t, spec, nil).Bytes(), batchOf(t, &plain, nil).Bytes())
			chain := plain.Tables[0].Chains[len(plain.Tables[0].Chains)-1]
			for i, rule := range chain.Rules {
				assert.NotEmpty(t, rule.Comment, "rule %d", i)
				last := rule.Do[len(rule.Do)-1]
				flowAdd := slices.ContainsFunc(rule.Do, func(s Statement) bool { return s.FlowAdd != "" })
				assert.Equal(t, !flowAdd, last.Verdict == VerdictReturn, "rule %d: %s", i, ruleText(Inet, &rule))
			}
			assert.Equal(t, spec.Tables[0].Offload, r.Spec().Tables[0].Offload, "what was declared comes back")
		})
	}
}

func TestPolicyJSON(t *testing.T) {
	for name, spec := range policies() {
		t.Run(name, func(t *testing.T) {
			roundTrip(t, spec)
			text, err := json.Marshal(spec)
			require.NoError(t, err)
			again, err := Parse(bytes.NewReader(text))
			require.NoError(t, err)
			assert.Equal(t, spec, again)
		})
	}
	text, err := json.Marshal(Elephants("fast"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"flowtable":"fast","after":{"packets":20}}`, string(text))
	for _, wrong := range []string{
		`{"tables":[{"name":"x","offload":[{"flowtable":"f","except":{"adresses":[]}}]}]}`,
		`{"tables":[{"name":"x","offload":[{"flowtable":"f","only":{"between":[{"form":["a"]}]}}]}]}`,
		`{"tables":[{"name":"x","offload":[{"flowtable":"f","except":{"zones":[65536]}}]}]}`,
		`{"tables":[{"name":"x","offload":[{"flowtable":"f","except":{"marks":[{"value":16}]}}]}]}`,
	} {
		_, err := Parse(strings.NewReader(wrong))
		var mistake *ParseError
		assert.ErrorAs(t, err, &mistake, wrong)
	}
	// Empty lists are nothing, and stay so.
	spec, err := Parse(strings.NewReader(`{"tables":[{"name":"x","offload":[{"flowtable":"f","only":{"also":[]},"except":{"addrs":[]}}]}]}`))
	require.NoError(t, err)
	roundTrip(t, spec)
}

func TestAnnounced(t *testing.T) {
	spec := policyTable(Inet, Policy{Flowtable: "fast", Announce: "0x100"}, Policy{Flowtable: "other", Announce: "512"}, Policy{Flowtable: "quiet"})
	assert.Equal(t, map[uint32]string{0x100: "fast", 0x200: "other"}, spec.Announced())
	assert.Empty(t, oneTable(Table{}).Announced())
}
