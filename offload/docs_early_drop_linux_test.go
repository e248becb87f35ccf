package offload_test

import (
	"context"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsEarlyDrop: a conntrack table that is full makes room for a new connection by dropping ones that are not assured. Linux 6.1 passes over
// offloaded ones: where all are offloaded, the new connection's packets are dropped. Later kernels drop offloaded UDP as well.
func TestDocsEarlyDrop(t *testing.T) {
	testns.RequireFlowtables(t)
	if os.Getenv("FASTPATH_VM") != "1" {
		t.Skip("makes the conntrack table of all namespaces small, so it needs a machine of its own: make test")
	}
	for _, c := range []struct {
		name string
		do   ruleset.Statement
		kept bool
	}{
		{"classic", ruleset.Accept(), false},
		{"offloaded", ruleset.FlowAdd("fast"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, &testns.RouterConfig{Sysctls: map[string]string{"net.netfilter.nf_conntrack_udp_timeout": seconds(patience)}})
			spec := accelerate(ruleset.Inet, l.fast())
			spec.Tables[0].Chains[0].Rules = []ruleset.Rule{ruleset.R(ruleset.CTState.Is(ruleset.New, ruleset.Established), c.do)}
			l.apply(t, spec)
			client := netip.AddrPortFrom(l.ClientAddr(testns.IPv4), 0)
			var last *sink
			for range crowd {
				last = l.sink(t, client)
				last.send(t, 2)
			}
			all := l.tracked(t)
			full(t, all)
			before := l.statistics(t)
			fresh := l.sink(t, client)
			_, err := fresh.client.Write([]byte("there"))
			require.NoError(t, err)
			var told statistics
			require.NoError(t, await(t, func(context.Context) (bool, error) {
				told = l.statistics(t)
				return told != before, nil
			}))
			if !c.kept || l.kernel.AtLeast(6, 3) {
				assert.Greater(t, told.earlyDrop, before.earlyDrop, "another one went")
				assert.Equal(t, before.drop, told.drop)
				fresh.receive(t, fresh.server)
				return
			}
			assert.Equal(t, before.drop+1, told.drop, "the packet went")
			assert.Equal(t, before.earlyDrop, told.earlyDrop)
			assert.Equal(t, all, l.tracked(t))
			assert.Empty(t, l.of(t, fresh))

			// The others run on, and the end of one of them makes room, as soon as its flowtable has let it go.
			last.send(t, trips)
			_, err = l.watcher.EvictEntries(t.Context(), l.of(t, last))
			require.NoError(t, err)
			require.NoError(t, await(t, func(context.Context) (bool, error) { return l.tracked(t) < all, nil }))
			fresh.send(t, 1)
		})
	}
}

// crowd is how many connections fill the table: in the least number of buckets, 512, of which the kernel looks through eight.
const crowd = 256

// full has the kernel track no more connections than there are, until the test ends.
func full(t *testing.T, connections int) {
	t.Helper()
	for path, value := range map[string]int{
		"/sys/module/nf_conntrack/parameters/hashsize": 512,
		"/proc/sys/net/netfilter/nf_conntrack_max":     connections,
	} {
		was, err := os.ReadFile(path)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, os.WriteFile(path, was, 0)) })
		require.NoError(t, os.WriteFile(path, []byte(strconv.Itoa(value)), 0))
	}
}

// tracked is how many connections the router tracks.
func (l *lab) tracked(t *testing.T) int {
	t.Helper()
	text, err := l.NS.Run(t.Context(), "", "conntrack", "-C")
	require.NoError(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(text))
	require.NoError(t, err)
	return n
}

// Statistics of conntrack: packets that it dropped, and connections that it dropped to make room.
type statistics struct{ drop, earlyDrop int }

var (
	droppedPackets     = regexp.MustCompile(`\bdrop=(\d+)`)
	droppedConnections = regexp.MustCompile(`\bearly_drop=(\d+)`)
)

// statistics are the router's, of all processors.
func (l *lab) statistics(t *testing.T) statistics {
	t.Helper()
	text, err := l.NS.Run(t.Context(), "", "conntrack", "-S")
	require.NoError(t, err)
	sum := func(field *regexp.Regexp) (n int) {
		for _, m := range field.FindAllStringSubmatch(text, -1) {
			k, err := strconv.Atoi(m[1])
			require.NoError(t, err)
			n += k
		}
		return n
	}
	return statistics{drop: sum(droppedPackets), earlyDrop: sum(droppedConnections)}
}
