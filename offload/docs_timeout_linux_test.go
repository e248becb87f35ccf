package offload_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsIdleTimeout: a flow without packets leaves the flowtable after nf_flowtable_tcp_timeout or nf_flowtable_udp_timeout, as the
// same connection, and its next packets bring it back. No event tells of either; the Watcher does.
func TestDocsIdleTimeout(t *testing.T) {
	const timeout = 2 * time.Second
	l := newLab(t, nil)
	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	tcp, udp := l.dialFast(t, "tcp", testns.IPv4), l.dialFast(t, "udp", testns.IPv6)
	keys := map[*testns.Flow]conntrack.Key{}
	diaries := map[*testns.Flow]*diary{}
	for _, f := range []*testns.Flow{tcp, udp} {
		keys[f], diaries[f] = l.key(t, f), l.follow(t, f)
	}
	l.setTimeouts(t, timeout)
	talk(t, tcp, 1, 100) // a packet sets the flow's timeout anew
	talk(t, udp, 1, 100)
	for _, f := range []*testns.Flow{tcp, udp} {
		diaries[f].await(t, "the idle timeout", becomes(conntrack.Slow))
		e := l.entry(t, f)
		assert.Equal(t, conntrack.Slow, e.Path())
		assert.Equal(t, keys[f], e.Key())
		assert.True(t, e.HasTimeout, "conntrack counts down itself again: %v", e)
		assert.NotZero(t, e.Timeout)
	}
	e := l.entry(t, tcp)
	assert.Equal(t, "ESTABLISHED", e.State.String())
	wholeDay := flowtable.KernelOf(l.kernel.Text).HasQuirk("tcp-day-left")
	assert.Equal(t, wholeDay, e.Timeout <= 24*time.Hour, "of five days TCP is left %v", e.Timeout)
	l.setTimeouts(t, patience)
	for _, f := range []*testns.Flow{tcp, udp} {
		talk(t, f, 3, 100)
		testns.AssertSoftwarePath(t, l.Router, f, within)
		assert.Equal(t, keys[f], l.key(t, f), "offloaded again, the same connection")
		diaries[f].await(t, "the second offload", becomes(conntrack.Software))
	}
}

// setTimeouts sets the timeouts of the router's flowtables. They reach a flow with its next packet.
func (l *lab) setTimeouts(t *testing.T, d time.Duration) {
	t.Helper()
	for _, key := range []string{tcpTimeout, udpTimeout} {
		require.NoError(t, l.NS.SetSysctl(key, seconds(d)))
	}
}
