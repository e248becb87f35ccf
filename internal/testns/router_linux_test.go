package testns

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// eachFlow runs a test for TCP and UDP over IPv4 and IPv6.
func eachFlow(t *testing.T, test func(t *testing.T, network string, fam Family)) {
	for _, fam := range Families() {
		for _, network := range networks() {
			t.Run(fmt.Sprintf("%s-%v", network, fam), func(t *testing.T) { test(t, network, fam) })
		}
	}
}

func TestRouterRoutes(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	eachFlow(t, func(t *testing.T, network string, fam Family) {
		f := r.DialT(t, network, fam)
		assert.Equal(t, r.ClientAddr(fam), f.Tuple().Source.Addr())
		assert.Equal(t, r.ServerAddr(fam), f.Tuple().Destination.Addr())
		assert.Equal(t, fam, f.Tuple().Family())
		for _, size := range []int{0, MinSize, 1000, 60000} {
			talk, err := f.RoundTrip(t.Context(), 5, size)
			require.NoError(t, err)
			assert.Equal(t, 5, talk.Messages)
			assert.Equal(t, f.Tuple().Source, talk.Peer, "nobody translates addresses")
			if network == "udp" {
				assert.Equal(t, 63, talk.TTL, "sent with 64, one router")
			}
		}
		require.NoError(t, f.Finish(t.Context()))
		_, err := f.RoundTrip(t.Context(), 1, MinSize)
		require.Error(t, err)
	})
}

func TestRouterConfigIsApplied(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, &RouterConfig{
		LANDevice: "br-lan", WANDevice: "eth0.2", LANMTU: 1400, WANMTU: 1300, SecondLAN: true, NoAccounting: true, Port: 99,
		Sysctls: map[string]string{"net.netfilter.nf_conntrack_udp_timeout": "7"},
	})
	assert.ElementsMatch(t, []string{"lo", "br-lan", "eth0.2", "lan1"}, devices(t, r.NS))
	assert.Equal(t, uint16(99), r.Echo.Port())
	for _, check := range []struct {
		ns   *Namespace
		want string
	}{{r.Client, "1400"}, {r.Server, "1300"}, {r.Guest, "1400"}} {
		out, err := check.ns.Run(t.Context(), "", "ip", "link", "show", "eth0")
		require.NoError(t, err)
		assert.Contains(t, out, "mtu "+check.want)
	}
	for key, want := range map[string]string{
		"net.netfilter.nf_conntrack_udp_timeout": "7", "net.netfilter.nf_conntrack_acct": "0",
		"net/ipv4/conf/eth0.2/rp_filter": "0", "net.ipv6.conf.all.forwarding": "1",
	} {
		got, err := r.NS.Sysctl(key)
		require.NoError(t, err)
		assert.Equal(t, want, got, key)
	}
	for _, fam := range Families() {
		f, err := Dial(t.Context(), r.Guest, DialConfig{Network: "udp", To: r.echoAddr(fam)})
		require.NoError(t, err)
		talk, err := f.RoundTrip(t.Context(), 1, MinSize)
		require.NoError(t, err)
		assert.Equal(t, r.GuestAddr(fam), talk.Peer.Addr())
		require.NoError(t, f.Close())
	}
}

func TestTwoRoutersAtOnce(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	a, b := NewRouterT(t, nil), NewRouterT(t, nil)
	require.NoError(t, a.NS.NFT(t.Context(), "table inet t {\n chain c {\n type filter hook forward priority 0; policy drop;\n }\n}\n"))
	_, err := b.DialT(t, "udp", IPv4).RoundTrip(t.Context(), 1, MinSize)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = a.DialT(t, "udp", IPv4).RoundTrip(ctx, 1, MinSize)
	require.ErrorIs(t, err, context.DeadlineExceeded, "the rules of a drop all")
}

func TestTranslatedAddressesAreSeen(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	ServeT(t, r.Client, 8080)
	require.NoError(t, r.NS.NFT(t.Context(), fmt.Sprintf(`
table inet nat {
	chain post {
		type nat hook postrouting priority srcnat; policy accept;
		oifname %q masquerade
	}
	chain pre {
		type nat hook prerouting priority dstnat; policy accept;
		iifname %q meta nfproto ipv4 meta l4proto { tcp, udp } th dport 443 dnat ip to %v:8080
		iifname %q meta nfproto ipv6 meta l4proto { tcp, udp } th dport 443 dnat ip6 to [%v]:8080
	}
}`, r.WANDevice, r.WANDevice, r.ClientAddr(IPv4), r.WANDevice, r.ClientAddr(IPv6))))

	eachFlow(t, func(t *testing.T, network string, fam Family) {
		out := r.DialT(t, network, fam)
		talk, err := out.RoundTrip(t.Context(), 2, 100)
		require.NoError(t, err)
		assert.Equal(t, r.WANAddr(fam), talk.Peer.Addr(), "masqueraded")

		in, err := Dial(t.Context(), r.Server, DialConfig{Network: network, To: addrPortOf(r.WANAddr(fam), 443)})
		require.NoError(t, err)
		defer in.Close()
		talk, err = in.RoundTrip(t.Context(), 2, 100)
		require.NoError(t, err)
		assert.Equal(t, in.Tuple().Source, talk.Peer, "the forwarded port sees who called")

		for _, f := range []*Flow{out, in} {
			e := AssertSlowPath(t, r, f, 10*time.Second)
			assert.True(t, e.After.HasEntry)
		}
	})
}

func TestDialRefusesNonsense(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	r := NewRouterT(t, nil)
	_, err := Dial(t.Context(), r.Client, DialConfig{Network: "sctp", To: r.echoAddr(IPv4)})
	require.ErrorContains(t, err, `"sctp"`)
	_, err = Dial(t.Context(), r.Client, DialConfig{Network: "tcp", To: addrPortOf(r.ServerAddr(IPv4), 1)})
	require.ErrorContains(t, err, "refused")
	_, err = Serve(r.Server, r.Echo.Port())
	require.ErrorContains(t, err, "in use")
	_, err = Serve(r.Server, 0)
	require.Error(t, err)
}
