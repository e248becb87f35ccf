package offload_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// runs lets the lab's Manager run a Spec until the test ends.
func (l *lab) runs(t *testing.T, spec ruleset.Spec) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.manager.Run(ctx, &spec) }()
	t.Cleanup(func() {
		cancel()
		assert.ErrorIs(t, <-done, context.Canceled)
	})
}

// until reads Statuses until one is as wanted.
func until(t *testing.T, m *offload.Manager, wanted func(s *offload.Status) bool) *offload.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var last *offload.Status
	for s := range m.Statuses(ctx) {
		if last = s; wanted(s) {
			return s
		}
	}
	require.Fail(t, "the Status never came", "%v", last)
	return nil
}

// has reports whether a device of a Status is in a state.
func has(s *offload.Status, device string, state flowtable.State) bool {
	for _, d := range s.Devices {
		if d.Device == device {
			return d.State == state
		}
	}
	return false
}

// TestRunServesDevices puts a device into the link group that is declared: a flow through it takes the fast path from then on. Then
// someone flushes the ruleset under it, and someone else takes a device out.
func TestRunServesDevices(t *testing.T) {
	l := newLab(t, nil)
	f := l.fast()
	f.Devices = []flowtable.Selector{{Name: l.LANDevice}, {Group: 7}}
	l.runs(t, accelerate(ruleset.Inet, f))
	until(t, l.manager, func(s *offload.Status) bool {
		return s.Phase == offload.PhaseSteady && has(s, l.LANDevice, flowtable.Bound)
	})

	require.NoError(t, l.NS.IP(t.Context(), "link set "+l.WANDevice+" group 7"))
	s := until(t, l.manager, func(s *offload.Status) bool {
		return s.Phase == offload.PhaseSteady && has(s, l.WANDevice, flowtable.Bound)
	})
	assert.Empty(t, s.Drift)
	assert.Empty(t, s.Pending)
	assert.EqualValues(t, 2, s.Changes)
	handle := s.Flowtables[0].Handle
	assert.NotZero(t, handle)
	flow := l.DialT(t, "tcp", testns.IPv4)
	testns.AssertSoftwarePath(t, l.Router, flow, within)

	require.NoError(t, l.NS.NFT(t.Context(), "flush ruleset"))
	flushed := time.Now()
	s = until(t, l.manager, func(s *offload.Status) bool { return s.Changes == 3 && s.Phase == offload.PhaseSteady })
	t.Logf("repaired after %v", time.Since(flushed))
	assert.NotEmpty(t, s.Drift)
	testns.AssertSoftwarePath(t, l.Router, l.DialT(t, "udp", testns.IPv4), within)

	require.NoError(t, l.NS.NFT(t.Context(), "delete flowtable inet accel fast { devices = { "+l.WANDevice+" }; }"))
	s = until(t, l.manager, func(s *offload.Status) bool { return s.Changes == 4 && s.Phase == offload.PhaseSteady })
	require.Len(t, s.Drift, 1)
	assert.Contains(t, s.Drift[0], "add flowtable inet accel fast")
	testns.AssertSoftwarePath(t, l.Router, l.DialT(t, "tcp", testns.IPv6), within)
}

// TestRunRepairsTables runs on kernels without flowtables too.
func TestRunRepairsTables(t *testing.T) {
	testns.RequireNamespaces(t)
	testns.CheckLeaks(t)
	l := &lab{Router: &testns.Router{NS: testns.NewT(t, "run")}}
	l.manager = openManager(t, l.NS)
	spec := ruleset.Spec{Tables: []ruleset.Table{{Name: "fw", Chains: []ruleset.Chain{
		{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{ruleset.R(ruleset.Counter())}},
	}}}}
	l.runs(t, spec)
	until(t, l.manager, func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady })
	for i, command := range []string{"flush ruleset", "add rule inet fw forward drop", "delete table inet fw", "flush chain inet fw forward"} {
		require.NoError(t, l.NS.NFT(t.Context(), command))
		s := until(t, l.manager, func(s *offload.Status) bool { return s.Changes == uint64(i+2) && s.Phase == offload.PhaseSteady })
		assert.NotEmpty(t, s.Drift, command)
		again, err := l.manager.Plan(t.Context(), &spec)
		require.NoError(t, err)
		assert.Empty(t, again.String(), command)
	}

	other := openManager(t, l.NS)
	assert.ErrorIs(t, other.Run(t.Context(), &spec), offload.ErrRunning)
	second, err := l.NS.Ruleset(t.Context())
	require.NoError(t, err)
	assert.Contains(t, second, "counter")
}

// TestRunFailsOpen is what is left on a kernel that has none: this one, where it runs on a developer's machine.
func TestRunFailsOpen(t *testing.T) {
	testns.RequireNamespaces(t)
	testns.CheckLeaks(t)
	if have, _ := testns.HaveFlowtables(t.Context()); have {
		t.Skip("not on this kernel: it has flowtables; the kernel in memory stands in")
	}
	l := &lab{Router: &testns.Router{NS: testns.NewT(t, "run")}}
	l.manager = openManager(t, l.NS)
	l.runs(t, accelerate(ruleset.Inet, flowtable.Spec{Name: "fast", Devices: names("lo")}))
	s := until(t, l.manager, func(s *offload.Status) bool { return s.Phase == offload.PhaseRetrying && s.Changes == 1 })
	assert.Contains(t, s.Err, "no flowtables")
	text, err := l.NS.Ruleset(t.Context())
	require.NoError(t, err)
	assert.Contains(t, text, "chain accelerate", "the rest is in force")
}

// TestRunIsTakenOver lets a second process, as far as the kernel can tell, take the place of the first: nothing is written.
func TestRunIsTakenOver(t *testing.T) {
	testns.RequireNamespaces(t)
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "run")
	spec := ruleset.Spec{Tables: []ruleset.Table{{Name: "fw", Chains: []ruleset.Chain{
		{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{ruleset.R(ruleset.Counter())}},
	}}}}
	first := openManager(t, ns)
	left := make(chan error, 1)
	go func() { left <- first.Run(t.Context(), &spec) }()
	before := until(t, first, func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady })

	second, err := offload.Open(t.Context(), &offload.Config{NetNS: ns.Path(), Run: offload.RunConfig{Takeover: true}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, second.Close()) })
	l := &lab{Router: &testns.Router{NS: ns}, manager: second}
	l.runs(t, spec)
	require.ErrorIs(t, <-left, offload.ErrTakenOver)
	after := until(t, second, func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady })
	assert.Equal(t, before.Generation+2, after.Generation, "one commit asked for the lock, one took it")
	assert.Zero(t, after.Changes, "it adopts what it finds")
	for s := range first.Statuses(t.Context()) {
		assert.Equal(t, offload.PhaseStopped, s.Phase)
		break
	}
}

// TestRunNamesWriters: who changes elements of a set that is not live is named in the Status, with what to do.
func TestRunNamesWriters(t *testing.T) {
	testns.RequireNamespaces(t)
	l := &lab{Router: &testns.Router{NS: testns.NewT(t, "writers")}}
	l.manager = openManager(t, l.NS)
	spec := ruleset.Spec{Tables: []ruleset.Table{{Name: "fw", Sets: []ruleset.Set{
		{Name: "slow", Type: ruleset.IPv4Addr, Elements: []string{"192.0.2.1"}}, {Name: "live", Type: ruleset.IPv4Addr, Live: true},
	}}}}
	l.runs(t, spec)
	until(t, l.manager, func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady })
	require.NoError(t, l.NS.NFT(t.Context(), "add element inet fw live { 192.0.2.3 }"))
	require.NoError(t, l.NS.NFT(t.Context(), "add element inet fw slow { 192.0.2.2 }"))
	s := until(t, l.manager, func(s *offload.Status) bool { return s.Changes == 2 && s.Phase == offload.PhaseSteady })
	assert.Equal(t, []string{"delete element inet fw slow { 192.0.2.2 }"}, s.Drift)
	require.Len(t, s.Warnings, 1)
	assert.Regexp(t, `^set inet fw slow: (nft \(process \d+\)( or )?)+ changed its elements, which are set right again, because it is not live; declare it live`, s.Warnings[0])
	require.NotEmpty(t, s.DriftBy)
	assert.Regexp(t, `^nft \(process \d+\)$`, s.DriftBy[0])
	assert.Contains(t, s.String(), "they may be: nft (process ")

	require.NoError(t, l.NS.NFT(t.Context(), "flush ruleset"))
	s = until(t, l.manager, func(s *offload.Status) bool { return s.Changes == 3 && s.Phase == offload.PhaseSteady })
	assert.Empty(t, s.Warnings, "the set went with its table")
	assert.Len(t, s.DriftBy, 1)
}
