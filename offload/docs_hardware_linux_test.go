package offload_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// The tests of this file need the offload simulator (internal/testns/vm/hwsim): a kernel module that plays the driver of every device.
// They must not run without it: a refusal by the kernel itself leaves it in a state in which the next driver crashes it.

// simulator is where the parameters of the module are; they belong to the whole machine.
const simulator = "/sys/module/fastpath_hwsim/parameters"

// needSimulator skips the test where no module plays the hardware, and fails it where one should.
func needSimulator(t *testing.T) {
	t.Helper()
	testns.RequireFlowtables(t)
	testns.RequireSimulator(t)
}

// readSimulator is a parameter or a read-out of the module.
func readSimulator(t *testing.T, name string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(simulator, name))
	require.NoError(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	require.NoError(t, err)
	return n
}

// setSimulator sets a parameter of the module until the test ends.
func setSimulator(t *testing.T, name string, value int) {
	t.Helper()
	path, old := filepath.Join(simulator, name), readSimulator(t, name)
	require.NoError(t, os.WriteFile(path, []byte(strconv.Itoa(value)), 0))
	t.Cleanup(func() { assert.NoError(t, os.WriteFile(path, []byte(strconv.Itoa(old)), 0)) })
}

// hardware is fast with the hardware flag.
func (l *lab) hardware() flowtable.Spec {
	f := l.fast()
	f.Hardware = flowtable.HardwareOn
	return f
}

// dialHardware is dialFast for the hardware path.
func (l *lab) dialHardware(t *testing.T, network string, fam testns.Family) *testns.Flow {
	t.Helper()
	f := l.DialT(t, network, fam)
	talk(t, f, 3, 100)
	testns.AssertHardwarePath(t, l.Router, f, within)
	return f
}

// TestDocsHardware gives flows to the driver, a rule for each direction: [HW_OFFLOAD], for the tool and the Watcher. Eviction takes the rules
// away from it.
func TestDocsHardware(t *testing.T) {
	needSimulator(t)
	l := newLab(t, nil)
	l.apply(t, accelerate(ruleset.Inet, l.hardware()))
	list := flowtables(t, l.NS)
	require.Len(t, list, 1)
	assert.True(t, list[0].Hardware())
	assert.Contains(t, listing(t, l.NS), "flags offload")
	destroyed, n := readSimulator(t, "n_destroy"), 0
	for _, network := range []string{"tcp", "udp"} {
		for _, fam := range testns.Families() {
			n += 2
			f := l.dialHardware(t, network, fam)
			assert.Equal(t, testns.TagHWOffload, l.tool(t, f).Tag, "%v", f)
			e := l.entry(t, f)
			assert.Equal(t, conntrack.Hardware, e.Path(), "%v", e)
			assert.NotZero(t, e.Status&conntrack.Offload, "both bits are set")
			awaitSimulator(t, "n_rules", func(now int) bool { return now >= n })
		}
	}
	gone, err := l.watcher.Evict(t.Context(), conntrack.Match{Paths: []conntrack.Path{conntrack.Hardware}}, false)
	require.NoError(t, err)
	assert.Len(t, gone, n/2)
	awaitSimulator(t, "n_destroy", func(now int) bool { return now >= destroyed+n })
}

// awaitSimulator waits until a read-out fulfils a condition.
func awaitSimulator(t *testing.T, name string, ok func(int) bool) {
	t.Helper()
	var last int
	err := await(t, func(context.Context) (bool, error) {
		last = readSimulator(t, name)
		return ok(last), nil
	})
	require.NoError(t, err, "%s is %d", name, last)
}

// TestDocsHardwareCounters: what the driver counts arrives in conntrack although no packet passes the CPU. The kernel asks for it once a
// tenth of the flow's timeout has gone by without packets.
func TestDocsHardwareCounters(t *testing.T) {
	const timeout, packets, bytes = 20 * time.Second, 1000, 64000
	needSimulator(t)
	l := newLab(t, &testns.RouterConfig{Sysctls: map[string]string{tcpTimeout: seconds(timeout), udpTimeout: seconds(timeout)}})
	l.apply(t, accelerate(ruleset.Inet, l.hardware()))
	f := l.dialHardware(t, "udp", testns.IPv4)
	before := l.entry(t, f)
	d := l.follow(t, f)
	setSimulator(t, "st_bytes", bytes)
	setSimulator(t, "st_pkts", packets)

	after := l.awaitEntry(t, f, "the driver's counters", func(e conntrack.Entry) bool {
		return e.Sent.Packets >= before.Sent.Packets+packets && e.Received.Packets >= before.Received.Packets+packets
	})
	assert.Equal(t, conntrack.Hardware, after.Path())
	assert.Zero(t, (after.Sent.Packets-before.Sent.Packets)%packets, "no packet but the driver's")
	assert.GreaterOrEqual(t, after.Sent.Bytes, before.Sent.Bytes+bytes)
	assert.GreaterOrEqual(t, after.Received.Bytes, before.Received.Bytes+bytes)
	counted := d.await(t, "the count", func(c conntrack.Change) bool { return c.Kind == conntrack.Counted && c.Delta.Sent.Packets >= packets })
	assert.Equal(t, conntrack.Hardware, counted.Entry.Path())
}

// TestDocsHardwareRuleRejected: where the driver takes the flowtable and rejects a flow, the flow stays in software.
func TestDocsHardwareRuleRejected(t *testing.T) {
	needSimulator(t)
	l := newLab(t, nil)
	l.apply(t, accelerate(ruleset.Inet, l.hardware()))
	setSimulator(t, "reject", 12)
	offered := readSimulator(t, "n_replace")
	f := l.dialFast(t, "udp", testns.IPv4)
	awaitSimulator(t, "n_replace", func(now int) bool { return now > offered })
	assert.Equal(t, conntrack.Software, l.path(t, f))
}

// TestDocsHardwareRefused: where a driver does not take the flowtable, nothing of the ruleset is applied, and the error says what to change.
func TestDocsHardwareRefused(t *testing.T) {
	needSimulator(t)
	l := newLab(t, &testns.RouterConfig{LANDevice: "hwno0"})
	before := load(t, l.NS)
	spec := accelerate(ruleset.Inet, l.hardware())
	plan, err := l.manager.Plan(t.Context(), &spec)
	require.NoError(t, err)

	_, err = l.manager.Apply(t.Context(), plan)
	require.ErrorIs(t, err, offload.ErrHardwareRefused)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	var refused *offload.ApplyError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, ruleset.KindFlowtable, refused.Operation.Kind)
	assert.Equal(t, "fast", refused.Operation.Name)
	assert.Contains(t, refused.Detail, "hwno0", "the devices; which of them the kernel does not tell")
	assert.NotEmpty(t, refused.Next)
	checked, err := l.manager.DryRun(t.Context(), plan)
	require.NoError(t, err)
	require.Len(t, checked.Unchecked, 1, "a dry run asks no driver, and says so")
	assert.Contains(t, checked.Unchecked[0].Why, "hardware")

	after := load(t, l.NS)
	assert.Equal(t, before.Generation(), after.Generation(), "nothing was committed")
	assert.Empty(t, after.Tables())
	t.Logf("the error: %v", refused)

	spec = accelerate(ruleset.Inet, l.fast())
	l.apply(t, spec)
	l.dialFast(t, "udp", testns.IPv4)
}
