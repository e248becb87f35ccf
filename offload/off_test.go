package offload_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Off drains what the kernel holds, every Manager plans without flowtables until On, and Uninstall leaves nothing.
func TestOff(t *testing.T) {
	for _, target := range []*flowtable.Target{offloadtest.Linux61("eth0", "eth1"), offloadtest.Linux72("eth0", "eth1")} {
		t.Run(target.Kernel.Release, func(t *testing.T) {
			m, kernel := onFake(t, target, nil)
			spec := firewall(dropPort(22))
			spec.Tables[0].Flowtables[0].Devices = []flowtable.Selector{{Name: "eth0"}, {Name: "eth1"}}
			applySpec(t, m, spec)
			flow(kernel, 80, 0)

			other, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel})
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, other.Close()) })
			require.NoError(t, other.Off(t.Context(), ""))
			text := kernel.Ruleset()
			assert.NotContains(t, text, "flowtable")
			assert.NotContains(t, text, "flow add")
			assert.Contains(t, text, "meta, cmp, payload, cmp, immediate", "the drop stays")
			assert.Equal(t, []uint16{80}, ports(t, kernel), "connections live on")
			off, is, err := m.IsOff(t.Context(), "")
			require.NoError(t, err)
			require.True(t, is)
			assert.Equal(t, "fastpath", off.Owner)
			_, err = time.Parse(time.RFC3339, off.Since)
			require.NoError(t, err)

			generation := kernel.Generation()
			require.NoError(t, m.Off(t.Context(), ""))
			done, err := m.Reconcile(t.Context(), spec)
			require.NoError(t, err)
			assert.True(t, done.Plan.Empty(), "%s", done.Plan)
			assert.Equal(t, generation, kernel.Generation())
			assert.Contains(t, done.Plan.Warnings()[len(done.Plan.Warnings())-1], "switched off since "+off.Since)
			assert.Empty(t, done.Plan.Bindings())

			require.NoError(t, m.On(t.Context(), ""))
			require.NoError(t, m.On(t.Context(), ""))
			applySpec(t, m, spec)
			assert.Equal(t, []string{"eth0", "eth1"}, heldDevices(t, kernel))

			require.NoError(t, m.Off(t.Context(), ""))
			_, err = m.Uninstall(t.Context(), "")
			require.NoError(t, err)
			assert.Empty(t, kernel.Ruleset())
		})
	}
}

// Off works with nothing installed, and keeps what comes later off; other owners have their own.
func TestOffFirst(t *testing.T) {
	m, kernel := onFake(t, offloadtest.Linux72("eth0"), nil)
	require.NoError(t, m.Off(t.Context(), "a"))
	_, is, err := m.IsOff(t.Context(), "")
	require.NoError(t, err)
	assert.False(t, is)
	spec := elephants(flowtable.HardwareOff, "eth0")
	spec.Owner = "a"
	applySpec(t, m, spec)
	assert.Empty(t, heldDevices(t, kernel))
	spec.Owner, spec.Tables[0].Name = "b", "other"
	applySpec(t, m, spec)
	assert.Equal(t, []string{"eth0"}, heldDevices(t, kernel))
}

// A plan from before Off is not applied after it, though no table of ours changed.
func TestOffBetweenPlanAndApply(t *testing.T) {
	m, kernel := onCrowded(t)
	other, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel.Kernel})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, other.Close()) })
	kernel.others = func() { require.NoError(t, other.Off(t.Context(), "")) }
	plan, err := m.Plan(t.Context(), elephants(flowtable.HardwareOff))
	require.NoError(t, err)
	_, err = m.Apply(t.Context(), plan)
	require.ErrorIs(t, err, offload.ErrConflict)
	applySpec(t, m, elephants(flowtable.HardwareOff))
	assert.NotContains(t, kernel.Ruleset(), "flowtable")
	require.NoError(t, other.On(t.Context(), ""))
	applySpec(t, m, elephants(flowtable.HardwareOff))
	assert.Contains(t, kernel.Ruleset(), "flowtable")
}

// Off follows others who commit in between.
func TestOffWhileOthersCommit(t *testing.T) {
	m, kernel := onCrowded(t)
	other, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel.Kernel})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, other.Close()) })
	applySpec(t, m, firewall())
	kernel.others = func() { applySpec(t, other, firewall(dropPort(22), ruleset.R(ruleset.Counter()))) }
	require.NoError(t, m.Off(t.Context(), ""))
	assert.NotContains(t, kernel.Ruleset(), "flow add")
	assert.Contains(t, kernel.Ruleset(), "counter")
}

// While a change waits for its confirmation Off drains it, and nothing brings its flowtables back. A change that is taken back
// after Off comes without them.
func TestOffAndConfirm(t *testing.T) {
	for name, takenBack := range map[string]bool{"a change of flowtables": false, "the end of them": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, kernel := onFake(t, offloadtest.Linux72("eth0", "eth1"), nil)
				applySpec(t, m, firewall(dropPort(22)))
				next := firewall(dropPort(23))
				if takenBack {
					next = next.WithoutFlowtables()
				}
				plan, err := m.Plan(t.Context(), next)
				require.NoError(t, err)
				_, err = m.ApplyConfirm(t.Context(), plan, time.Minute)
				require.NoError(t, err)
				require.NoError(t, m.Off(t.Context(), ""))
				time.Sleep(10 * time.Minute) // of the bubble's clock
				synctest.Wait()
				text := kernel.Ruleset()
				assert.NotContains(t, text, "flow add")
				assert.NotContains(t, text, "flowtable")
				have, err := ruleset.Load("", kernel.Dump(t.Context()))
				require.NoError(t, err)
				_, waits := have.Unconfirmed("")
				assert.Equal(t, takenBack, !waits)
				if takenBack {
					back, err := m.Plan(t.Context(), firewall(dropPort(22)))
					require.NoError(t, err)
					assert.True(t, back.Empty(), "%s", back)
				}
			})
		})
	}
}

// Off takes the flowtables for drivers along, and while it lasts no driver is asked.
func TestOffAsksNoDriver(t *testing.T) {
	m, k := onMachine(t, offload.RunConfig{})
	spec := auto(flowtable.HardwareAuto, "hw0", "sw0")
	applySpec(t, m, spec)
	both := map[string]string{"fw": "hw0 sw0", "fw_hw": "hw: hw0"}
	require.Equal(t, both, flowtablesOf(t, k))
	require.NoError(t, m.Off(t.Context(), ""))
	assert.Empty(t, flowtablesOf(t, k))
	k.devices = nil
	other, err := offload.Open(t.Context(), &offload.Config{Kernel: k})
	require.NoError(t, err)
	applySpec(t, other, spec)
	assert.Empty(t, k.devices)
	assert.Empty(t, flowtablesOf(t, k))
	require.NoError(t, other.On(t.Context(), ""))
	applySpec(t, other, spec)
	assert.Equal(t, both, flowtablesOf(t, k))
}

// What follows from the kernel's echoes keeps the mark: a fast path that is off stays so when a live set changes.
func TestOffOutlivesElements(t *testing.T) {
	m, kernel := onFake(t, nil, nil)
	applySpec(t, m, firewall())
	require.NoError(t, m.Off(t.Context(), ""))
	for n := range 2 { // behind the first one all is read again
		_, err := m.AddElements(t.Context(), offload.LiveSet{Table: "fw", Set: "slow"}, fmt.Sprintf("192.0.2.%d", n))
		require.NoError(t, err)
	}
	_, off, err := m.IsOff(t.Context(), "")
	require.NoError(t, err)
	assert.True(t, off)
	applySpec(t, m, firewall())
	have, err := ruleset.Load("", kernel.Dump(t.Context()))
	require.NoError(t, err)
	assert.Empty(t, have.Flowtables())
}
