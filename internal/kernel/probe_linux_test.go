package kernel

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// What is answered without asking a driver.
func TestProbeAnswer(t *testing.T) {
	s := surroundings{
		flowtables: Finding{Known: true, Yes: true},
		features: map[string]string{"on": "on", "always": "on [fixed]", "off": "off", "never": "off [fixed]", "untold": "", "listed": "on",
			"lan0": "on"},
		hardware: []ruleset.LoadedFlowtable{{Family: "inet", Table: "t", Name: "f", Devices: []flowtable.Selector{{Name: "listed"}, {Prefix: "lan"}}}},
	}
	for device, want := range map[string][2]flowtable.Result{ // without and with force
		"gone":   {flowtable.NoDevice, flowtable.NoDevice},
		"on":     {flowtable.NotTried, flowtable.NotTried},
		"always": {flowtable.NotTried, flowtable.NotTried},
		"off":    {flowtable.FeatureOff, flowtable.NotTried},
		"never":  {flowtable.FixedOff, flowtable.NotTried},
		"untold": {flowtable.NotTried, flowtable.NotTried},
		"listed": {flowtable.Busy, flowtable.Busy},
		"lan0":   {flowtable.Busy, flowtable.Busy},
	} {
		for i, force := range []bool{false, true} {
			a := s.answer(device, force)
			assert.Equal(t, want[i], a.Result, "%s, force %v", device, force)
			asked := strings.HasPrefix(s.features[device], "on") || force
			assert.Equal(t, a.Result == flowtable.NotTried && asked, a.Evidence == "", "%s, force %v: %s", device, force, a.Evidence)
		}
	}
	s.flowtables = Finding{Known: true, Evidence: "tried"}
	assert.Equal(t, flowtable.Answer{Device: "on", Result: flowtable.NoModule, Evidence: "tried"}, s.answer("on", true))
	assert.Equal(t, flowtable.NoDevice, s.answer("gone", true).Result)
}

// What a driver's errno means.
func TestProbeDriver(t *testing.T) {
	a := answers{1: 0, 2: unix.EOPNOTSUPP, 3: unix.EBUSY, 4: unix.EEXIST, 5: unix.ENOENT, 6: unix.EINVAL}
	for seq, want := range map[uint32]flowtable.Result{1: flowtable.Accepted, 2: flowtable.DriverRefuses, 3: flowtable.Busy, 4: flowtable.Busy,
		5: flowtable.NoDevice, 6: flowtable.DriverRefuses, 7: flowtable.NotTried} {
		got := a.driver(seq, "d")
		assert.Equal(t, want, got.Result, "%d", seq)
		assert.Contains(t, got.Evidence, "d: ")
		if errno := a[seq]; errno != 0 {
			assert.Contains(t, got.Evidence, errno.Error())
		}
	}
}

// A kernel without flowtables says so; a device that is not there is told from that.
func TestProbeWithoutFlowtables(t *testing.T) {
	ns, k := openT(t)
	if have, _ := testns.HaveFlowtables(t.Context()); have {
		ns = nil // TestProbe tells the rest
	}
	got, err := k.Probe(testContext(t), []string{"lo", "gone"}, false)
	require.NoError(t, err)
	want := flowtable.NoModule
	if ns == nil {
		want = flowtable.FixedOff
	}
	assert.Equal(t, want, got[0].Result, got[0].Evidence)
	assert.Equal(t, flowtable.NoDevice, got[1].Result)
}

// simulator reads one of the driver's counters.
func simulator(t *testing.T, name string) int {
	t.Helper()
	text, err := os.ReadFile("/sys/module/fastpath_hwsim/parameters/" + name)
	require.NoError(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	return n
}

// TestProbe asks the simulator, and finds nothing of it afterwards.
func TestProbe(t *testing.T) {
	testns.RequireFlowtables(t)
	testns.RequireSimulator(t)
	ns, k := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add hwa type veth peer name hwb", "link add hwno0 type veth peer name v0"))
	_, err := k.Manners(ctx)
	require.NoError(t, err)
	before, err := k.GenerationID(ctx)
	require.NoError(t, err)
	bound, unbound, refused := simulator(t, "n_bind"), simulator(t, "n_unbind"), simulator(t, "n_refused")

	got, err := k.Probe(ctx, []string{"hwb", "gone", "hwno0", "v0", "hwa", "hwb"}, false)
	require.NoError(t, err)
	var results []flowtable.Result
	for _, a := range got {
		results = append(results, a.Result)
		assert.NotEmpty(t, a.Evidence, a.Device)
	}
	assert.Equal(t, []flowtable.Result{flowtable.Accepted, flowtable.NoDevice, flowtable.DriverRefuses, flowtable.FixedOff, flowtable.Accepted, flowtable.Accepted}, results)
	assert.Contains(t, got[2].Evidence, "EOPNOTSUPP")
	assert.Equal(t, 2, simulator(t, "n_bind")-bound)
	assert.Equal(t, 2, simulator(t, "n_unbind")-unbound)
	assert.Equal(t, 1, simulator(t, "n_refused")-refused)

	got, err = k.Probe(ctx, []string{"v0"}, true)
	require.NoError(t, err)
	assert.Equal(t, flowtable.Accepted, got[0].Result, got[0].Evidence)
	assert.Equal(t, simulator(t, "n_bind")-bound, simulator(t, "n_unbind")-unbound)

	after, err := k.GenerationID(ctx)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	text, err := ns.Ruleset(ctx)
	require.NoError(t, err)
	assert.Empty(t, strings.TrimSpace(text))
}

// A live hardware flowtable and its flows do not notice a probe, not even one whose process is killed in the middle.
func TestProbeBesideLiveTable(t *testing.T) {
	testns.RequireFlowtables(t)
	testns.RequireSimulator(t)
	r := testns.NewRouterT(t, &testns.RouterConfig{LANDevice: "hwlan0", WANDevice: "hwwan0"})
	ctx := testContext(t)
	require.NoError(t, r.NS.IP(ctx, "link add hwa type veth peer name hwb"))
	require.NoError(t, r.NS.NFT(ctx, `table inet live {
		flowtable f { hook ingress priority 0; devices = { hwlan0, hwwan0 }; flags offload; counter; }
		chain forward { type filter hook forward priority 0; meta l4proto { tcp, udp } flow add @f; }
	}`))
	f := r.DialT(t, "tcp", testns.IPv4)
	testns.AssertHardwarePath(t, r, f, 20*time.Second)
	k, err := Open(r.NS.Path())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, k.Close()) })
	listing := func() string {
		text, err := r.NS.Run(ctx, "", "nft", "-a", "list", "ruleset")
		require.NoError(t, err)
		return text
	}
	bound := func() int { return simulator(t, "n_bind") - simulator(t, "n_unbind") }
	before, devices := listing(), bound()

	got, err := k.Probe(ctx, []string{"hwlan0", "hwa"}, true)
	require.NoError(t, err)
	assert.Equal(t, flowtable.Busy, got[0].Result)
	assert.Contains(t, got[0].Evidence, "inet live f")
	assert.Equal(t, flowtable.Accepted, got[1].Result, got[1].Evidence)

	asked := simulator(t, "n_bind")
	asker := startChild(t, r.NS, childProbes, nil)
	require.NoError(t, testns.Poll(ctx, time.Millisecond, func() (bool, error) { return simulator(t, "n_bind") > asked+4, nil }))
	asker.end(syscall.SIGKILL)

	assert.Equal(t, devices, bound(), "every device was let go")
	assert.Equal(t, before, listing())
	entry, err := testns.Conntrack(ctx, r.NS, f.Tuple())
	require.NoError(t, err)
	assert.Equal(t, "HW_OFFLOAD", entry.Tag)
}
