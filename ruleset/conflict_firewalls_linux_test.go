package ruleset

import (
	"embed"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
)

//go:embed testdata/firewalls
var firewallFiles embed.FS

// A firewall is a ruleset in the shape of what a program writes, and what of it a flowtable between lan0 and wan0 meets: the effects by chain.
type firewall struct {
	file string
	// Conflicts are in the way; what is only to know of is not.
	conflicts, information map[string]string
}

func firewalls() []firewall {
	none := map[string]string{}
	return []firewall{
		{"calico.nft", map[string]string{"ip pods filter-through": "counter, mark set", "ip pods mangle-after": "counter, mark set"}, none},
		{"docker.iptables", none, map[string]string{"ip filter FORWARD": "counter"}},
		{"docker28.iptables", none, map[string]string{"ip filter FORWARD": "counter", "ip raw PREROUTING": "counter"}},
		{"fail2ban.nft", none, none},
		{"firewalld.nft", none, map[string]string{"inet zones front": "reverse-path filter"}},
		{"fw4.nft", none, none},
		{"kube-proxy.nft", none, none},
		{"libvirt.iptables", none, map[string]string{"ip filter FORWARD": "counter"}},
		{"netavark.nft", none, none},
		{"nixos.nft", none, map[string]string{"inet walls way-back": "reverse-path filter"}},
		{"plain.iptables", none, map[string]string{"ip filter FORWARD": "counter"}},
		{"rpfilter.iptables", none, map[string]string{"ip mangle PREROUTING": "counter, reverse-path filter"}},
		{"shorewall.iptables", map[string]string{"ip mangle FORWARD": "counter, MARK"}, map[string]string{"ip filter FORWARD": "counter"}},
		{"ufw.iptables", none, map[string]string{"ip filter FORWARD": "counter"}},
		{"vyos.nft", none, map[string]string{"ip numbered through": "counter", "ip early way_back": "reverse-path filter", "ip early untracked": "counter"}},
	}
}

// firewallTarget is a router with bridges of guests beside its two devices.
func firewallTarget() *flowtable.Target {
	return &flowtable.Target{Links: []flowtable.Link{
		{Index: 1, Name: "lo", Up: true}, {Index: 2, Name: "lan0", Up: true}, {Index: 3, Name: "wan0", Up: true},
		{Index: 4, Name: "box0", Kind: "bridge", Up: true}, {Index: 5, Name: "veth0", Kind: "veth", Master: 4, Up: true},
		{Index: 6, Name: "box1", Kind: "bridge", Up: true}, {Index: 7, Name: "veth1", Kind: "veth", Master: 6, Up: true},
		{Index: 8, Name: "pod0", Kind: "veth", Up: true},
	}}
}

// haveXtables: the micro VMs load chosen modules, and the extensions of xtables are none of them. What needs these has run where they are built.
func haveXtables() bool { return os.Getenv("FASTPATH_VM") == "" }

func isIPTables(file string) bool { return strings.HasSuffix(file, ".iptables") }

// loadFirewall has a firewall in a namespace of its own.
func loadFirewall(t *testing.T, file string) *Loaded {
	t.Helper()
	text, err := firewallFiles.ReadFile("testdata/firewalls/" + file)
	require.NoError(t, err)
	ns := testns.NewT(t, "firewall")
	if isIPTables(file) {
		apply(t, ns, iptables(t, "firewall", string(text)))
	} else {
		require.NoError(t, ns.NFT(testContext(t), string(text)))
	}
	return loadFrom(t, ns)
}

func byLevel(findings []Finding) (conflicts, information map[string]string) {
	conflicts, information = skips(findings), skips(findings)
	for _, f := range findings {
		left := information
		if f.Information {
			left = conflicts
		}
		delete(left, strings.TrimPrefix(f.Path, "chain "))
	}
	return conflicts, information
}

// TestConflictsWithFirewalls has firewalls as people run them beside a flowtable between lan0 and wan0, and asks what is in the way.
func TestConflictsWithFirewalls(t *testing.T) {
	testns.RequireNamespaces(t)
	var files []string
	for _, f := range firewalls() {
		files = append(files, f.file)
		if isIPTables(f.file) && !haveXtables() {
			continue
		}
		t.Run(f.file, func(t *testing.T) {
			have := loadFirewall(t, f.file)
			conflicts, information := byLevel(between(t, Inet, "lan0", "wan0").Conflicts(have))
			assert.Equal(t, f.conflicts, conflicts, "in the way")
			assert.Equal(t, f.information, information, "to know of")

			p, err := Diff(have, between(t, Inet, "lan0", "wan0"))
			require.NoError(t, err)
			for chain := range information {
				assert.NotContains(t, strings.Join(p.Warnings(), "\n"), chain)
			}
			for _, f := range between(t, IP, "lan0", "wan0").Conflicts(have) {
				assert.NotContains(t, f.Path, "inet zones", "its filter is for IPv6 alone")
			}
		})
	}
	entries, err := firewallFiles.ReadDir("testdata/firewalls")
	require.NoError(t, err)
	for _, e := range entries {
		assert.Contains(t, files, e.Name())
	}
}

// between is a ruleset with a flowtable between devices.
func between(t *testing.T, family Family, devices ...string) *Resolved {
	t.Helper()
	r, err := oneTable(Table{Family: family, Name: "ours", Flowtables: fast("fast", "filter", devices...), Offload: []Policy{{Flowtable: "fast"}}}).Resolve(firewallTarget())
	require.NoError(t, err)
	return r
}

// TestConflictsBetweenGuests: what keeps networks of guests apart stops whole connections, and is in nobody's way where they are offloaded.
func TestConflictsBetweenGuests(t *testing.T) {
	testns.RequireNamespaces(t)
	for _, file := range []string{"docker.iptables", "docker28.iptables", "netavark.nft"} {
		if isIPTables(file) && !haveXtables() {
			continue
		}
		have := loadFirewall(t, file)
		for _, devices := range [][]string{{"box0", "wan0"}, {"box0", "box1", "wan0"}, {"veth0", "veth1", "lan0", "wan0"}} {
			conflicts, _ := byLevel(between(t, Inet, devices...).Conflicts(have))
			assert.Empty(t, conflicts, "%s, %v", file, devices)
		}
	}
	if !haveXtables() {
		return
	}
	for rules, want := range map[string]map[string]string{
		"-A FORWARD -i box0 -o wan0 -j DROP":                                       {"ip filter FORWARD": "counter, drop"},
		"-A FORWARD -i box0 -o wan0 -j DROP\n-A FORWARD -i wan0 -o box0 -j DROP":   {},
		"-A FORWARD -i box+ -j DROP":                                               {"ip filter FORWARD": "counter, drop"},
		"-A FORWARD -i pod0 -j DROP":                                               {},
		"-A FORWARD -i pod+ -j DROP":                                               {},
		"-A FORWARD -s 192.0.2.1 -j ACCEPT\n-A FORWARD -j LOG\n-A FORWARD -j DROP": {"ip filter FORWARD": "counter, LOG, drop"},
		"-A FORWARD -j LOG\n-A FORWARD -j DROP":                                    {},
	} {
		ns := testns.NewT(t, "guests")
		apply(t, ns, iptables(t, "firewall", "*filter\n:FORWARD ACCEPT\n"+rules+"\n"))
		conflicts, _ := byLevel(between(t, Inet, "box0", "wan0").Conflicts(loadFrom(t, ns)))
		assert.Equal(t, want, conflicts, rules)
	}
}

// TestConflictsOfNewConnections: what meets no packet of an established connection can take no announcement back. It can make one that is none.
func TestConflictsOfNewConnections(t *testing.T) {
	testns.RequireNamespaces(t)
	r, err := oneTable(Table{Family: IP, Name: "ours", Flowtables: fast("fast", "filter", "lan0", "wan0"), Offload: []Policy{{Flowtable: "fast", Announce: "0x100"}}}).Resolve(firewallTarget())
	require.NoError(t, err)
	nft := testns.NewT(t, "new")
	require.NoError(t, nft.NFT(testContext(t), "table inet marks { chain c { type filter hook prerouting priority mangle; ct state new ct mark set 0x5; ct state new ct mark 0x100 counter; meta nfproto ipv6 ct mark set 0; }; }"))
	assert.Empty(t, ofCode(r.Conflicts(loadFrom(t, nft)), "announced-bit"))
	if !haveXtables() {
		return
	}
	const none, tells, conflict = "", "information", "conflict"
	for rule, want := range map[string]string{
		"-m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x10/0xffffffff":         none,
		"-m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x100/0xffffffff":        conflict,
		"-m conntrack --ctstate NEW,RELATED -j CONNMARK --restore-mark":              none,
		"-m conntrack --ctstate NEW -j CONNMARK --save-mark":                         tells,
		"-m conntrack ! --ctstate ESTABLISHED -j CONNMARK --set-xmark 0x10/0xffffff": none,
		"-m conntrack ! --ctstate NEW -j CONNMARK --set-xmark 0x10/0xffffff":         conflict,
		"-i box0 -j CONNMARK --set-xmark 0x10/0xffffff":                              none,
		"-i lan0 -j CONNMARK --set-xmark 0x10/0xffffff":                              conflict,
		"-j CONNMARK --set-xmark 0x10/0xff":                                          none,
		"-j CONNMARK --restore-mark":                                                 conflict,
		"-p tcp --tcp-flags FIN FIN -j CONNMARK --set-xmark 0x0/0xffffff":            conflict,
	} {
		ns := testns.NewT(t, "new")
		apply(t, ns, iptables(t, "marks", "*mangle\n:PREROUTING ACCEPT\n-A PREROUTING "+rule+"\n"))
		got := none
		for _, f := range ofCode(r.Conflicts(loadFrom(t, ns)), "announced-bit") {
			got = conflict
			if f.Information {
				got = tells
			}
		}
		assert.Equal(t, want, got, rule)
	}
}
