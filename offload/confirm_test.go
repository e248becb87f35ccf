package offload_test

import (
	"context"
	"slices"
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

// Within a kernel in memory a goroutine watches, under the test's clock.
func TestConfirmOnFakes(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*testing.T, *offload.Manager, *offloadtest.Kernel, *offload.Pending)
		after     []string // devices of the flowtable at the end
		wait      bool     // for the window's end
	}{
		"the window passes": {func(*testing.T, *offload.Manager, *offloadtest.Kernel, *offload.Pending) {}, []string{"eth0", "eth1"}, true},
		"confirmed": {func(t *testing.T, _ *offload.Manager, _ *offloadtest.Kernel, p *offload.Pending) {
			require.NoError(t, p.Confirm(t.Context()))
		}, []string{"eth1", "eth2"}, true},
		"confirmed by another": {func(t *testing.T, _ *offload.Manager, k *offloadtest.Kernel, _ *offload.Pending) {
			other, err := offload.Open(t.Context(), &offload.Config{Kernel: k})
			require.NoError(t, err)
			require.NoError(t, other.Confirm(t.Context(), ""))
			require.NoError(t, other.Close())
		}, []string{"eth1", "eth2"}, true},
		"taken back": {func(t *testing.T, _ *offload.Manager, _ *offloadtest.Kernel, p *offload.Pending) {
			require.NoError(t, p.Rollback(t.Context()))
		}, []string{"eth0", "eth1"}, false},
		"the kernel refuses twice": {func(_ *testing.T, _ *offload.Manager, k *offloadtest.Kernel, _ *offload.Pending) {
			k.LoseAnswer(false)
			k.LoseAnswer(false)
		}, []string{"eth0", "eth1"}, true},
		"the answer is lost": {func(_ *testing.T, _ *offload.Manager, k *offloadtest.Kernel, _ *offload.Pending) {
			k.LoseAnswer(true)
		}, []string{"eth0", "eth1"}, true},
		"others commit": {func(_ *testing.T, _ *offload.Manager, k *offloadtest.Kernel, _ *offload.Pending) {
			k.ForeignCommit()
		}, []string{"eth0", "eth1"}, true},
		"others delete our table": {func(_ *testing.T, _ *offload.Manager, k *offloadtest.Kernel, _ *offload.Pending) {
			k.ForeignDelete(ruleset.Inet, "fw")
		}, nil, true},
		"another plan is applied": {func(t *testing.T, m *offload.Manager, _ *offloadtest.Kernel, _ *offload.Pending) {
			plan, err := m.Plan(t.Context(), elephants(flowtable.HardwareOff))
			require.NoError(t, err)
			_, err = m.Apply(t.Context(), plan)
			require.NoError(t, err)
			plan, err = m.Plan(t.Context(), &ruleset.Spec{})
			require.NoError(t, err)
			_, err = m.Apply(t.Context(), plan)
			require.NoError(t, err)
		}, nil, true},
	} {
		for _, target := range []*flowtable.Target{offloadtest.Linux61("eth0", "eth1", "eth2"), offloadtest.Linux72("eth0", "eth1", "eth2")} {
			t.Run(name+" on "+target.Kernel.Release, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m, kernel := onFake(t, target, nil)
					kernel.SetSysctl(acct, "0")
					applySpec(t, m, elephants(flowtable.HardwareOff, "eth0", "eth1"))
					plan, err := m.Plan(t.Context(), elephants(flowtable.HardwareOff, "eth1", "eth2"))
					require.NoError(t, err)
					p, err := m.ApplyConfirm(t.Context(), plan, time.Minute)
					require.NoError(t, err)
					_, err = m.ApplyConfirm(t.Context(), plan, time.Minute)
					require.ErrorIs(t, err, offload.ErrUnconfirmed)
					c.meanwhile(t, m, kernel, p)
					if c.wait {
						time.Sleep(10 * time.Minute) // of the bubble's clock
						synctest.Wait()
					}
					assert.Equal(t, c.after, heldDevices(t, kernel))
				})
			})
		}
	}
}

// unreadOnce is a kernel of which the first reading after each commit fails.
type unreadOnce struct{ *offloadtest.Kernel }

func (k unreadOnce) Commit(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error) {
	echoes, err := k.Kernel.Commit(ctx, b)
	k.FailDump(errBroken)
	return echoes, err
}

// A change that could not be read back, and that another process confirms, is watched over until the window's end and no longer: else the
// bubble tells of a goroutine that is left.
func TestWatchOfAnUnreadChangeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := offloadtest.New(t, offloadtest.Linux612("eth0"))
		m, err := offload.Open(t.Context(), &offload.Config{Kernel: unreadOnce{kernel}})
		require.NoError(t, err)
		plan, err := m.Plan(t.Context(), elephants(flowtable.HardwareOff, "eth0"))
		require.NoError(t, err)
		_, err = m.ApplyConfirm(t.Context(), plan, time.Minute)
		require.NoError(t, err)
		other, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel})
		require.NoError(t, err)
		require.NoError(t, other.Confirm(t.Context(), ""))
		time.Sleep(2 * time.Minute) // of the bubble's clock
		assert.Equal(t, []string{"eth0"}, heldDevices(t, kernel))
	})
}

// heldDevices are those of the one flowtable.
func heldDevices(t *testing.T, k *offloadtest.Kernel) (names []string) {
	t.Helper()
	have, err := ruleset.Load("", k.Dump(t.Context()))
	require.NoError(t, err)
	for _, f := range have.Flowtables() {
		for _, d := range f.Devices {
			names = append(names, d.Name)
		}
	}
	slices.Sort(names)
	return names
}
