package offload

import (
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// The tests named TestKernel need a kernel with flowtables: `make test` runs them on three.

// bindings maps each device of a plan to its state.
func bindings(p *ruleset.Plan) map[string]flowtable.State {
	m := map[string]flowtable.State{}
	for _, b := range p.Bindings() {
		m[b.Device] = b.State
	}
	return m
}

// loadedDevices are the devices that the kernel's flowtable lists.
func loadedDevices(t *testing.T, m *Manager) []string {
	t.Helper()
	have, err := m.load(testContext(t), "")
	require.NoError(t, err)
	require.Len(t, have.Flowtables(), 1)
	var names []string
	for _, d := range have.Flowtables()[0].Devices {
		names = append(names, d.String())
	}
	return names
}

func TestKernelFacts(t *testing.T) {
	testns.RequireFlowtables(t)
	_, m := openT(t)
	facts, err := m.Facts(testContext(t))
	require.NoError(t, err)
	known := flowtable.KernelOf(facts[0].Answer)
	assert.Equal(t, Fact{"flowtables", "yes", "tried a flowtable without devices: accepted"}, facts[1])
	assert.Equal(t, yesNo(known.ByName), facts[2].Answer, facts[2].String())
	assert.Equal(t, yesNo(known.Wildcards), facts[3].Answer, facts[3].String())
	for _, f := range facts[2:4] {
		assert.True(t, strings.HasPrefix(f.Evidence, "tried "), "tried, not judged by the release: %v", f)
		assert.NotContains(t, f.Evidence, "judged")
	}
	quirks := map[string]bool{}
	for _, q := range known.Quirks() {
		quirks[q.ID] = true
	}
	assert.Equal(t, yesNo(!quirks["missing-device"]), facts[2].Answer)
	assert.Equal(t, yesNo(!quirks["no-wildcard"]), facts[3].Answer)
	have, err := m.load(testContext(t), "")
	require.NoError(t, err)
	assert.Empty(t, have.Tables(), "a probe leaves no trace")
}

// A device is missing: older kernels get the flowtable without it, newer ones bind it when it appears. Both say so.
func TestKernelMissingDevice(t *testing.T) {
	testns.RequireFlowtables(t)
	ns, m := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add lan0 type dummy", "link set lan0 up"))
	target, err := m.Target(ctx)
	require.NoError(t, err)
	spec := fwSpec(devices("lan0", "wan7"))
	plan, err := m.Plan(ctx, spec)
	require.NoError(t, err)
	_, err = m.Apply(ctx, plan)
	require.NoError(t, err)
	if !target.Kernel.ByName {
		assert.Equal(t, map[string]flowtable.State{"lan0": flowtable.Bound, "wan7": flowtable.Missing}, bindings(plan))
		assert.Equal(t, []string{"lan0"}, loadedDevices(t, m))
	} else {
		assert.Equal(t, map[string]flowtable.State{"lan0": flowtable.Bound, "wan7": flowtable.Pending}, bindings(plan))
		assert.ElementsMatch(t, []string{"lan0", "wan7"}, loadedDevices(t, m))
	}

	require.NoError(t, ns.IP(ctx, "link add wan7 type dummy", "link set wan7 up"))
	if target.Kernel.ByName {
		assertHooked(t, ns, "wan7")
	}
	again, err := m.Plan(ctx, spec)
	require.NoError(t, err)
	assert.Equal(t, map[string]flowtable.State{"lan0": flowtable.Bound, "wan7": flowtable.Bound}, bindings(again))
	_, err = m.Apply(ctx, again)
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"lan0", "wan7"}, loadedDevices(t, m))
}

// assertHooked waits until the kernel has a flowtable's hook on a device. Debian builds 6.16 to 6.18 without the module that tells.
func assertHooked(t *testing.T, ns *testns.Namespace, device string) {
	t.Helper()
	if release, err := testns.Kernel(); err == nil && release.AtLeast(6, 16) && !release.AtLeast(6, 19) {
		if _, err := os.Stat("/sys/module/nfnetlink_hook"); err != nil {
			t.Logf("not asked which hooks %s has: this kernel is built without nfnetlink_hook", device)
			return
		}
	}
	ctx := testContext(t)
	var text string
	err := testns.Poll(ctx, 50*time.Millisecond, func() (bool, error) {
		var err error
		text, err = ns.Run(ctx, "", "nft", "list", "hooks", "netdev", "device", device)
		return err == nil && strings.Contains(text, "flow"), err
	})
	assert.NoError(t, err, "hooks of %s: %s", device, text)
}

// A Target given by hand knows nothing of the machine: the kernel's ENOENT is explained by looking at it afterwards.
func TestKernelMissingDeviceUnawares(t *testing.T) {
	testns.RequireFlowtables(t)
	ns, m := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add lan0 type dummy"))
	target, err := m.Target(ctx)
	require.NoError(t, err)
	resolved, err := fwSpec(devices("lan0", "wan7")).Resolve(nil)
	require.NoError(t, err)
	have, err := m.load(ctx, "")
	require.NoError(t, err)
	plan, err := ruleset.Diff(have, resolved)
	require.NoError(t, err)
	if target.Kernel.ByName {
		_, err := m.Apply(ctx, plan)
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"lan0", "wan7"}, loadedDevices(t, m))
		return
	}
	unchanged(t, ns, func() {
		_, err := m.Apply(ctx, plan)
		require.ErrorIs(t, err, ErrNoDevice)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorIs(t, err, syscall.ENOENT)
		require.NotErrorIs(t, err, ErrNoFlowtables)
		for _, word := range []string{"flowtable inet fw fast", "does not exist: wan7", "Next: create the device"} {
			assert.ErrorContains(t, err, word)
		}
		var refused *ApplyError
		require.ErrorAs(t, err, &refused)
		if os.Getenv("FASTPATH_KERNEL") == "6.12" {
			assert.Contains(t, refused.Attr, `"wan7"`, "6.12 points at the device")
		}
	})
}

// Prefixes go to kernels that take them; elsewhere they stand for the devices that are there.
func TestKernelPrefix(t *testing.T) {
	testns.RequireFlowtables(t)
	ns, m := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add wan0 type dummy", "link add wan1 type dummy"))
	target, err := m.Target(ctx)
	require.NoError(t, err)
	prefix := flowtable.Spec{Devices: []flowtable.Selector{{Prefix: "wan"}}}
	apply(t, m, fwSpec(prefix))
	if target.Kernel.Wildcards {
		assert.Equal(t, []string{"wan*"}, loadedDevices(t, m))
		require.NoError(t, ns.IP(ctx, "link add wan2 type dummy"))
		assertHooked(t, ns, "wan2")
		return
	}
	assert.ElementsMatch(t, []string{"wan0", "wan1"}, loadedDevices(t, m))

	resolved, err := fwSpec(prefix).Resolve(nil)
	require.NoError(t, err)
	have, err := m.load(ctx, "")
	require.NoError(t, err)
	plan, err := ruleset.Diff(have, resolved)
	require.NoError(t, err)
	unchanged(t, ns, func() {
		_, err := m.Apply(ctx, plan)
		require.ErrorIs(t, err, syscall.EINVAL)
		assert.ErrorContains(t, err, "wan*")
		assert.ErrorContains(t, err, "Linux 6.16")
	})
}
