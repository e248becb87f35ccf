package offloadtest

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// manage opens a Manager on an imitated kernel.
func manage(t *testing.T, target *flowtable.Target) (*Kernel, *offload.Manager) {
	k := New(t, target)
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: k})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return k, m
}

func declare(table string, devices ...string) *ruleset.Spec {
	f := flowtable.Spec{Name: "fast"}
	for _, d := range devices {
		f.Devices = append(f.Devices, flowtable.Selector{Name: d})
	}
	return &ruleset.Spec{Tables: []ruleset.Table{{Name: table, Flowtables: []flowtable.Spec{f}}}}
}

func apply(t *testing.T, m *offload.Manager, spec *ruleset.Spec) error {
	t.Helper()
	plan, err := m.Plan(t.Context(), spec)
	require.NoError(t, err)
	_, err = m.Apply(t.Context(), plan)
	return err
}

func TestForeignCommitsAreFollowed(t *testing.T) {
	k, m := manage(t, Linux72("d0"))
	plan, err := m.Plan(t.Context(), declare("fw", "d0"))
	require.NoError(t, err)
	k.ForeignCommit()
	before := k.Generation()
	after, err := m.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, before+1, after)
	assert.Contains(t, k.Ruleset(), "devices = { d0 }")
}

func TestForeignDeleteIsAConflict(t *testing.T) {
	k, m := manage(t, Linux72("d0", "d1"))
	require.NoError(t, apply(t, m, declare("fw", "d0")))
	plan, err := m.Plan(t.Context(), declare("fw", "d0", "d1"))
	require.NoError(t, err)
	require.True(t, k.ForeignDelete(ruleset.Inet, "fw"))
	_, err = m.Apply(t.Context(), plan)
	require.ErrorIs(t, err, offload.ErrConflict)
	assert.Empty(t, k.Ruleset())
	assert.False(t, k.ForeignDelete(ruleset.Inet, "fw"))
}

func TestLostAnswers(t *testing.T) {
	k, m := manage(t, Linux72("d0"))
	k.LoseAnswer(true)
	require.NoError(t, apply(t, m, declare("fw", "d0")), "what is in force counts")
	assert.Contains(t, k.Ruleset(), "table inet fw")
	held := k.Ruleset()
	k.LoseAnswer(false)
	require.ErrorContains(t, apply(t, m, declare("other", "d0")), "nothing was changed")
	assert.Equal(t, held, k.Ruleset())
}

func TestInjectedErrors(t *testing.T) {
	k, m := manage(t, Linux72("d0"))
	k.FailCommit(offload.ErrSendBuffer)
	require.ErrorIs(t, apply(t, m, declare("fw", "d0")), offload.ErrSendBuffer)
	k.FailCommit(&ruleset.CommitError{Refusals: []ruleset.Refusal{{Message: 1, Errno: 1}}})
	require.ErrorIs(t, apply(t, m, declare("fw", "d0")), fs.ErrPermission)
	broken := errors.New("broken")
	k.FailDump(broken)
	_, err := m.Plan(t.Context(), declare("fw", "d0"))
	require.ErrorIs(t, err, broken)
	plan, err := m.Plan(t.Context(), declare("fw", "d0"))
	require.NoError(t, err)
	k.FailCheck(broken)
	require.ErrorIs(t, m.Check(t.Context(), plan), broken)
	require.NoError(t, m.Check(t.Context(), plan))
	assert.Empty(t, k.Ruleset())
}

// A device that goes away after the plan: kernels before 6.16 refuse, and the Manager says which it is.
func TestDeviceGoneBetweenPlanAndApply(t *testing.T) {
	for _, target := range []*flowtable.Target{Linux61("d0", "d1"), Linux612("d0", "d1"), Linux618("d0", "d1"), Linux72("d0", "d1"), Linux73("d0", "d1")} {
		k, m := manage(t, target)
		plan, err := m.Plan(t.Context(), declare("fw", "d0", "d1"))
		require.NoError(t, err)
		k.DelLink("d1")
		_, err = m.Apply(t.Context(), plan)
		if target.Kernel.ByName {
			require.NoError(t, err)
			assert.Contains(t, k.Ruleset(), "devices = { d0, d1 }")
			continue
		}
		require.ErrorIs(t, err, offload.ErrNoDevice)
		require.ErrorContains(t, err, "d1")
		assert.Empty(t, k.Ruleset())
	}
}

// A dry run switches accounting on, as the kernel does; a Manager switches it back.
func TestAccountingIsSwitchedOn(t *testing.T) {
	k, m := manage(t, Linux72())
	k.SetSysctl(accounting, "0")
	spec := &ruleset.Spec{Tables: []ruleset.Table{{Name: "fw", Chains: []ruleset.Chain{{Name: "c", Rules: []ruleset.Rule{
		ruleset.R(ruleset.CTPackets.AtLeast(20), ruleset.Accept()),
	}}}}}}
	plan, err := m.Plan(t.Context(), spec)
	require.NoError(t, err)
	require.NoError(t, m.Check(t.Context(), plan))
	v, err := k.Sysctl(t.Context(), accounting)
	require.NoError(t, err)
	assert.Equal(t, "0", v)
	batch, err := plan.Batch(nil)
	require.NoError(t, err)
	require.NoError(t, k.Check(t.Context(), batch))
	v, err = k.Sysctl(t.Context(), accounting)
	require.NoError(t, err)
	assert.Equal(t, "1", v)
	_, err = k.Sysctl(t.Context(), "net.nosuch")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// 50,000 elements in a set, in one batch.
func TestLargeBatch(t *testing.T) {
	k, m := manage(t, Linux72())
	spec := &ruleset.Spec{Tables: []ruleset.Table{{Name: "fw", Sets: []ruleset.Set{{Name: "s", Type: ruleset.IPv4Addr}}}}}
	for i := range 50000 {
		spec.Tables[0].Sets[0].Elements = append(spec.Tables[0].Sets[0].Elements, fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
	}
	require.NoError(t, apply(t, m, spec))
	assert.Contains(t, k.Ruleset(), "set s { 50000 elements }")
}

func TestConcurrentUse(t *testing.T) {
	k, m := manage(t, Linux612("d0"))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			k.AddLink(flowtable.Link{Name: fmt.Sprintf("x%d", i)})
			k.ForeignCommit()
			_, err := m.Plan(t.Context(), declare("fw", "d0"))
			assert.NoError(t, err)
			k.DelLink(fmt.Sprintf("x%d", i))
			_ = k.Ruleset()
		}()
	}
	wg.Wait()
}

// A recorder is a TB that notes what is wrong.
type recorder struct {
	said  []string
	after []func()
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...) }
func (r *recorder) Cleanup(f func())                  { r.after = append(r.after, f) }

func TestNewTellsMistakes(t *testing.T) {
	r := &recorder{}
	New(r, Linux72("d0", "d0"))
	require.Len(t, r.said, 1)
	assert.Contains(t, r.said[0], "links[1].name")

	r = &recorder{}
	New(r, nil).FailCommit(errors.New("never met"))
	for _, f := range r.after {
		f()
	}
	require.Len(t, r.said, 1)
	assert.Contains(t, r.said[0], "1 injected faults were never met")
}
