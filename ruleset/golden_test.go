package ruleset

import (
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// goldenSpecs are the Specs of testdata/NAME.golden. TestGoldensAgainstNFT holds the files to nft's own messages.
func goldenSpecs() map[string]*Spec {
	return map[string]*Spec{
		"flowtables": flowtablesSpec(), "router": routerSpec(), "matches": matchesSpec(), "nat6": nat6Spec(), "fields": fieldsSpec(), "policy": policyTable(Inet, everything()),
	}
}

func flowtablesSpec() *Spec {
	return &Spec{Owner: "golden", Tables: []Table{{Name: "t",
		Flowtables: []flowtable.Spec{
			{Name: "fast", Priority: "filter - 1", Devices: []flowtable.Selector{{Name: "wan0"}, {Name: "lan0"}}},
			{Name: "uncounted", Devices: []flowtable.Selector{{Name: "dmz0"}}, NoCounter: true},
			{Name: "hard", Hardware: flowtable.HardwareOn, Priority: "-5", Devices: []flowtable.Selector{{Name: "lan1"}}},
			{Name: "empty"},
		},
		Chains: []Chain{{Name: "c", Hook: Forward, Rules: []Rule{
			R(CTState.Is(Established), L4Proto.Is(TCP, UDP), FlowAdd("fast")).Note("take the fast path"),
			R(TCPDport.Is(443), FlowAdd("hard"), CTMark.Set(0x100, 0x100)),
		}}},
	}}}
}

func routerSpec() *Spec {
	return &Spec{Tables: []Table{{Family: IP, Name: "router",
		Flowtables: []flowtable.Spec{{Name: "f", Devices: []flowtable.Selector{{Name: "lan0"}, {Name: "wan0"}}}},
		Sets: []Set{
			{Name: "slow", Type: IPv4Addr, Interval: true, Elements: []string{"192.0.2.1", "10.0.0.0/8", "240.0.0.0/4"}},
			{Name: "lans", Type: IfName, Elements: []string{"lan1", "lan0"}},
		},
		Chains: []Chain{
			{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
				R(CTState.Is(Established, Related), IPSaddr.NotIn("slow"), IPDaddr.NotIn("slow"), Counter(), FlowAdd("f")),
				R(CTState.Is(Established, Related), Accept()),
				R(IIFName.In("lans"), OIFName.Is("wan*"), Accept()),
				R(CTState.Is(New), Limit(3, "minute"), Log("dropped "), Jump("audit")),
			}},
			{Name: "audit", Rules: []Rule{R(Counter(), Return())}},
			{Name: "pre", Type: NATChain, Hook: Prerouting, Priority: "dstnat", Rules: []Rule{
				R(IIFName.Is("wan0"), TCPDport.Is(8443), DNAT("192.168.1.20", 443)),
			}},
			{Name: "masq", Type: NATChain, Hook: Postrouting, Priority: "srcnat", Rules: []Rule{
				R(OIFName.Is("wan0"), IPSaddr.Is("192.168.0.0/16"), Masquerade()),
			}},
		},
	}}}
}

func matchesSpec() *Spec {
	return &Spec{Tables: []Table{{Name: "m", Chains: []Chain{{Name: "c", Hook: Forward, Priority: "filter + 10", Rules: []Rule{
		R(CTOriginalPackets.AtLeast(30), CTBytes.Below(1<<32)),
		R(CTMark.Has(0x10, 0xff), MetaMark.Is(1, 2)),
		R(IPSaddr.Is("192.0.2.128/25"), DSCP.Is(46)),
		R(IP6Daddr.Is("2001:db8::1-2001:db8::9"), DSCP6.Between(8, 15)),
		R(L4Proto.Is(TCP, UDP), WordField(THDport).Not("1024-2047")),
		R(WordField(UDPDport).Is("53", "1024-65535"), CTDirection.Is(Reply), CTStatus.Not("snat", "dnat")),
		R(IIFName.Is("ppp*", "wan"), MetaMark.Set(0x1200, 0xff00), CTMark.Set(7, 1<<32-1), Drop()),
	}}}}}}
}

func fieldsSpec() *Spec {
	return &Spec{Tables: []Table{{Name: "m", Chains: []Chain{{Name: "c", Hook: Forward, Rules: []Rule{
		R(CTHelper.Is("ftp", "sip"), CTZone.Is("1", "0x105")),
		R(CTHelper.Not("Q.931"), CTZone.Not("7"), MetaIPsec.Is("exists"), RTIPsec.Is("missing")),
		R(TCPFlags.Is("fin", "syn")),
		R(TCPDport.Is(80), TCPFlags.Not("rst")),
	}}}}}}
}

func nat6Spec() *Spec {
	return &Spec{Tables: []Table{{Family: IP6, Name: "n",
		Sets: []Set{{Name: "nets", Type: IPv6Addr, Interval: true, Elements: []string{"2001:db8::/32", "::1", "ff00::/8"}}},
		Chains: []Chain{
			{Name: "d", Type: NATChain, Hook: Prerouting, Priority: "dstnat", Rules: []Rule{R(IP6Saddr.In("nets"), TCPDport.Is(80), DNAT("2001:db8::1", 8080))}},
			{Name: "s", Type: NATChain, Hook: Postrouting, Priority: "srcnat", Rules: []Rule{
				R(UDPSport.Is(5), SNAT("", 6)), R(Statement{Masquerade: &Masquerading{FullyRandom: true}}),
			}},
		},
	}}}
}

// TestGoldens compares the symbolic dump of every golden Spec, little endian, with its file.
func TestGoldens(t *testing.T) {
	for name, spec := range goldenSpecs() {
		t.Run(name, func(t *testing.T) {
			got := goldenText(t, spec)
			path := filepath.Join("testdata", name+".golden")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err, "write it with -update")
			require.Equal(t, string(want), got)
		})
	}
}

// goldenText is the head, which says how nft makes the same, and the dump.
func goldenText(t *testing.T, s *Spec) string {
	r, err := s.Resolve(nil)
	require.NoError(t, err)
	p, err := Diff(nil, r)
	require.NoError(t, err)
	b, err := p.Batch(binary.LittleEndian)
	require.NoError(t, err)
	var nft, dump strings.Builder
	require.NoError(t, r.WriteNFT(&nft))
	require.NoError(t, b.WriteText(&dump))
	head := "# nft --debug=mnl -c -f - <<'EOF'\n"
	for line := range strings.Lines(nft.String()) {
		head += "# " + line
	}
	return head + "# EOF\n" + dump.String()
}
