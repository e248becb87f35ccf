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

// TestDocsTimeoutPolicy: a policy of nft's `ct timeout` is lost by the offload: the kernel lets offloaded connections live for a day, and what leaves
// the flowtable keeps that.
func TestDocsTimeoutPolicy(t *testing.T) {
	l := newLab(t, nil)
	require.NoError(t, l.NS.NFT(t.Context(), `
table ip patience {
	ct timeout ten {
		protocol tcp
		l3proto ip
		policy = { established : 600 }
	}
	chain pre {
		type filter hook prerouting priority filter
		ct timeout set "ten"
	}
}`))
	f := l.DialT(t, "tcp", testns.IPv4)
	talk(t, f, 3, 100)
	e := l.entry(t, f)
	require.Greater(t, e.Timeout, time.Minute)
	require.LessOrEqual(t, e.Timeout, 10*time.Minute, "the policy holds")

	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	talk(t, f, 3, 100)
	testns.AssertSoftwarePath(t, l.Router, f, within)
	l.setTimeouts(t, 2*time.Second)
	talk(t, f, 1, 100)
	e = l.awaitEntry(t, f, "the way back", func(e conntrack.Entry) bool { return e.Path() == conntrack.Slow })
	assert.Greater(t, e.Timeout, 23*time.Hour)
}
