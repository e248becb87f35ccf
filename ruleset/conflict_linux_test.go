package ruleset

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestConflictsWithShapes loads rulesets in shapes of the world by nft, as people write them, and asks what stands in the way of a flowtable
// on their devices: the chain, and what connections in the fast path skip.
func TestConflictsWithShapes(t *testing.T) {
	testns.RequireNamespaces(t)
	flowtables, reason := testns.HaveFlowtables(testContext(t))
	require.True(t, flowtables || os.Getenv("FASTPATH_VM") == "", reason)
	for _, c := range declared() {
		if c.shape == "" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			text := readShape(t, c.name+".nft")
			if !flowtables {
				text = withoutFlowtableText(text)
			} else if !byName(t) && strings.Contains(text, "ppp*") {
				t.Skip("not on this kernel: prefixes as devices of flowtables")
			}
			ns := shapeNamespace(t, c.spec)
			require.NoError(t, ns.NFT(testContext(t), text))
			have := loadFrom(t, ns)
			findings := resolved(t, neighbourOf(c.spec)).Conflicts(have)
			shared := 0
			for _, f := range have.Flowtables() {
				if len(f.Devices) > 0 {
					shared++
				}
			}
			assert.Len(t, ofCode(findings, "foreign-flowtable"), shared)
			want, got := skippedOf(c.name), skips(findings)
			if !flowtables { // a counter in front of `flow add` is told where that is gone
				want, got = withoutCounters(want), withoutCounters(got)
			}
			assert.Equal(t, want, got)
		})
	}
}

// skippedOf is what of a ruleset connections in the fast path skip. Most firewalls accept established connections first, and nothing is left.
func skippedOf(name string) map[string]string {
	all := map[string]map[string]string{
		"vyos-ft01":       {"ip numbered through": "counter"},
		"calico":          {"ip pods base-forward": "mark set"},
		"antrea":          {"ip nodes between": "counter"},
		"opennds":         {"inet portal_up begin": "counter", "inet portal_down begin": "counter"},
		"kube-proxy":      {"inet services watch": "counter"},
		"zapret":          {"inet inspect begin": "counter"},
		"nft-qos":         {"inet shaper down": "drop", "inet shaper up": "drop"},
		"nixos-vlan-ppp":  {"ip flat through": "counter"},
		"kernel-docs":     {"inet small every": "counter"},
		"kernel-selftest": {"inet watch through": "counter, ct mark set, log, drop"},
	}
	if all[name] == nil {
		return map[string]string{}
	}
	return all[name]
}

func withoutCounters(list map[string]string) map[string]string {
	left := map[string]string{}
	for chain, effects := range list {
		if rest := strings.TrimPrefix(strings.TrimPrefix(effects, "counter"), ", "); rest != "" {
			left[chain] = rest
		}
	}
	return left
}

// neighbourOf offloads between the devices of another Spec.
func neighbourOf(s *Spec) *Spec {
	f := flowtable.Spec{Name: "neighbour"}
	seen := map[string]bool{}
	for _, t := range s.Tables {
		for _, other := range t.Flowtables {
			for _, d := range other.Devices {
				if !seen[d.String()] {
					seen[d.String()] = true
					f.Devices = append(f.Devices, d)
				}
			}
		}
	}
	return &Spec{Owner: "neighbour", Tables: []Table{{Name: "neighbour", Flowtables: []flowtable.Spec{f}}}}
}

// skips are the chains that are skipped, with what they do.
func skips(findings []Finding) map[string]string {
	list := map[string]string{}
	for _, f := range ofCode(findings, "skipped-chain") {
		effects := regexp.MustCompile(`\((.*)\)`).FindStringSubmatch(f.Text)
		list[strings.TrimPrefix(f.Path, "chain ")] = effects[1]
	}
	return list
}

// TestConflictsOfNFT: chains that nft loads, one by one, with what of them is skipped.
func TestConflictsOfNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "skips")
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add lan0 type veth peer name lan1", "link add other0 type veth peer name other1"))
	require.NoError(t, ns.NFT(ctx, `
table netdev theirs {
	chain front { type filter hook ingress device "lan0" priority -500; limit rate over 1 mbytes/second drop; }
	chain behind { type filter hook ingress device "lan0" priority 10; limit rate over 1 mbytes/second drop; }
	chain elsewhere { type filter hook ingress device "other0" priority 10; drop; }
}
table inet theirs {
	chain prerouting { type filter hook prerouting priority -150; meta mark set ct mark; }
	chain quiet { type filter hook forward priority -10; ct state established,related accept; counter; drop; }
	chain verdicts { type filter hook forward priority -9; ct state vmap { established : accept, invalid : drop }; log; }
	chain mangle { type filter hook forward priority -8; jump deeper; ct state established accept; log; }
	chain deeper { ip dscp set cs1; tcp flags syn tcp option maxseg size set rt mtu; meta priority set none; }
	chain gone { type filter hook forward priority -7; goto end; log; }
	chain end { ct state established counter accept; drop; }
	chain but { type filter hook forward priority -6; ct state != new meta mark set 1; ct state != invalid accept; log; }
	chain twice { type filter hook forward priority -5; ip saddr 192.0.2.1 jump over; jump over; log; }
	chain over { ct state established accept; }
	chain post { type filter hook postrouting priority 0; ct state new log; meta l4proto icmp limit rate 5/second accept; ip daddr 192.0.2.1 drop; }
	chain nat { type nat hook postrouting priority 100; masquerade; }
	chain input { type filter hook input priority 0; drop; }
}
table ip6 theirs {
	quota q { over 5 mbytes; }
	chain forward { type filter hook forward priority 0; quota name "q" drop; }
}
table ip sleeping {
	flags dormant;
	chain forward { type filter hook forward priority 0; drop; }
}
table inet ours { comment "managed by fastpath"; chain c { type filter hook forward priority 0; drop; }; }
`))
	have := loadFrom(t, ns)
	spec := func(family Family) *Spec {
		return oneTable(Table{Family: family, Name: "ours", Flowtables: fast("fast", "filter", "lan0", "wan0")})
	}
	want := map[string]string{
		"netdev theirs behind":   "limit, drop",
		"inet theirs prerouting": "mark set",
		"inet theirs mangle":     "header set, priority set",
		"inet theirs gone":       "counter",
		"inet theirs but":        "mark set",
		"inet theirs post":       "drop",
		"ip6 theirs forward":     "named object, drop",
	}
	assert.Equal(t, want, skips(resolved(t, spec(Inet)).Conflicts(have)))
	delete(want, "ip6 theirs forward")
	assert.Equal(t, want, skips(resolved(t, spec(IP)).Conflicts(have)), "of IPv4")

	for _, c := range have.Chains() {
		switch c.Name {
		case "front", "behind":
			assert.Equal(t, []flowtable.Selector{{Name: "lan0"}}, c.Devices)
			assert.Equal(t, Hook("ingress"), c.Hook)
		case "elsewhere":
			assert.Equal(t, []flowtable.Selector{{Name: "other0"}}, c.Devices)
		default:
			assert.Empty(t, c.Devices)
		}
	}
}
