package offload

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// requireSimulator skips outside a VM: a refused hardware attempt on a machine whose drivers may register later can crash it.
func requireSimulator(t *testing.T) {
	t.Helper()
	testns.RequireFlowtables(t)
	testns.RequireSimulator(t)
}

// A driver refuses: the error names the flowtable and the next step, and finding that out asks no driver again.
func TestKernelHardwareRefused(t *testing.T) {
	requireSimulator(t)
	ns, m := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add lan0 type dummy", "link add hwno0 type dummy"))
	f := devices("lan0", "hwno0")
	f.Hardware = flowtable.HardwareOn
	plan, err := m.Plan(ctx, fwSpec(f))
	require.NoError(t, err)
	refusals := simulator(t, "n_refused")
	unchanged(t, ns, func() {
		_, err := m.Apply(ctx, plan)
		require.ErrorIs(t, err, ErrHardwareRefused)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.ErrorIs(t, err, syscall.EOPNOTSUPP)
		for _, word := range []string{"flowtable inet fw fast", "hwno0", "hardware to off", "nothing was changed"} {
			assert.ErrorContains(t, err, word)
		}
	})
	assert.NotEqual(t, refusals, simulator(t, "n_refused"), "the driver was asked")

	f.Hardware = flowtable.HardwareOff
	apply(t, m, fwSpec(f))
	assert.ElementsMatch(t, []string{"lan0", "hwno0"}, loadedDevices(t, m))
}

// A driver accepts.
func TestKernelHardwareAccepted(t *testing.T) {
	requireSimulator(t)
	ns, m := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add lan0 type dummy", "link add wan0 type dummy"))
	f := devices("lan0", "wan0")
	f.Hardware = flowtable.HardwareOn
	apply(t, m, fwSpec(f))
	have, err := m.load(ctx, "")
	require.NoError(t, err)
	require.Len(t, have.Flowtables(), 1)
	assert.True(t, have.Flowtables()[0].Hardware())
	apply(t, m, fwSpec(f)) // replaced in one batch: unbound and bound again
	apply(t, m, &ruleset.Spec{})
	assert.NotContains(t, listing(t, ns), "table inet fw")
}

func simulator(t *testing.T, parameter string) string {
	t.Helper()
	text, err := os.ReadFile("/sys/module/fastpath_hwsim/parameters/" + parameter)
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

// The table goes away between plan and apply: nothing is created by halves.
func TestKernelTableDeletedMeanwhile(t *testing.T) {
	testns.RequireFlowtables(t)
	ns, m := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add lan0 type dummy"))
	apply(t, m, fwSpec(devices("lan0")))
	early := devices("lan0")
	early.Priority = "filter - 1"
	plan, err := m.Plan(ctx, fwSpec(early))
	require.NoError(t, err)
	assert.True(t, plan.Disruptive(), "a flowtable is replaced")
	require.NoError(t, ns.NFT(ctx, "delete table inet fw\n"))
	unchanged(t, ns, func() {
		_, err := m.Apply(ctx, plan)
		require.ErrorIs(t, err, ErrConflict)
	})
	apply(t, m, fwSpec(devices("lan0")))
	assert.Contains(t, listing(t, ns), "flow add @fast")
}

// Others commit without end while a flowtable is applied again and again.
func TestKernelForeignCommits(t *testing.T) {
	testns.RequireFlowtables(t)
	ns, m := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add lan0 type dummy"))
	for range 10 {
		plan, err := m.Plan(ctx, fwSpec(devices("lan0")))
		require.NoError(t, err)
		require.NoError(t, ns.NFT(ctx, "table ip theirs { chain c { }; }\ndelete table ip theirs\n"))
		_, err = m.Apply(ctx, plan)
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"lan0"}, loadedDevices(t, m))
	assert.NotContains(t, listing(t, ns), "theirs")
}

// A device that is in another flowtable of the same table already: validation sees declared ones, the kernel sees the rest.
func TestKernelDeviceInTwoFlowtables(t *testing.T) {
	testns.RequireFlowtables(t)
	ns, m := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add lan0 type dummy"))
	spec := fwSpec(devices("lan0"))
	spec.Tables[0].Flowtables = append(spec.Tables[0].Flowtables, flowtable.Spec{Name: "second", Devices: []flowtable.Selector{{Name: "lan0"}}})
	_, err := m.Plan(ctx, spec)
	var field *flowtable.FieldError
	require.ErrorAs(t, err, &field)
	assert.Contains(t, field.Path, "tables[0].flowtables[1]")
}

// The dry run takes everything back.
func TestKernelCheckLeavesNoTrace(t *testing.T) {
	testns.RequireFlowtables(t)
	ns, m := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add lan0 type dummy"))
	plan, err := m.Plan(ctx, fwSpec(devices("lan0")))
	require.NoError(t, err)
	unchanged(t, ns, func() { require.NoError(t, m.Check(ctx, plan)) })
	_, err = m.Apply(ctx, plan)
	require.NoError(t, err, "the generation did not move")
}

// All three families have flowtables.
func TestKernelFamilies(t *testing.T) {
	testns.RequireFlowtables(t)
	for _, family := range []ruleset.Family{ruleset.Inet, ruleset.IP, ruleset.IP6} {
		ns, m := openT(t)
		require.NoError(t, ns.IP(testContext(t), "link add lan0 type dummy"))
		spec := fwSpec(devices("lan0"))
		spec.Tables[0].Family = family
		apply(t, m, spec)
		assert.Contains(t, listing(t, ns), "table "+string(family)+" fw")
		assert.Equal(t, []string{"lan0"}, loadedDevices(t, m))
	}
}
