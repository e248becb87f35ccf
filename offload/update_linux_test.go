package offload_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// step plans a declaration, applies it while a flow talks, and demands that nothing is left to do. It returns the plan, the
// number of messages between begin and end of its batch, and what the forward hook saw of the flow meanwhile.
func (l *lab) step(t *testing.T, f *testns.Flow, spec ruleset.Spec) (*ruleset.Plan, int, testns.Forwarded) {
	t.Helper()
	plan, err := l.manager.Plan(t.Context(), &spec)
	require.NoError(t, err)
	batch, err := plan.Batch(nil)
	require.NoError(t, err)
	saw := l.forwarded(t, f, func() {
		talk(t, f, trips/2, 100)
		_, err = l.manager.Apply(t.Context(), plan)
		require.NoError(t, err, "%v", plan)
		talk(t, f, trips/2, 100)
	})
	again, err := l.manager.Plan(t.Context(), &spec)
	require.NoError(t, err)
	require.Empty(t, again.String(), "what is left after\n%s", plan)
	return plan, batch.Messages() - 2, saw
}

// dummies makes devices dummy0, dummy1, ... in the router.
func (l *lab) dummies(t *testing.T, n int) []string {
	t.Helper()
	devices, lines := make([]string, n), make([]string, n)
	for i := range devices {
		devices[i] = fmt.Sprintf("dummy%d", i)
		lines[i] = "link add " + devices[i] + " type dummy"
	}
	require.NoError(t, l.NS.IP(t.Context(), lines...))
	return devices
}

// TestUpdateDevices adds a device to a flowtable of 200, and takes one out: one message each, and the flows of the others stay
// on the fast path.
func TestUpdateDevices(t *testing.T) {
	l := newLab(t, nil)
	others := l.dummies(t, 199)
	with := func(devices ...string) ruleset.Spec {
		f := l.fast()
		f.Devices = append(f.Devices, names(devices...)...)
		return accelerate(ruleset.Inet, f)
	}
	l.apply(t, with(others[:198]...))
	handle := load(t, l.NS).Flowtables()[0].Handle
	rules := l.ruleHandles(t)
	f := l.dialFast(t, "tcp", testns.IPv4)

	plan, messages, saw := l.step(t, f, with(others...))
	assert.Equal(t, 1, messages, plan)
	assert.False(t, plan.Disruptive())
	assert.Zero(t, saw, "the flow never left the fast path")

	plan, messages, saw = l.step(t, f, with(others[1:]...))
	assert.Equal(t, 1, messages, plan)
	assert.True(t, plan.Disruptive(), "the flows of that device leave the fast path")
	assert.Zero(t, saw)

	list := load(t, l.NS).Flowtables()
	require.Len(t, list, 1)
	assert.Equal(t, handle, list[0].Handle)
	assert.Len(t, list[0].Devices, 200)
	assert.True(t, list[0].Counter(), "an update of devices leaves the counter alone")
	assert.Equal(t, rules, l.ruleHandles(t))
	testns.AssertSoftwarePath(t, l.Router, f, within)
}

// ruleHandles are those of the rules of our table.
func (l *lab) ruleHandles(t *testing.T) (handles []uint64) {
	t.Helper()
	for _, r := range load(t, l.NS).Rules() {
		if r.Table == "accel" {
			handles = append(handles, r.Handle)
		}
	}
	return handles
}

// TestUpdateCounter toggles the counter of a flowtable in place: the flow stays, and conntrack counts on or does not.
func TestUpdateCounter(t *testing.T) {
	l := newLab(t, nil)
	with := func(noCounter bool) ruleset.Spec {
		f := l.fast()
		f.NoCounter = noCounter
		return accelerate(ruleset.Inet, f)
	}
	l.apply(t, with(false))
	f := l.dialFast(t, "udp", testns.IPv6)
	for _, noCounter := range []bool{true, false} {
		plan, messages, saw := l.step(t, f, with(noCounter))
		assert.Equal(t, 1, messages, plan)
		assert.False(t, plan.Disruptive())
		assert.Zero(t, saw)
		before := l.entry(t, f).Sent
		talk(t, f, trips, 100)
		counted := l.entry(t, f).Sent.Packets - before.Packets
		assert.Equal(t, noCounter, counted == 0, "%d packets counted with noCounter %v", counted, noCounter)
	}
	testns.AssertSoftwarePath(t, l.Router, f, within)
}

// TestUpdateReplace changes the priority: the flowtable and the rules that refer to it are replaced in one batch, the plan says so
// before, and the flow comes back.
func TestUpdateReplace(t *testing.T) {
	l := newLab(t, nil)
	spec := accelerate(ruleset.Inet, l.fast(), ruleset.Chain{Name: "other", Hook: ruleset.Forward, Priority: "50", Rules: []ruleset.Rule{ruleset.R(ruleset.Counter())}})
	l.apply(t, spec)
	f := l.dialFast(t, "tcp", testns.IPv6)
	kept := l.ruleHandles(t)
	spec.Tables[0].Flowtables[0].Priority = "filter - 10"
	plan, messages, _ := l.step(t, f, spec)
	assert.Len(t, plan.Operations(), 4, "the rule goes, the flowtable goes, it comes back, the rule comes back")
	assert.Equal(t, 6, messages, "the rule has a list of protocols, which is a set of its own")
	assert.True(t, plan.Disruptive())
	assert.Contains(t, plan.Operations()[1].Reason, "its priority is 0, which cannot be changed in place; its live flows leave the fast path")
	now := l.ruleHandles(t)
	assert.Equal(t, kept[1], now[1], "a rule that does not refer to it stays")
	assert.NotEqual(t, kept[0], now[0])
	assert.EqualValues(t, -10, flowtables(t, l.NS)[0].Priority)
	testns.AssertSoftwarePath(t, l.Router, f, within)
}

// TestUpdateMovesADevice moves a device from one flowtable of a table to another, and back with both at work.
func TestUpdateMovesADevice(t *testing.T) {
	l := newLab(t, nil)
	spare := l.dummies(t, 2)
	two := func(first, second []string) ruleset.Spec {
		spec := accelerate(ruleset.Inet, flowtable.Spec{Name: "fast", Devices: names(first...)})
		spec.Tables[0].Flowtables = append(spec.Tables[0].Flowtables, flowtable.Spec{Name: "second", Devices: names(second...)})
		return spec
	}
	edges := []string{l.LANDevice, l.WANDevice}
	l.apply(t, two(append(edges, spare[0]), spare[1:]))
	f := l.dialFast(t, "tcp", testns.IPv4)
	plan, messages, saw := l.step(t, f, two(edges, spare))
	assert.Equal(t, 2, messages, plan)
	assert.Zero(t, saw)
	assert.True(t, strings.HasPrefix(plan.String(), "delete flowtable inet accel fast { devices = { \"dummy0\" }; }\nadd flowtable inet accel second "), plan)
	_, _, saw = l.step(t, f, two(append(edges, spare...), nil))
	assert.Zero(t, saw)
	testns.AssertSoftwarePath(t, l.Router, f, within)
}

// TestUpdateRulesAndSets changes rules, sets and chains around an offloaded flow: it stays.
func TestUpdateRulesAndSets(t *testing.T) {
	l := newLab(t, nil)
	with := func(elements []string, rules ...ruleset.Rule) ruleset.Spec {
		spec := accelerate(ruleset.Inet, l.fast(), ruleset.Chain{Name: "extra", Hook: ruleset.Forward, Priority: "20", Rules: rules})
		spec.Tables[0].Sets = []ruleset.Set{{Name: "s", Type: ruleset.IPv4Addr, Interval: true, Elements: elements}}
		return spec
	}
	l.apply(t, with(nil))
	handle := load(t, l.NS).Flowtables()[0].Handle
	f := l.dialFast(t, "tcp", testns.IPv4)
	in := ruleset.R(ruleset.IPSaddr.In("s"), ruleset.Counter())
	other := ruleset.R(ruleset.TCPDport.Is(1, 2, 3), ruleset.Drop())
	for _, spec := range []ruleset.Spec{
		with([]string{"10.0.0.0/8"}, in), with([]string{"10.0.0.0/9", "172.16.0.0/12"}, other, in), with([]string{"172.16.0.0/12"}, in, other), with(nil, other),
	} {
		plan, _, saw := l.step(t, f, spec)
		assert.False(t, plan.Disruptive())
		assert.Zero(t, saw, plan)
	}
	assert.Equal(t, handle, load(t, l.NS).Flowtables()[0].Handle)
	testns.AssertSoftwarePath(t, l.Router, f, within)
}

// TestUpdateByText gives the text of plans that change flowtables to nft instead of sending their batches, and comes to the same.
func TestUpdateByText(t *testing.T) {
	l := newLab(t, nil)
	spare := l.dummies(t, 3)
	spec := accelerate(ruleset.Inet, l.fast())
	f := &spec.Tables[0].Flowtables[0]
	for _, change := range []func(){
		func() {}, func() { f.Devices = append(f.Devices, names(spare...)...) }, func() { f.NoCounter = true }, func() { f.Devices = f.Devices[:3] },
		func() { f.NoCounter = false; f.Devices = append(f.Devices, names(spare[1:]...)...) }, func() { f.Devices = f.Devices[3:] },
		func() { f.Priority = "filter - 7" }, // nft 1.0 takes no device from such a flowtable: it sends priority 0
	} {
		change()
		plan, err := l.manager.Plan(t.Context(), &spec)
		require.NoError(t, err)
		require.NoError(t, l.NS.NFT(t.Context(), plan.String()), "%s", plan)
		left, err := l.manager.Plan(t.Context(), &spec)
		require.NoError(t, err)
		assert.Empty(t, left.String(), "after\n%s", plan)
	}
}
