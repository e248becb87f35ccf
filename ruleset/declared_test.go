package ruleset

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
)

// A declaredCase is a ruleset from the world as our model carries it.
type declaredCase struct {
	name   string // of the file in testdata/declared
	source string
	// otherwise says what we declare in another way, or cannot declare.
	otherwise string
	spec      *Spec
}

// declared are rulesets that people run. They show what the model carries and what it does not.
func declared() []declaredCase {
	return []declaredCase{
		{"kernel-docs", "Linux, Documentation/networking/nf_flowtable.rst, the example configuration",
			"`ip protocol tcp` reads the IPv4 header: here meta nfproto and meta l4proto", kernelDocs()},
		{"kernel-docs-hw", "Linux, Documentation/networking/nf_flowtable.rst, counter and hardware offload", "", &Spec{Tables: []Table{
			{Name: "x", Flowtables: []flowtable.Spec{{Name: "f", Devices: named("eth0", "eth1"), Hardware: flowtable.HardwareOn}}},
		}}},
		{"vyos-two-flowtables", "VyOS, vyos-1x pull request 2062: a hardware and a software flowtable", "", vyosTwo()},
		{"vyos-ft01", "VyOS documentation, firewall/flowtables, rendered", "", vyosFT01()},
		{"calico", "Calico, felix: flowtable with a set of exceptions", "`meta mark & 0xfffeffff` is the clearing of one bit", calico()},
		{"firewalld", "firewalld, NftablesFlowtable=eth0 eth1", "", firewalld()},
		{"openwrt-30-packets", "OpenWrt fw4 with `ct original packets ge 30`", "the vmap of connection states is two rules", openWrt()},
		{"ppp-wildcard", "netfilter-devel 2022: ppp* as a device of a flowtable", "`ip protocol` as above", pppWildcard()},
		{"nixos-vlan-ppp", "a NixOS router with VLANs and PPPoE",
			"cannot: `meta oiftype ppp tcp flags syn tcp option maxseg size set 1452` (RawExpr can)", nixos()},
		{"antrea", "Antrea, docs/design/traffic-acceleration.md", "iif and oif by index are by name here; chains and sets have no comments", antrea()},
		{"opennds", "openNDS, two flowtables with one device each in two tables", "", openNDS()},
		{"router", "a home router: masquerade, a forwarded port, IPv6, exceptions by mark", "", router()},
	}
}

// TestDeclared validates each, and compares its nft text with the file.
func TestDeclared(t *testing.T) {
	for _, c := range declared() {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.spec.Validate())
			roundTrip(t, c.spec)
			got := "# " + c.source + "\n"
			if c.otherwise != "" {
				got += "# Otherwise: " + c.otherwise + "\n"
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

func named(names ...string) []flowtable.Selector {
	var s []flowtable.Selector
	for _, n := range names {
		s = append(s, flowtable.Selector{Name: n})
	}
	return s
}

func fast(name string, priority flowtable.Priority, devices ...string) []flowtable.Spec {
	return []flowtable.Spec{{Name: name, Priority: priority, Devices: named(devices...)}}
}

// established is the match that most begin with.
func established() Statement { return CTState.Is(Established, Related) }

func kernelDocs() *Spec {
	f := fast("f", "0", "eth0", "eth1")
	f[0].NoCounter = true
	return &Spec{Tables: []Table{{
		Name: "x", Flowtables: f,
		Chains: []Chain{{Name: "y", Hook: Forward, Rules: []Rule{
			R(NFProto.Is("ipv4"), L4Proto.Is(TCP), FlowAdd("f")),
			R(Counter()),
		}}},
	}}}
}

func vyosTwo() *Spec {
	return &Spec{Tables: []Table{{
		Name: "vyos_offload",
		Flowtables: []flowtable.Spec{
			{Name: "VYOS_FLOWTABLE_hardware", Priority: "filter - 2", Devices: named("eth0", "eth1"), Hardware: flowtable.HardwareOn},
			{Name: "VYOS_FLOWTABLE_software", Priority: "filter - 1", Devices: named("eth2", "eth3"), Hardware: flowtable.HardwareOn},
		},
		Chains: []Chain{
			{Name: "VYOS_FLOWTABLE_hardware", Hook: Forward, Priority: "filter - 2", Rules: []Rule{
				R(established(), L4Proto.Is(TCP, UDP), FlowAdd("VYOS_FLOWTABLE_hardware")),
			}},
			{Name: "VYOS_OFFLOAD_software", Hook: Forward, Priority: "filter - 1", Rules: []Rule{
				R(established(), L4Proto.Is(TCP, UDP), FlowAdd("VYOS_FLOWTABLE_software")),
			}},
		},
	}}}
}

func vyosFT01() *Spec {
	const name = "VYOS_FLOWTABLE_FT01"
	return &Spec{Tables: []Table{
		{Family: IP, Name: "vyos_filter", Flowtables: fast(name, "0", "eth0", "eth1"), Chains: []Chain{
			{Name: "VYOS_FORWARD_filter", Hook: Forward, Rules: []Rule{
				R(established(), Counter(), FlowAdd(name)).Note("ipv4-FWD-filter-10"),
				R(established(), Counter(), Accept()).Note("ipv4-FWD-filter-20"),
				R(IPDaddr.Is("192.0.2.100"), TCPDport.Is(1122), IIFName.Is("eth0"), Counter(), Accept()).Note("ipv4-FWD-filter-110"),
				R(Counter(), Drop()).Note("FWD-filter default-action drop"),
			}},
		}},
		{Family: IP6, Name: "vyos_filter", Flowtables: fast(name, "0", "eth0", "eth1")},
	}}
}

func calico() *Spec {
	return &Spec{Tables: []Table{{
		Family: IP, Name: "calico",
		Flowtables: fast("calico", "filter", "cali1234", "cali5678", "vxlan.calico"),
		Sets:       []Set{{Name: "cali40no-flow-offload", Type: IPv4Addr, Elements: []string{"10.65.0.3"}}},
		Chains: []Chain{
			{Name: "filter-FORWARD", Hook: Forward, Rules: []Rule{R(Jump("cali-FORWARD"))}},
			{Name: "cali-FORWARD", Rules: []Rule{
				R(established(), IPSaddr.NotIn("cali40no-flow-offload"), IPDaddr.NotIn("cali40no-flow-offload"), Counter(), FlowAdd("calico")).
					Note("Offload established Calico flows."),
				R(MetaMark.Set(0, 0x10000)),
			}},
		},
	}}}
}

func firewalld() *Spec {
	return &Spec{Tables: []Table{{
		Name: "firewalld", Flowtables: fast("fastpath", "filter + 10", "eth0", "eth1"),
		Chains: []Chain{{Name: "filter_FORWARD", Hook: Forward, Priority: "filter + 10", Rules: []Rule{
			R(established(), L4Proto.Is(TCP, UDP), FlowAdd("fastpath")),
			R(established(), Accept()),
		}}},
	}}}
}

func openWrt() *Spec {
	return &Spec{Tables: []Table{{
		Name: "fw4", Flowtables: fast("ft", "0", "eth0", "eth1"),
		Chains: []Chain{{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
			R(L4Proto.Is(TCP, UDP), CTOriginalPackets.AtLeast(30), FlowAdd("ft")),
			R(CTState.Is(Established), Accept()).Note("!fw4: Handle forwarded flows"),
			R(CTState.Is(Related), Accept()).Note("!fw4: Handle forwarded flows"),
		}}},
	}}}
}

func pppWildcard() *Spec {
	return &Spec{Tables: []Table{{
		Name:       "filter",
		Flowtables: []flowtable.Spec{{Name: "fastnat", Devices: []flowtable.Selector{{Name: "eth0"}, {Prefix: "ppp"}}, NoCounter: true}},
		Chains: []Chain{{Name: "forward", Hook: Forward, Rules: []Rule{
			R(NFProto.Is("ipv4"), L4Proto.Is(TCP, UDP), FlowAdd("fastnat")),
		}}},
	}}}
}

func nixos() *Spec {
	inner := []string{"guest", "wifi", "wired", "camera", "mgnt", "wan", "wg0"}
	outer := []string{"ppp0", "wan", "mobile"}
	return &Spec{Tables: []Table{
		{Family: IP, Name: "filter", Flowtables: fast("fastnat", "", "wifi", "wired", "camera", "mgnt", "wan"), Chains: []Chain{
			{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
				R(L4Proto.Is(TCP, UDP), FlowAdd("fastnat")),
				R(IIFName.Is(inner...), OIFName.Is(outer...), Counter(), Accept()),
				R(IIFName.Is(outer...), OIFName.Is(inner...), established(), Counter(), Accept()),
				R(IPSaddr.Is("172.26.0.0/16"), Accept()),
				R(IPSaddr.Is("172.23.0.0/16"), Accept()),
			}},
		}},
		{Family: IP, Name: "nat", Chains: []Chain{
			{Name: "postrouting", Type: NATChain, Hook: Postrouting, Rules: []Rule{
				R(OIFName.Is("ppp0"), Masquerade()),
				R(OIFName.Is("wan"), Masquerade()),
				R(OIFName.Is("mobile"), Masquerade()),
			}},
		}},
	}}
}

func antrea() *Spec {
	const local = "10.244.2.0/24"
	peers := Set{Name: "peer-pod-cidr", Type: IPv4Addr, Interval: true, Elements: []string{"10.244.0.0/24", "10.244.1.0/24"}}
	peers6 := Set{Name: "peer-pod-cidr", Type: IPv6Addr, Interval: true, Elements: []string{"fd00:10:244::/64", "fd00:10:244:1::/64"}}
	return &Spec{Tables: []Table{
		{Family: IP, Name: "antrea", Sets: []Set{peers}, Flowtables: fast("fastpath", "filter", "antrea-gw0", "eth0"), Chains: []Chain{
			{Name: "forward", Hook: Forward, Rules: []Rule{
				R(IIFName.Is("antrea-gw0"), IPSaddr.Is(local), OIFName.Is("eth0"), IPDaddr.In("peer-pod-cidr"), FlowAdd("fastpath"), Counter()).
					Note("Accelerate IPv4 connections: local Pod CIDR to remote Pod CIDRs"),
				R(IIFName.Is("eth0"), IPSaddr.In("peer-pod-cidr"), OIFName.Is("antrea-gw0"), IPDaddr.Is(local), FlowAdd("fastpath"), Counter()).
					Note("Accelerate IPv4 connections: remote Pod CIDRs to local Pod CIDR"),
			}},
		}},
		{Family: IP6, Name: "antrea", Sets: []Set{peers6}},
	}}
}

func openNDS() *Spec {
	return &Spec{Tables: []Table{
		{Name: "nds_mangle", Flowtables: fast("ndsftINC", "-100", "eth0.2"), Chains: []Chain{
			{Name: "ndsPOST", Hook: Forward, Priority: "-100", Rules: []Rule{R(Jump("ndsINC"))}},
			{Name: "ndsINC", Rules: []Rule{R(OIFName.Is("br-lan"), Counter(), Jump("nds_ft_INC"))}},
			{Name: "nds_ft_INC", Rules: []Rule{R(L4Proto.Is(TCP, UDP), FlowAdd("ndsftINC"), Counter()), R(Counter(), Return())}},
		}},
		{Name: "nds_filter", Flowtables: fast("ndsftOUT", "-100", "br-lan"), Chains: []Chain{
			{Name: "ndsFWD", Hook: Forward, Priority: "-100", Rules: []Rule{R(IIFName.Is("br-lan"), Jump("nds_ft_OUT"))}},
			{Name: "nds_ft_OUT", Rules: []Rule{R(L4Proto.Is(TCP, UDP), FlowAdd("ndsftOUT"), Counter()), R(Counter(), Return())}},
		}},
	}}
}

func router() *Spec {
	return &Spec{Owner: "router", Tables: []Table{{
		Name: "edge",
		Flowtables: []flowtable.Spec{
			{Name: "fast", Devices: []flowtable.Selector{{Name: "lan0"}, {Name: "wan0"}, {Prefix: "ppp"}}, Priority: "filter - 10"},
		},
		Sets: []Set{
			{Name: "slow", Type: IPv4Addr, Interval: true, Elements: []string{"198.51.100.7", "192.0.2.0/24", "203.0.113.1-203.0.113.9"}},
			{Name: "slow6", Type: IPv6Addr, Interval: true, Elements: []string{"2001:db8::/32"}},
			{Name: "uplinks", Type: IfName, Interval: true, Elements: []string{"wan0", "ppp*"}},
		},
		Chains: []Chain{
			{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
				R(CTState.Is(Invalid), Drop()),
				R(MetaMark.Has(0x10, 0xff), Goto("classic")).Note("slow path for the DPI's flows"),
				R(IPDaddr.In("slow"), Jump("classic")),
				R(IP6Daddr.In("slow6"), Jump("classic")),
				R(established(), L4Proto.Is(TCP, UDP), FlowAdd("fast"), CTMark.Set(0x100000, 0x100000)),
				R(established(), Accept()),
				R(CTState.Is(New), OIFName.In("uplinks"), Accept()),
				R(CTStatus.Is("dnat"), Accept()),
				R(Limit(10, "second"), Statement{Log: &Logging{Prefix: "dropped: ", Level: "info"}}, Counter()),
			}},
			{Name: "classic", Rules: []Rule{R(DSCP.Is(46), MetaMark.Set(0x20, 0xff)), R(established(), Counter(), Accept())}},
			{Name: "prerouting", Type: NATChain, Hook: Prerouting, Priority: "dstnat", Rules: []Rule{
				R(IIFName.In("uplinks"), NFProto.Is("ipv4"), TCPDport.Is(8443), DNAT("192.168.1.20", 443)),
				R(IIFName.In("uplinks"), NFProto.Is("ipv6"), L4Proto.Is(TCP, UDP), THDport.Between(5000, 5010), DNAT("2001:db8:1::2", 0)),
			}},
			{Name: "postrouting", Type: NATChain, Hook: Postrouting, Priority: "srcnat", Rules: []Rule{
				R(OIFName.In("uplinks"), IPSaddr.Is("192.168.0.0/16"), Statement{Masquerade: &Masquerading{FullyRandom: true}}),
			}},
		},
	}}}
}
