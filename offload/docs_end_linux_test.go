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

// TestDocsFIN: up to 6.13 the first FIN takes the flow out of the flowtable, and the classic path releases it by the book. 7.2 lets
// FINs pass in the fast path, keeps the flow offloaded for the flow's timeout and then closes it.
func TestDocsFIN(t *testing.T) {
	l := endLab(t)
	for _, e := range l.end(t, func(f *testns.Flow) error { return f.Finish(t.Context()) }) {
		if l.staysOffloaded(t, e) {
			continue
		}
		assert.NotZero(t, e.seen.Original.Packets, "the client's FIN")
		assert.NotZero(t, e.seen.Reply.Packets, "the server's FIN")
		l.awaitEntry(t, e.flow, "TIME_WAIT", func(e conntrack.Entry) bool { return e.State.String() == "TIME_WAIT" })
	}
}

// TestDocsRST is TestDocsFIN for an RST. The log shows what conntrack is left with, which is no sign of life: up to 6.13 the entry was seen
// to stay ESTABLISHED, with a short timeout.
func TestDocsRST(t *testing.T) {
	l := endLab(t)
	for _, e := range l.end(t, (*testns.Flow).Reset) {
		if !l.staysOffloaded(t, e) {
			assert.NotZero(t, e.seen.Original.Packets, "the client's RST")
		}
	}
}

// flowTimeout is how long a flow stays offloaded after its end, where it does.
const flowTimeout = 3 * time.Second

// An ending is an offloaded TCP flow that was ended.
type ending struct {
	flow  *testns.Flow
	diary *diary
	at    time.Time        // just before the end
	seen  testns.Forwarded // what the forward hook saw of the end
}

// end ends an offloaded TCP flow over IPv4 and one over IPv6.
func (l *lab) end(t *testing.T, how func(*testns.Flow) error) []*ending {
	t.Helper()
	var all []*ending
	for _, fam := range testns.Families() {
		f := l.dialFast(t, "tcp", fam)
		all = append(all, &ending{flow: f, diary: l.follow(t, f)})
	}
	l.setTimeouts(t, flowTimeout) // only now: a flow must not run into it before its end
	for _, e := range all {
		e.at = time.Now()
		e.seen = l.forwarded(t, e.flow, func() { require.NoError(t, how(e.flow)) })
	}
	return all
}

// staysOffloaded waits until a flow that ended has left the flowtable. Where that happens only after the flow's timeout it checks that it
// did, and returns true: since 6.14 the kernel leaves such flows in the flowtable.
func (l *lab) staysOffloaded(t *testing.T, e *ending) bool {
	t.Helper()
	e.diary.await(t, "the way back", becomes(conntrack.Slow))
	stayed := time.Since(e.at)
	t.Logf("offloaded for %v after its end; left behind: %v", stayed, l.entry(t, e.flow))
	if !l.kernel.AtLeast(6, 14) {
		return false
	}
	assert.Zero(t, e.seen, "it ended in the fast path")
	assert.Greater(t, stayed, flowTimeout-time.Second)
	left := l.awaitEntry(t, e.flow, "CLOSE", func(e conntrack.Entry) bool { return e.State.String() == "CLOSE" })
	assert.LessOrEqual(t, left.Timeout, closeTimeout)
	return true
}
