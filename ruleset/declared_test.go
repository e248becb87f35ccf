package ruleset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A declaredCase is a ruleset in a shape that is found in the world, as our model carries it.
type declaredCase struct {
	name string // of the files in testdata/declared and testdata/shapes
	// shape is the project and the version whose ruleset has this shape. The text in testdata/shapes is our own: names, addresses, ports and
	// comments are other ones, and so is the order where that does not matter. Without a shape it is of our own devising, and has no such file.
	shape string
	// differs says what we declare in another way, or cannot declare. TestDeclaredAgainstShapes holds it to nft's listings.
	differs []difference
	spec    *Spec
}

// declared are rulesets in shapes that people run. They show what the model carries and what it does not.
func declared() []declaredCase {
	return slices.Concat(declaredFirewalls(), declaredRouters(), declaredKernel())
}

// declaredFirewalls are in shapes that programs write.
func declaredFirewalls() []declaredCase {
	fw4Recent := fw4Router{devices: []string{"port1", "port2"}, counter: true, wan: "ppp-net", recent: true, tested: true}
	fw4PPPoE := fw4Router{devices: []string{"port1", "port2"}, wan: "ppp-net", tested: true}
	fw4Logical := fw4Router{devices: []string{"br-home", "net0"}, wan: "net0"}
	return []declaredCase{
		{"openwrt-fw4", "OpenWrt, firewall4 since 2023, with hardware offload", []difference{byIndex, stateMap, tcpFlagsMask, rejects, icmp, clampMSS}, fw4(fw4Recent)},
		{"openwrt-fw4-2022", "OpenWrt, firewall4 of January 2022: logical devices in the flowtable", []difference{tcpFlagsMask, rejects, icmp, clampMSS}, fw4(fw4Logical)},
		{"openwrt-fw4-2022-pppoe", "OpenWrt, firewall4 of February 2022: PPPoE resolved to its lower device",
			[]difference{tcpFlagsMask, rejects, icmp, clampMSS}, fw4(fw4PPPoE)},
		{"openwrt-30-packets", "OpenWrt, firewall4 of 2023 with a patch: only connections of 30 packets and more", []difference{stateMap}, openWrt()},
		{"vyos-two-flowtables", "VyOS 1.4, pull request 2062 of vyos-1x: two flowtables", []difference{stateSet}, vyosTwo()},
		{"vyos-ft01", "VyOS 1.5, the example of its documentation on flowtables", []difference{stateSet}, vyosFT01()},
		{"calico", "Calico, felix of 2025: a flowtable with a set of exceptions", nil, calico()},
		{"firewalld", "firewalld 2.0, NftablesFlowtable with two devices", []difference{stateSet}, firewalld()},
		{"antrea", "Antrea, its design of 2025 for the acceleration of traffic between nodes", []difference{byIndex, comments}, antrea()},
		{"opennds", "openNDS 10: two flowtables with one device each, in two tables", nil, openNDS()},
		{"kube-proxy", "google/nftables of 2024, a flowtable of its tests: as kube-proxy's, by KEP 4963", []difference{moreThan}, kubeProxy()},
		{"phragma", "phragma of 2025, the flow offload of its renderer", nil, phragma()},
		{"zapret", "zapret, the flow offload of its nftables scripts in 2024", []difference{meterRange}, zapret()},
	}
}

// declaredRouters are in shapes that people write by hand.
func declaredRouters() []declaredCase {
	return []declaredCase{
		{"ppp-wildcard", "a wish on netfilter-devel in 2022: all devices of PPP by a prefix", []difference{ipProtocol}, pppWildcard()},
		{"nft-qos", "a ruleset on netfilter-devel in 2022: sets of addresses to limit beside a flowtable", []difference{ipProtocol, typeofSets, dynamicSets}, nftQoS()},
		{"nixos-vlan-ppp", "a NixOS router with VLANs and PPPoE, NixOS 23", []difference{ipProtocol4, clampMSS}, nixos()},
		{"nixos-bpi-r3", "ghostbuster91/nixos-router of 2023: ports of a switch, in hardware", []difference{ipProtocol, stateSet, icmp}, bananaPi()},
		{"nixos-n100", "a NixOS router of 2024 with three bridges of one port, TCP only", []difference{ipProtocol4, stateSet}, nixosN100()},
		{"unreachable", "a course on nftables: a `flow add` that no packet of an established connection reaches", []difference{ipProtocol}, unreachable()},
		{"router", "", nil, router()},
	}
}

// declaredKernel are in shapes that Linux and nftables show.
func declaredKernel() []declaredCase {
	return []declaredCase{
		{"kernel-docs", "Linux 6.12, Documentation/networking/nf_flowtable.rst, the example configuration", []difference{ipProtocol}, kernelDocs()},
		{"kernel-docs-counter", "Linux 6.12, Documentation/networking/nf_flowtable.rst, counters", nil,
			&Spec{Tables: []Table{{Name: "small", Flowtables: fast("way", "0", "lan0", "wan0")}}}},
		{"kernel-docs-hw", "Linux 6.12, Documentation/networking/nf_flowtable.rst, hardware offload", nil, kernelDocsHardware()},
		{"kernel-selftest", "Linux 6.12, tools/testing/selftests/net/netfilter/nft_flowtable.sh", []difference{byIndex, packetLength}, kernelSelftest()},
		{"nft-variables", "nftables 1.1.6, a test of its shell suite: flowtables from variables, in four tables", nil, nftVariables()},
		{"nft-no-devices", "nftables 1.1.6, a probe of its shell suite: a flowtable without devices", nil,
			&Spec{Tables: []Table{{Family: IP, Name: "bare", Flowtables: fast("waiting", "filter")}}}},
	}
}

// TestDeclared validates each, and compares its nft text with the file.
func TestDeclared(t *testing.T) {
	for _, c := range declared() {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.spec.Validate())
			roundTrip(t, c.spec)
			got := c.firstLine()
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

// firstLine says whose shape a ruleset has.
func (c *declaredCase) firstLine() string {
	if c.shape == "" {
		return "# A home router: masquerade, a forwarded port, IPv6, exceptions by mark\n"
	}
	return shapeLine(c.shape)
}

func shapeLine(shape string) string {
	return "# The shape of " + shape + "; written for fastpath's tests.\n"
}

// TestShapesAreAccountedFor: each file is declared, or listed with the reason why not, and says whose shape it has.
func TestShapesAreAccountedFor(t *testing.T) {
	want := map[string]string{"firewalld.json": `{"nftables": [` + "\n"} // firewalld.nft in the form that firewalld sends
	for _, c := range declared() {
		if c.shape != "" {
			want[c.name+".nft"] = c.firstLine()
		}
	}
	for _, u := range undeclared() {
		if u.file != "" {
			want[u.file] = shapeLine(u.shape)
		}
	}
	got := map[string]string{}
	files, err := os.ReadDir(filepath.Join("testdata", "shapes"))
	require.NoError(t, err)
	for _, f := range files {
		first, _, _ := strings.Cut(readShape(t, f.Name()), "\n")
		got[f.Name()] = first + "\n"
	}
	require.Equal(t, want, got)
}

func readShape(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "shapes", file))
	require.NoError(t, err)
	return string(text)
}
