package offload_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsUnreplied: without `ct state established` the second packet of a UDP connection is offloaded, answered or not. Answers then take the
// fast path, which tells conntrack nothing: the connection stays UNREPLIED, and is left the short timeout of such a one. With the match
// it is offloaded by the first packet after an answer.
func TestDocsUnreplied(t *testing.T) {
	l := newLab(t, nil)
	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	s := l.fastSink(t)
	require.NoError(t, l.Watch(t.Context(), s.flow()))
	s.answer(t, trips)
	s.send(t, trips)
	seen, err := l.Forwarded(t.Context(), s.flow())
	require.NoError(t, err)
	assert.Zero(t, seen, "both directions take the fast path")
	e := l.of(t, s)[0]
	assert.Zero(t, e.Status&conntrack.SeenReply, "%v", e)
	assert.EqualValues(t, trips, e.Received.Packets, "although answers are counted")

	spec := accelerate(ruleset.Inet, l.fast())
	spec.Tables[0].Chains[0].Rules = []ruleset.Rule{ruleset.R(ruleset.CTState.Is(ruleset.Established), ruleset.FlowAdd("fast"))}
	l.apply(t, spec)
	late := l.sink(t, netip.AddrPortFrom(l.ClientAddr(testns.IPv4), 0))
	late.send(t, 5)
	assert.Equal(t, conntrack.Slow, l.of(t, late)[0].Path())
	late.answer(t, 1)
	late.send(t, 1)
	e = l.of(t, late)[0]
	assert.Equal(t, conntrack.Software, e.Path())
	assert.NotZero(t, e.Status&conntrack.SeenReply)
}

// TestDocsUnrepliedIdle: what is left to an unreplied UDP connection that idles out of its flowtable. Linux 6.1 takes it for an answered one, and
// leaves it the timeout of these less the flowtable's. Later ones leave it nf_conntrack_udp_timeout less the flowtable's: by the
// defaults, which are the same, it is gone at once.
func TestDocsUnrepliedIdle(t *testing.T) {
	const idle = 2 * time.Second
	l := newLab(t, nil)
	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	s := l.fastSink(t)
	l.setTimeouts(t, idle)
	require.NoError(t, l.NS.SetSysctl("net.netfilter.nf_conntrack_udp_timeout", seconds(idle)))
	s.send(t, 1)
	s.answer(t, 1)
	var last []conntrack.Entry
	require.NoError(t, await(t, func(context.Context) (bool, error) {
		last = l.of(t, s)
		return len(last) == 0 || last[0].Path() == conntrack.Slow, nil
	}))
	if l.kernel.AtLeast(6, 12) {
		assert.Empty(t, last)
		return
	}
	require.Len(t, last, 1)
	assert.Greater(t, last[0].Timeout, 60*time.Second)
	assert.LessOrEqual(t, last[0].Timeout, 120*time.Second-idle)
}

// TestDocsDroppedAnswers: a rule that drops answers of UDP, and not the questions, holds until a question offloads the connection: answers
// then take the fast path in front of the rule. `ct state established` does not help. An answer that the rule drops was seen by conntrack before,
// and makes the connection established. What drops or excludes the questions too does help.
func TestDocsDroppedAnswers(t *testing.T) {
	answers, established := ruleset.CTDirection.Is(ruleset.Reply), ruleset.CTState.Is(ruleset.Established)
	for _, c := range []struct {
		name      string
		drop, add ruleset.Statement
	}{
		{"at once", answers, ruleset.L4Proto.Is(ruleset.UDP)},
		{"established", answers, established},
		{"by address", ruleset.IPSaddr.Is("203.0.113.2"), established},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, nil)
			require.Equal(t, "203.0.113.2", l.ServerAddr(testns.IPv4).String())
			spec := accelerate(ruleset.Inet, l.fast())
			spec.Tables[0].Chains[0].Rules = []ruleset.Rule{
				ruleset.R(c.drop, ruleset.L4Proto.Is(ruleset.UDP), ruleset.Counter(), ruleset.Drop()),
				ruleset.R(c.add, ruleset.FlowAdd("fast")),
			}
			l.apply(t, spec)
			s := l.sink(t, netip.AddrPortFrom(l.ClientAddr(testns.IPv4), 0))
			s.send(t, 1)
			for n := range trips {
				_, err := s.server.WriteToUDPAddrPort([]byte("back"), s.from)
				require.NoError(t, err)
				require.NoError(t, await(t, func(context.Context) (bool, error) { return l.packetsIn(t, "inet", "accel", "accelerate") == n+1, nil }),
					"answers to the first question are dropped")
			}
			assert.NotZero(t, l.of(t, s)[0].Status&conntrack.SeenReply)
			s.send(t, 1)
			s.answer(t, trips)
			assert.Equal(t, trips, l.packetsIn(t, "inet", "accel", "accelerate"), "the rule meets no answer any more")
			assert.Equal(t, conntrack.Software, l.of(t, s)[0].Path())
		})
	}
}
