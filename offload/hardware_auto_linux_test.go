package offload_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// These tests, too, need the simulator: devices named hw* have hw-tc-offload, hwno* refuse nevertheless.

const hwTC = "hw-tc-offload"

// refuseAlso has the simulator refuse devices with this prefix from now on, until the test ends.
func refuseAlso(t *testing.T, prefix string) (accept func()) {
	t.Helper()
	path := filepath.Join(simulator, "refuse")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0)) }
	write("hwno," + prefix)
	t.Cleanup(func() { write("hwno") })
	return func() { write("hwno") }
}

// run keeps a ruleset as declared until the test ends.
func (l *lab) run(t *testing.T, spec *ruleset.Spec) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.manager.Run(ctx, spec) }()
	t.Cleanup(func() {
		cancel()
		assert.ErrorIs(t, <-ended, context.Canceled)
	})
}

// awaitStatus waits until Run says what is wanted.
func (l *lab) awaitStatus(t *testing.T, what string, ok func(*offload.Status) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var last *offload.Status
	for s := range l.manager.Statuses(ctx) {
		if last = s; ok(s) {
			return
		}
	}
	require.Fail(t, "Run never was "+what, "%v", last)
}

// inDrivers is a condition of a Run that is steady, with these devices alone in hardware.
func inDrivers(devices ...string) func(*offload.Status) bool {
	return func(s *offload.Status) bool {
		var now []string
		for _, d := range s.Devices {
			if d.Hardware && d.State.Listed() {
				now = append(now, d.Device)
			}
		}
		return s.Phase == offload.PhaseSteady && assert.ObjectsAreEqual(devices, now)
	}
}

// autoSpec offloads everything established to one flowtable.
func autoSpec(hardware flowtable.Hardware, devices ...string) *ruleset.Spec {
	return &ruleset.Spec{Tables: []ruleset.Table{{
		Name: "accel", Offload: []ruleset.Policy{{Flowtable: "fast"}},
		Flowtables: []flowtable.Spec{{Name: "fast", Hardware: hardware, Devices: names(devices...)}},
	}}}
}

// dialGuest opens a flow from the second LAN.
func (l *lab) dialGuest(t *testing.T, network string, port uint16) *testns.Flow {
	t.Helper()
	f := l.dialFrom(t, l.Guest, network, l.echo(testns.IPv4), port)
	talk(t, f, 3, 100)
	return f
}

// TestAutoMoves: of three devices two accept. Flows between those two are in hardware, those to or from the third in software, both
// ways. When a driver's feature is turned off under them its device moves, and the flows that it strands come back to the fast path
// in software; others never leave it. What the driver answers after that is followed, too.
func TestAutoMoves(t *testing.T) {
	needSimulator(t)
	l := newLab(t, &testns.RouterConfig{LANDevice: "hwlan0", WANDevice: "hwwan0", SecondLAN: true})
	require.NoError(t, l.NS.IP(t.Context(), "link add hwmore0 type dummy", "link set hwmore0 up"))
	l.run(t, autoSpec(flowtable.HardwareAuto, "hwlan0", "hwmore0", "hwwan0", l.GuestDevice))
	l.awaitStatus(t, "divided", inDrivers("hwlan0", "hwmore0", "hwwan0"))
	tcp, udp := l.dialHardware(t, "tcp", testns.IPv4), l.dialHardware(t, "udp", testns.IPv6)
	guest := l.dialGuest(t, "tcp", 4001)
	testns.AssertSoftwarePath(t, l.Router, guest, within)
	l.awaitStatus(t, "granted", func(s *offload.Status) bool { return len(s.Flowtables) == 1 && s.Flowtables[0].Hardware == "granted" })

	seen := l.forwarded(t, guest, func() {
		traffic := guest.Start(50, 100)
		require.NoError(t, l.NS.SetFeature("hwlan0", hwTC, false))
		l.awaitStatus(t, "without hwlan0 in hardware", inDrivers("hwmore0", "hwwan0"))
		for _, f := range []*testns.Flow{tcp, udp} {
			talk(t, f, 3, 100)
			testns.AssertSoftwarePath(t, l.Router, f, within)
		}
		report := traffic.Close()
		require.NoError(t, report.Err)
		assert.NotZero(t, report.Received)
	})
	assert.Equal(t, testns.Forwarded{}, seen, "a flow on other devices never left the fast path")

	accept := refuseAlso(t, "hwlan")
	require.NoError(t, l.NS.SetFeature("hwlan0", hwTC, true))
	l.awaitStatus(t, "told that the driver refuses", func(s *offload.Status) bool {
		return inDrivers("hwmore0", "hwwan0")(s) && hasWhy(s, "hwlan0", string(flowtable.DriverRefuses))
	})
	l.dialFast(t, "udp", testns.IPv4)
	accept()
	require.NoError(t, l.NS.SetFeature("hwlan0", hwTC, false))
	l.awaitStatus(t, "told that the feature is off", func(s *offload.Status) bool { return hasWhy(s, "hwlan0", string(flowtable.FeatureOff)) })
	require.NoError(t, l.NS.SetFeature("hwlan0", hwTC, true))
	l.awaitStatus(t, "divided again", inDrivers("hwlan0", "hwmore0", "hwwan0"))
	l.dialHardware(t, "tcp", testns.IPv6)
}

// hasWhy reports whether a device's reason says something.
func hasWhy(s *offload.Status, device, text string) bool {
	for _, d := range s.Devices {
		if d.Device == device && strings.Contains(d.Why, text) {
			return true
		}
	}
	return false
}

// TestAutoAllOrNone: where all drivers accept, the flowtable itself is in hardware; where none does, flows are in software, beside devices
// that are not theirs.
func TestAutoAllOrNone(t *testing.T) {
	needSimulator(t)
	t.Run("all", func(t *testing.T) {
		l := newLab(t, &testns.RouterConfig{LANDevice: "hwlan0", WANDevice: "hwwan0"})
		l.apply(t, *autoSpec(flowtable.HardwareAuto, "hwlan0", "hwwan0"))
		list := flowtables(t, l.NS)
		require.Len(t, list, 1)
		assert.True(t, list[0].Hardware())
		l.dialHardware(t, "tcp", testns.IPv4)
	})
	t.Run("none", func(t *testing.T) {
		l := newLab(t, nil)
		refused := readSimulator(t, "n_refused")
		bound := readSimulator(t, "n_bind")
		l.apply(t, *autoSpec(flowtable.HardwareAuto, l.LANDevice, l.WANDevice))
		require.Len(t, flowtables(t, l.NS), 1)
		assert.False(t, flowtables(t, l.NS)[0].Hardware())
		assert.Equal(t, refused, readSimulator(t, "n_refused"))
		assert.Equal(t, bound, readSimulator(t, "n_bind"), "a driver without the feature is not asked")
		l.dialFast(t, "udp", testns.IPv4)

		require.NoError(t, l.NS.IP(t.Context(), "link add hw7 type dummy", "link add hw8 type dummy", "link set hw7 up", "link set hw8 up"))
		l.apply(t, *autoSpec(flowtable.HardwareAuto, l.LANDevice, l.WANDevice, "hw7", "hw8"))
		require.Len(t, flowtables(t, l.NS), 2, "divided")
		l.dialFast(t, "tcp", testns.IPv6)
	})
}

// TestHardwareRefusesLater: a driver that accepted when it was asked refuses when it counts. On fails, names it and changes
// nothing; Auto moves its device; Off asks nobody.
func TestHardwareRefusesLater(t *testing.T) {
	needSimulator(t)
	l := newLab(t, &testns.RouterConfig{LANDevice: "hwlan0", WANDevice: "hwwan0"})
	plan, err := l.manager.Plan(t.Context(), autoSpec(flowtable.HardwareAuto, "hwlan0", "hwwan0"))
	require.NoError(t, err)
	refuseAlso(t, "hwwan")
	_, err = l.manager.Apply(t.Context(), plan)
	require.ErrorIs(t, err, offload.ErrHardwareRefused)
	before := load(t, l.NS)
	_, err = l.manager.Reconcile(t.Context(), autoSpec(flowtable.HardwareOn, "hwlan0", "hwwan0"))
	require.ErrorIs(t, err, offload.ErrHardwareRefused)
	var refused *offload.ApplyError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "hwwan0", refused.Detail)
	assert.Equal(t, before.Generation(), load(t, l.NS).Generation())

	_, err = l.manager.Reconcile(t.Context(), autoSpec(flowtable.HardwareAuto, "hwlan0", "hwwan0"))
	require.NoError(t, err)
	l.dialFast(t, "tcp", testns.IPv4)
	asked := readSimulator(t, "n_bind") + readSimulator(t, "n_refused")
	l.apply(t, *autoSpec(flowtable.HardwareOff, "hwlan0", "hwwan0"))
	assert.Equal(t, asked, readSimulator(t, "n_bind")+readSimulator(t, "n_refused"))
	l.dialFast(t, "udp", testns.IPv6)
}

// TestProbeOnTheSimulator: every answer with its evidence, and nothing stays of it.
func TestProbeOnTheSimulator(t *testing.T) {
	needSimulator(t)
	l := newLab(t, &testns.RouterConfig{LANDevice: "hwlan0", WANDevice: "hwwan0"})
	require.NoError(t, l.NS.IP(t.Context(), "link add hwno0 type dummy", "link add sw0 type dummy", "link add hwoff0 type dummy"))
	require.NoError(t, l.NS.SetFeature("hwoff0", hwTC, false))
	l.apply(t, *autoSpec(flowtable.HardwareOn, "hwlan0"))
	text, held := listing(t, l.NS), readSimulator(t, "n_bind")-readSimulator(t, "n_unbind")
	generation := load(t, l.NS).Generation()
	want := map[string]flowtable.Result{
		"hwlan0": flowtable.Accepted, "hwwan0": flowtable.Accepted, "hwno0": flowtable.DriverRefuses, "sw0": flowtable.FixedOff,
		"hwoff0": flowtable.FeatureOff, "nobody": flowtable.NoDevice,
	}
	probe := func(m *offload.Manager, force bool) {
		t.Helper()
		var devices []string
		for d := range want {
			devices = append(devices, d)
		}
		answers, err := m.Probe(t.Context(), force, devices...)
		require.NoError(t, err)
		require.Len(t, answers, len(devices))
		for i, a := range answers {
			assert.Equal(t, devices[i], a.Device)
			assert.Equal(t, want[a.Device], a.Result, "%v", a)
			assert.NotEmpty(t, a.Evidence)
		}
	}
	probe(l.manager, false)
	probe(openManager(t, l.NS), false)
	want["sw0"], want["hwoff0"] = flowtable.Accepted, flowtable.Accepted
	probe(l.manager, true)
	assert.Equal(t, text, listing(t, l.NS))
	assert.Equal(t, generation, load(t, l.NS).Generation())
	assert.Equal(t, held, readSimulator(t, "n_bind")-readSimulator(t, "n_unbind"), "what was bound to be asked was unbound")
}

// TestAutoReCreated: a device that is made anew under its name is asked anew. Since Linux 6.16 a name in a hardware flowtable keeps devices
// away whose drivers refuse: they cannot be created. So the name leaves it with the device.
func TestAutoReCreated(t *testing.T) {
	needSimulator(t)
	l := newLab(t, &testns.RouterConfig{LANDevice: "hwlan0", WANDevice: "hwwan0", SecondLAN: true})
	create := []string{"link add hwmore0 type dummy", "link set hwmore0 up"}
	require.NoError(t, l.NS.IP(t.Context(), create...))
	l.run(t, autoSpec(flowtable.HardwareAuto, "hwlan0", "hwmore0", "hwwan0", l.GuestDevice))
	l.awaitStatus(t, "divided", inDrivers("hwlan0", "hwmore0", "hwwan0"))
	f := l.dialHardware(t, "udp", testns.IPv4)
	accept := refuseAlso(t, "hwmore")
	seen := l.forwarded(t, f, func() {
		require.NoError(t, l.NS.IP(t.Context(), "link del hwmore0"))
		l.awaitStatus(t, "without it", inDrivers("hwlan0", "hwwan0"))
		require.NoError(t, l.NS.IP(t.Context(), create...))
		l.awaitStatus(t, "told that its driver refuses", func(s *offload.Status) bool { return hasWhy(s, "hwmore0", string(flowtable.DriverRefuses)) })
		accept()
		require.NoError(t, l.NS.IP(t.Context(), append([]string{"link del hwmore0"}, create...)...))
		l.awaitStatus(t, "divided again", inDrivers("hwlan0", "hwmore0", "hwwan0"))
		talk(t, f, trips, 100)
	})
	assert.Equal(t, testns.Forwarded{}, seen, "a flow on other devices never left the fast path")
	testns.AssertHardwarePath(t, l.Router, f, within)
}

// TestHardwareKeepsRefusersAway: since Linux 6.16 a device whose driver refuses cannot be created under a name that a hardware flowtable
// lists. So we list there what exists, and nothing else.
func TestHardwareKeepsRefusersAway(t *testing.T) {
	needSimulator(t)
	l := newLab(t, &testns.RouterConfig{LANDevice: "hwlan0", WANDevice: "hwwan0"})
	if l.kernel.AtLeast(6, 16) {
		require.NoError(t, l.NS.NFT(t.Context(), `table inet theirs { flowtable f { hook ingress priority 0; devices = { hwno7 }; flags offload; }; }`))
		require.ErrorContains(t, l.NS.IP(t.Context(), "link add hwno7 type dummy"), "not permitted")
		require.NoError(t, l.NS.NFT(t.Context(), "delete table inet theirs"))
	}
	l.apply(t, *autoSpec(flowtable.HardwareOn, "hwlan0", "hwno7"))
	require.NoError(t, l.NS.IP(t.Context(), "link add hwno7 type dummy"))
	l.apply(t, *autoSpec(flowtable.HardwareAuto, "hwlan0", "hwno8"))
	require.NoError(t, l.NS.IP(t.Context(), "link add hwno8 type dummy"))
}
