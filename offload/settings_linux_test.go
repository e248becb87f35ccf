package offload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
)

// TestSettingsOnTheKernel changes settings of a namespace; whoever uninstalls later puts them back, and nothing of ours is left.
func TestSettingsOnTheKernel(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "settings")
	m := openManager(t, ns)
	want := []offload.Setting{{Key: "net.ipv4.ip_forward", Value: "1"}, {Key: "net.ipv6.conf.all.forwarding", Value: "1"},
		{Key: "net.netfilter.nf_conntrack_acct", Value: "1"}, {Key: "net.netfilter.nf_conntrack_tcp_loose", Value: "0"},
		{Key: "net.netfilter.nf_conntrack_events", Value: "1"}, {Key: "net.netfilter.nf_conntrack_timestamp", Value: "1"}}
	if _, err := ns.Sysctl(tcpTimeout); err == nil { // kernels without flowtables lack it
		want = append(want, offload.Setting{Key: tcpTimeout, Value: "77"}, offload.Setting{Key: udpTimeout, Value: "88"})
	}
	read := func() []offload.Setting {
		var list []offload.Setting
		for _, s := range want {
			v, err := ns.Sysctl(s.Key)
			require.NoError(t, err)
			list = append(list, offload.Setting{Key: s.Key, Value: v})
		}
		return list
	}
	before := read()
	changed, err := m.SetSettings(t.Context(), "", want...)
	require.NoError(t, err)
	assert.NotEmpty(t, changed)
	assert.Equal(t, want, read())
	text := listing(t, ns)
	assert.Contains(t, text, "net.ipv4.ip_forward to 1, before 0")
	changed, err = m.SetSettings(t.Context(), "", want...)
	require.NoError(t, err)
	assert.Empty(t, changed, "they are as wanted")
	assert.Equal(t, text, listing(t, ns))

	done, err := openManager(t, ns).Uninstall(t.Context(), "")
	require.NoError(t, err)
	assert.NotEmpty(t, done.Restored)
	assert.Empty(t, done.Left)
	assert.Equal(t, before, read())
	assert.Empty(t, listing(t, ns))
}
