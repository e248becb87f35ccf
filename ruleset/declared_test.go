package ruleset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A declaredCase is a ruleset from the world as our model carries it.
type declaredCase struct {
	name   string // of the file in testdata/declared
	source string
	// originals are the files in testdata/originals that it declares: the text as it was found, variables, includes and templates
	// resolved by hand. None for one that we wrote ourselves.
	originals []string
	// differs says what we declare in another way, or cannot declare. TestDeclaredAgainstOriginals holds it to nft's listings.
	differs []difference
	spec    *Spec
}

// declared are rulesets that people run. They show what the model carries and what it does not.
func declared() []declaredCase {
	return slices.Concat(declaredFirewalls(), declaredRouters(), declaredKernel())
}

// declaredFirewalls are those that programs write.
func declaredFirewalls() []declaredCase {
	fw4Recent := fw4Router{devices: []string{"eth0", "eth1"}, counter: true, wan: "pppoe-wan", recent: true, tested: true}
	fw4PPPoE := fw4Router{devices: []string{"eth0", "eth1"}, wan: "pppoe-wan", tested: true}
	fw4Logical := fw4Router{devices: []string{"br-lan", "wan"}, wan: "wan"}
	return []declaredCase{
		{"openwrt-fw4", "OpenWrt, firewall4, its first test, with hardware offload (2023 and later)",
			[]string{"01-fw4-hw-default.nft", "06-fw4-2023-counter.nft"},
			[]difference{byIndex, stateMap, tcpFlagsMask, rejects, icmp, clampMSS}, fw4(fw4Recent)},
		{"openwrt-fw4-2022", "OpenWrt, firewall4 of January 2022: logical devices in the flowtable",
			[]string{"03-fw4-sw-2022-brlan-wan.nft"}, []difference{tcpFlagsMask, rejects, icmp, clampMSS}, fw4(fw4Logical)},
		{"openwrt-fw4-2022-pppoe", "OpenWrt, firewall4 of February 2022: PPPoE resolved to its lower device",
			[]string{"05-fw4-pppoe-lower-devs.nft"}, []difference{tcpFlagsMask, rejects, icmp, clampMSS}, fw4(fw4PPPoE)},
		{"openwrt-30-packets", "OpenWrt fw4 with `ct original packets ge 30`", []string{"54-owrt-ct-packets-30-patch.nft"}, []difference{stateMap}, openWrt()},
		{"vyos-two-flowtables", "VyOS, vyos-1x pull request 2062: two flowtables", []string{"37-vyos-pr2062-two-flowtables.nft"}, []difference{stateSet}, vyosTwo()},
		{"vyos-ft01", "VyOS documentation, firewall/flowtables, rendered", []string{"35-vyos-docs-FT01-rendered.nft"}, []difference{stateSet}, vyosFT01()},
		{"calico", "Calico, felix: flowtable with a set of exceptions", []string{"08-calico-felix-flowtable.nft"}, nil, calico()},
		{"firewalld", "firewalld, NftablesFlowtable=eth0 eth1", []string{"38-firewalld-fastpath.nft"}, []difference{stateSet}, firewalld()},
		{"antrea", "Antrea, docs/design/traffic-acceleration.md", []string{"16-antrea-traffic-acceleration.nft"}, []difference{byIndex, comments}, antrea()},
		{"opennds", "openNDS, two flowtables with one device each in two tables", []string{"40-opennds-two-single-device-flowtables.nft"}, nil, openNDS()},
		{"kube-proxy", "google/nftables, integration/testdata/add_flowtables.nft: the shape of kube-proxy's", []string{"11-kube-proxy-shape-google-nftables-testdata.nft"},
			[]difference{moreThan}, kubeProxy()},
		{"phragma", "phragma, internal/renderers/nftables/testdata/flowoffload.nft", []string{"14-phragma-flowoffload.nft"}, nil, phragma()},
		{"zapret", "zapret, issue 355 with the flowtable of common/nft.sh", []string{"39-zapret-flow_offload-chain.nft"}, []difference{meterRange}, zapret()},
	}
}

// declaredRouters are those that people write by hand.
func declaredRouters() []declaredCase {
	return []declaredCase{
		{"ppp-wildcard", "netfilter-devel 2022: ppp* as a device of a flowtable", []string{"45-ppp-wildcard-wish.nft"}, []difference{ipProtocol}, pppWildcard()},
		{"nft-qos", "netfilter-devel 2022: sets of addresses to limit beside a flowtable", []string{"43-nft-qos-static-fastnat.nft"},
			[]difference{ipProtocol, typeofSets, dynamicSets}, nftQoS()},
		{"nixos-vlan-ppp", "a NixOS router with VLANs and PPPoE", []string{"47-nixos-vlan-ppp-fastnat.nft"}, []difference{ipProtocol4, clampMSS}, nixos()},
		{"nixos-bpi-r3", "ghostbuster91/nixos-router, nixos/network.nix", []string{"17-nixos-bpi-r3-hw.nft"}, []difference{ipProtocol, stateSet, icmp}, bananaPi()},
		{"nixos-n100", "a NixOS router with three bridges of one port, TCP only", []string{"48-nixos-n100-tcp-only.nft"}, []difference{ipProtocol4, stateSet}, nixosN100()},
		{"unreachable", "a course on nftables: a `flow add` that no packet of an established connection reaches", []string{"55-lesson-unreachable-flow-add.nft"},
			[]difference{ipProtocol}, unreachable()},
		{"router", "a home router: masquerade, a forwarded port, IPv6, exceptions by mark", nil, nil, router()},
	}
}

// declaredKernel are those of Linux and nftables.
func declaredKernel() []declaredCase {
	return []declaredCase{
		{"kernel-docs", "Linux, Documentation/networking/nf_flowtable.rst, the example configuration", []string{"30-kernel-docs-nf_flowtable.nft"}, []difference{ipProtocol}, kernelDocs()},
		{"kernel-docs-counter", "Linux, Documentation/networking/nf_flowtable.rst, counters", []string{"31-kernel-docs-nf_flowtable-counter.nft"}, nil,
			&Spec{Tables: []Table{{Name: "x", Flowtables: fast("f", "0", "eth0", "eth1")}}}},
		{"kernel-docs-hw", "Linux, Documentation/networking/nf_flowtable.rst, hardware offload", []string{"32-kernel-docs-nf_flowtable-hw.nft"}, nil, kernelDocsHardware()},
		{"kernel-selftest", "Linux, tools/testing/selftests/netfilter/nft_flowtable.sh", []string{"33-kernel-selftest-nft_flowtable.nft"},
			[]difference{byIndex, packetLength}, kernelSelftest()},
		{"nft-variables", "nftables, tests/shell/testcases/flowtable/dumps/0012flowtable_variable_0.nft", []string{"20-nftests-0012-variables.nft"}, nil, nftVariables()},
		{"nft-no-devices", "nftables, tests/shell/features/flowtable_no_devices.nft", []string{"23-nftests-no-devices.nft"}, nil,
			&Spec{Tables: []Table{{Family: IP, Name: "filter2", Flowtables: fast("main_ft2", "filter")}}}},
	}
}

// TestDeclared validates each, and compares its nft text with the file.
func TestDeclared(t *testing.T) {
	for _, c := range declared() {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.spec.Validate())
			roundTrip(t, c.spec)
			got := "# " + c.source + "\n"
			for _, d := range c.differs {
				got += "# " + d.kind() + ": " + d.why + "\n"
			}
			got += writeNFT(t, c.spec)
			path := filepath.Join("testdata", "declared", c.name+".nft")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err, "write it with -update")
			require.Equal(t, string(want), got)
		})
	}
}

// TestDeclaredRefused: a ruleset that kernels refuse is refused before they see it.
func TestDeclaredRefused(t *testing.T) {
	require.ErrorContains(t, inputChain().Validate(), "flow add")
}

// TestOriginalsAreAccountedFor: each file is declared, or listed with the reason why not.
func TestOriginalsAreAccountedFor(t *testing.T) {
	var want []string
	for _, c := range declared() {
		want = append(want, c.originals...)
	}
	for _, u := range undeclared() {
		if u.kept {
			want = append(want, u.original)
		}
	}
	want = append(want, "38-firewalld-fastpath.json") // the same ruleset as firewalld sends it
	var got []string
	files, err := os.ReadDir(filepath.Join("testdata", "originals"))
	require.NoError(t, err)
	for _, f := range files {
		got = append(got, f.Name())
		text, err := os.ReadFile(filepath.Join("testdata", "originals", f.Name()))
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(text), "# Source: ") || strings.HasSuffix(f.Name(), ".json"), "%s names no source", f.Name())
	}
	require.ElementsMatch(t, want, got)
}
