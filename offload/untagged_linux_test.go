package offload_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestApplyEvictsUntaggedFlows: news of routes takes [OFFLOAD] from a connection whose flow stays in the flowtable. A Report does not call it
// slow, and a new drop meets it all the same. The other connection, which is in the slow path for certain, is told as slow.
func TestApplyEvictsUntaggedFlows(t *testing.T) {
	l := newLab(t, nil)
	if !flowtable.KernelOf(l.kernel.Text).HasQuirk("tag-can-be-lost") {
		t.Skip("not on this kernel: it takes no tag from a flow that stays in its flowtable")
	}
	watcher, err := l.manager.Watch(t.Context(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, watcher.Close()) })
	l.watcher = watcher
	slow := l.DialT(t, "udp", testns.IPv4)
	exempt := ruleset.R(sourcePort(slow), ruleset.Accept()).Note("exempt")
	l.apply(t, l.guarded(exempt))
	talk(t, slow, trips, 100)
	bad := l.dialFast(t, "udp", testns.IPv4)
	require.Equal(t, conntrack.Software, l.path(t, bad))
	l.loseTag(t, bad)
	assert.Equal(t, conntrack.Unknown, l.path(t, bad))
	assert.Equal(t, conntrack.Slow, l.path(t, slow))
	r, err := l.manager.Report(t.Context(), watcher)
	require.NoError(t, err)
	assert.EqualValues(t, 1, r.Unknown, "%v", r)

	key := l.key(t, slow)
	l.apply(t, l.guarded(exempt, ruleset.R(sourcePort(bad), ruleset.Counter(), ruleset.Drop()).Note("forbidden")))
	load := bad.Start(20, 100)
	require.NoError(t, await(t, func(context.Context) (bool, error) {
		return l.packetsIn(t, "inet", "accel", "accelerate") > 0, nil
	}), "its packets meet the rule")
	load.Close()
	assert.Equal(t, key, l.key(t, slow), "it was evicted")
}

// loseTag gives the kernel news of routes while a flow talks, until the flow is in the fast path without a tag. A packet has to come between
// the news and the collector's next round: it ends the flow and makes a new one, whose tag the collector takes for the old one's sake.
func (l *lab) loseTag(t *testing.T, f *testns.Flow) {
	t.Helper()
	var last testns.Evidence
	mtu := [2]int{1400, 1500}
	err := await(t, func(ctx context.Context) (bool, error) {
		load := f.Start(20, 100)
		err := l.NS.IP(ctx, fmt.Sprintf("link set dev %s mtu %d", l.WANDevice, mtu[0]))
		if err == nil {
			err = l.unknownSoon(ctx, f)
		}
		load.Close()
		mtu[0], mtu[1] = mtu[1], mtu[0]
		if err != nil {
			return false, err
		}
		last, err = l.Measure(ctx, f, trips)
		return last.Bypassed() && !last.Before.Entry.Offloaded() && !last.After.Entry.Offloaded(), err
	})
	require.NoError(t, err, "the kernel takes no tag: %v", last)
}

// unknownSoon waits a few rounds of the collector for a flow's path to be unknown; that it is not is no error.
func (l *lab) unknownSoon(ctx context.Context, f *testns.Flow) error {
	const rounds = 3 * time.Second
	soon, cancel := context.WithTimeout(ctx, rounds)
	defer cancel()
	err := testns.Poll(soon, tick, func() (bool, error) {
		e, ok, err := l.find(ctx, f)
		return ok && e.Path() == conntrack.Unknown, err
	})
	if soon.Err() != nil {
		return ctx.Err()
	}
	return err
}
