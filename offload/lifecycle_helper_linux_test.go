package offload_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/kernel"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// visitors is the link group of the devices that come and go. Which ones those are is never left to the kernel.
const visitors = 77

// A lifecycle is a lab whose Manager runs, and traffic between devices that nobody touches. That is of IPv6, and the devices that come and
// go have IPv4 alone: a kernel looks up the routes of all flows of a family anew when any device of the namespace goes up or down, or has
// another address, of that family (rt_cache_flush, rt_genid_bump_ipv6), and each flow then shows one packet to the classic path.
type lifecycle struct {
	*lab
	steady *testns.Flow
	handle uint64 // of the flowtable, at first
}

// newLifecycle runs a Manager over both sides of the router, and what else is picked.
func newLifecycle(t *testing.T, picked ...flowtable.Selector) *lifecycle {
	t.Helper()
	testns.CheckLeaks(t)
	l := &lifecycle{lab: newLab(t, nil)}
	if os.Getenv("FASTPATH_VM") == "1" { // else every device that goes waits for a grace period
		require.NoError(t, os.WriteFile("/sys/kernel/rcu_expedited", []byte("1"), 0))
	}
	require.NoError(t, l.NS.SetSysctl("net.ipv6.conf.default.disable_ipv6", "1"))
	run := offload.RunConfig{MaxChanges: -1}
	l.manager = runManager(t, l.NS, run, l.declared(picked...))
	l.handle = l.await(t, "the beginning", func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady }).Flowtables[0].Handle
	l.steady = l.dialFast(t, "udp", testns.IPv6)
	return l
}

func (l *lifecycle) declared(picked ...flowtable.Selector) *ruleset.Spec {
	f := l.fast()
	f.Devices = append(f.Devices, picked...)
	spec := accelerate(ruleset.Inet, f)
	return &spec
}

// runManager runs a Manager of its own until the test ends.
func runManager(t *testing.T, ns *testns.Namespace, run offload.RunConfig, spec *ruleset.Spec) *offload.Manager {
	t.Helper()
	m, err := offload.Open(t.Context(), &offload.Config{NetNS: ns.Path(), Run: run})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx, spec) }()
	t.Cleanup(func() {
		cancel()
		assert.ErrorIs(t, <-ended, context.Canceled)
		assert.NoError(t, m.Close())
	})
	return m
}

// await waits for a Status.
func (l *lifecycle) await(t *testing.T, what string, ok func(*offload.Status) bool) *offload.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var last *offload.Status
	for s := range l.manager.Statuses(ctx) {
		if last = s; ok(s) {
			return s
		}
	}
	require.FailNow(t, "waiting for "+what, "%v", last)
	return nil
}

// A visitor is a host at a device that comes and goes.
type visitor struct {
	ns     *testns.Namespace
	number int
	device string // the router's end
	end    string // the other
}

// visit makes a host with a device to the router.
func (l *lifecycle) visit(t *testing.T, number int) *visitor {
	t.Helper()
	v := &visitor{ns: testns.NewT(t, "visitor"), number: number, device: fmt.Sprintf("dyn%d", number), end: "eth0"}
	v.plug(t, l)
	return v
}

func (v *visitor) address(host int) string { return fmt.Sprintf("10.77.%d.%d", v.number, host) }

// plug makes the device, under its name and in the group.
func (v *visitor) plug(t *testing.T, l *lifecycle) {
	t.Helper()
	require.NoError(t, l.NS.IP(t.Context(), fmt.Sprintf("link add %s group %d type veth peer name %s netns %s", v.device, visitors, v.end, v.ns.ToolPath())))
	v.configure(t, l, v.device)
}

// configure gives both ends new addresses and brings them up.
func (v *visitor) configure(t *testing.T, l *lifecycle, device string) {
	t.Helper()
	v.number++ // nothing that was learnt before is of any use
	require.NoError(t, l.NS.IP(t.Context(), fmt.Sprintf("addr add %s/24 dev %s", v.address(1), device), "link set dev "+device+" up"))
	require.NoError(t, v.ns.IP(t.Context(), "addr flush dev "+v.end, fmt.Sprintf("addr add %s/24 dev %s", v.address(2), v.end), "link set dev "+v.end+" up",
		"route replace default via "+v.address(1)))
}

// reaches waits until a new flow of the visitor takes the fast path both ways, or until its requests do not, and says how long that took.
func (l *lifecycle) reaches(t *testing.T, v *visitor, fast bool) time.Duration {
	t.Helper()
	start := time.Now()
	f, err := testns.Dial(t.Context(), v.ns, testns.DialConfig{Network: "udp", To: l.echo(testns.IPv4)})
	require.NoError(t, err)
	defer f.Close()
	talk(t, f, 3, 100)
	if fast {
		l.reach(t, f, testns.SoftwarePath)
		return time.Since(start)
	}
	require.NoError(t, await(t, func(ctx context.Context) (bool, error) {
		seen, err := l.Measure(ctx, f, trips)
		return err == nil && seen.Forwarded().Original.Packets >= trips, err
	}))
	return time.Since(start)
}

// undisturbed does something, and requires that the flow between the other devices stays in the fast path and the flowtable the same.
func (l *lifecycle) undisturbed(t *testing.T, what string, do func()) {
	t.Helper()
	seen := l.forwarded(t, l.steady, func() {
		traffic := l.steady.Start(20, 100)
		do()
		report := traffic.Close()
		assert.NoError(t, report.Err)
		assert.Positive(t, report.Received)
	})
	assert.Zero(t, seen, "%s: the flow between other devices left the fast path", what)
	s := l.await(t, "a steady Manager", func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady })
	assert.Equal(t, l.handle, s.Flowtables[0].Handle, "%s: the flowtable was made anew", what)
}

// held counts what a process may leak.
func held(t *testing.T) (descriptors, goroutines int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries), runtime.NumGoroutine()
}

// notLeaked waits until no more is held than before.
func notLeaked(t *testing.T, descriptors, goroutines int) {
	t.Helper()
	err := await(t, func(context.Context) (bool, error) {
		d, g := held(t)
		return d <= descriptors && g <= goroutines, nil
	})
	d, g := held(t)
	require.NoError(t, err, "descriptors %d, were %d; goroutines %d, were %d", d, descriptors, g, goroutines)
}

// listed are the devices of the flowtable as the kernel tells them, read raw: nft 1.0.6 leaves flowtables with prefixes out.
func (l *lifecycle) listed(t *testing.T) []flowtable.Selector {
	t.Helper()
	k, err := kernel.Open(l.NS.Path())
	require.NoError(t, err)
	defer func() { assert.NoError(t, k.Close()) }()
	loaded, err := ruleset.Load(ruleset.DefaultOwner, k.Dump(t.Context()))
	require.NoError(t, err)
	require.Len(t, loaded.Flowtables(), 1)
	return loaded.Flowtables()[0].Devices
}
