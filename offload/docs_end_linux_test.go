package offload_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// closeTimeout is how long the tests below let conntrack keep what was closed: the default of 10 seconds may pass unseen.
const closeTimeout = 100 * time.Second

func endLab(t *testing.T) *lab {
	t.Helper()
	l := newLab(t, &testns.RouterConfig{Sysctls: map[string]string{"net.netfilter.nf_conntrack_tcp_timeout_close": seconds(closeTimeout)}})
	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	return l
}

// keepsEnded says whether the kernel leaves a TCP flow in the flowtable when it sees FIN or RST. Between 6.12 and 7.2 it began to.
func (l *lab) keepsEnded() bool { return l.kernel.AtLeast(7, 0) }

// TestDocsFIN: up to 6.12 the first FIN takes the flow out of the flowtable, and the classic path releases it by the book. 7.2 lets
// FINs pass in the fast path, keeps the flow offloaded for the flow's timeout and then closes it.
func TestDocsFIN(t *testing.T) {
	l := endLab(t)
	eachFamily(t, func(t *testing.T, fam testns.Family) {
		l.ends(t, fam, func(f *testns.Flow) error { return f.Finish(t.Context()) }, func(f *testns.Flow, seen testns.Forwarded) {
			assert.NotZero(t, seen.Original.Packets, "the client's FIN")
			assert.NotZero(t, seen.Reply.Packets, "the server's FIN")
			l.awaitEntry(t, f, "TIME_WAIT", func(e conntrack.Entry) bool { return e.TCP.String() == "TIME_WAIT" })
		})
	})
}

// TestDocsRST is TestDocsFIN for an RST. What state conntrack is left in differs from kernel to kernel.
func TestDocsRST(t *testing.T) {
	l := endLab(t)
	eachFamily(t, func(t *testing.T, fam testns.Family) {
		l.ends(t, fam, (*testns.Flow).Reset, func(f *testns.Flow, seen testns.Forwarded) {
			assert.NotZero(t, seen.Original.Packets, "the client's RST")
		})
	})
}

// ends ends an offloaded TCP flow and checks when it leaves the flowtable. classic checks what is left where that is at once.
func (l *lab) ends(t *testing.T, fam testns.Family, end func(*testns.Flow) error, classic func(*testns.Flow, testns.Forwarded)) {
	t.Helper()
	const timeout = 3 * time.Second
	f := l.dialFast(t, "tcp", fam)
	d := l.follow(t, f)
	// From now on: the flow must not run into it before its end.
	require.NoError(t, l.NS.SetSysctl(tcpTimeout, seconds(timeout)))
	defer func() { require.NoError(t, l.NS.SetSysctl(tcpTimeout, seconds(patience))) }()
	start := time.Now()
	seen := l.forwarded(t, f, func() { require.NoError(t, end(f)) })
	d.await(t, "the way back", becomes(conntrack.Slow))
	stayed := time.Since(start)
	t.Logf("offloaded for %v after its end; left behind: %v", stayed, l.entry(t, f))
	if !l.keepsEnded() {
		classic(f, seen)
		return
	}
	assert.Zero(t, seen, "it ended in the fast path")
	assert.Greater(t, stayed, timeout-time.Second, "it stayed offloaded for the flow's timeout")
	e := l.awaitEntry(t, f, "CLOSE", func(e conntrack.Entry) bool { return e.TCP.String() == "CLOSE" })
	assert.LessOrEqual(t, e.Timeout, closeTimeout)
}
