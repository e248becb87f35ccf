package offload_test

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// hookStates are what WithHooks says of each device.
func hookStates(t *testing.T, r *running) map[string]offload.HookState {
	t.Helper()
	s, err := r.m.WithHooks(t.Context(), r.status())
	require.NoError(t, err)
	states := map[string]offload.HookState{}
	for _, d := range s.Devices {
		states[d.Device] = d.Hook
		assert.Equal(t, d.Hook == offload.HookNotAsked, d.HookWhy == "", "%+v", d)
	}
	return states
}

// A kernel that names flowtables in its hooks was seen to call them, one that does not probably does.
func TestHooksOfBoundDevices(t *testing.T) {
	for state, target := range map[offload.HookState]*flowtable.Target{
		offload.HookSeen: offloadtest.Linux618("lan0", "wan0"), offload.HookLikely: offloadtest.Linux612("lan0", "wan0"),
	} {
		inBubble(t, target, offload.RunConfig{}, fast("lan0", "wan0", "wan7"), func(t *testing.T, r *running) {
			want := map[string]offload.HookState{"lan0": state, "wan0": state, "wan7": offload.HookNotAsked}
			assert.Equal(t, want, hookStates(t, r))
			assert.Empty(t, r.status().Devices[0].Hook, "Run does not ask")

			r.kernel.Unhook("wan0")
			want["wan0"] = offload.HookMissing
			assert.Equal(t, want, hookStates(t, r))
			s, err := r.m.WithHooks(t.Context(), r.status())
			require.NoError(t, err)
			text := s.String()
			assert.Contains(t, text, "bound, NOT HOOKED")
			assert.Contains(t, text, "hook: flowtable inet fw fast lists wan0, but the kernel has no hook of it there")
			assert.Contains(t, text, "Next: have it bound anew")
		})
	}
}

// A prefix is hooked if every device that it stands for is; another owner's flowtable there is not ours.
func TestHooksOfPrefix(t *testing.T) {
	inBubble(t, offloadtest.Linux72("wan0", "wan1", "lan0"), offload.RunConfig{}, fast("wan*", "lan0"), func(t *testing.T, r *running) {
		require.Equal(t, map[string]offload.HookState{"wan*": offload.HookSeen, "lan0": offload.HookSeen}, hookStates(t, r))
		r.kernel.Unhook("wan1")
		assert.Equal(t, map[string]offload.HookState{"wan*": offload.HookMissing, "lan0": offload.HookSeen}, hookStates(t, r))
	})
}

// hookless is a Kernel that answers for hooks as it is told.
type hookless struct {
	*offloadtest.Kernel
	answer func(devices []string) ([]offload.DeviceHooks, error)
	asked  [][]string
}

func (k *hookless) Hooks(_ context.Context, devices []string) ([]offload.DeviceHooks, error) {
	k.asked = append(k.asked, devices)
	return k.answer(devices)
}

// What the kernel does not tell is said so, and is no error; others' hooks are no evidence.
func TestHooksUntold(t *testing.T) {
	for name, c := range map[string]struct {
		hooks []offload.Hook
		err   error
		want  offload.HookState
		why   string
	}{
		"no hook dump":         {nil, errors.ErrUnsupported, offload.HookUntold, "not told by this kernel: it has no hook dump"},
		"nameless":             {[]offload.Hook{{Priority: 0}}, nil, offload.HookUntold, "CONFIG_KALLSYMS"},
		"of another priority":  {[]offload.Hook{{Family: ruleset.Inet, Priority: 3}}, nil, offload.HookMissing, "no hook of it"},
		"of another family":    {[]offload.Hook{{Family: ruleset.IP}}, nil, offload.HookMissing, "no hook of it"},
		"of another table":     {[]offload.Hook{{Family: ruleset.Inet, Table: "other", Flowtable: "fast"}}, nil, offload.HookMissing, "no hook of it"},
		"of another flowtable": {[]offload.Hook{{Family: ruleset.Inet, Table: "fw", Flowtable: "slow"}}, nil, offload.HookMissing, "no hook of it"},
		"beside others": {[]offload.Hook{{Family: ruleset.Inet}, {Family: ruleset.Inet, Table: "fw", Flowtable: "fast"}}, nil,
			offload.HookSeen, "name flowtable inet fw fast"},
	} {
		t.Run(name, func(t *testing.T) {
			k := &hookless{Kernel: offloadtest.New(t, offloadtest.Linux72("lan0", "wan0"))}
			k.answer = func(devices []string) (list []offload.DeviceHooks, err error) {
				for _, d := range devices {
					list = append(list, offload.DeviceHooks{Device: d, There: true, Hooks: c.hooks})
				}
				return list, c.err
			}
			s := withHooks(t, k)
			for _, d := range s.Devices {
				assert.Equal(t, c.want, d.Hook)
				assert.Contains(t, d.HookWhy, c.why)
			}
			times := 1
			if c.want == offload.HookMissing {
				times = 2 // looked at once more
			}
			require.Len(t, k.asked, times)
			assert.Equal(t, []string{"lan0", "wan0"}, k.asked[0], "each device once")
		})
	}
}

// withHooks applies a flowtable of lan0 and wan0, and asks for hooks.
func withHooks(t *testing.T, k offload.Kernel) *offload.Status {
	t.Helper()
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: k})
	require.NoError(t, err)
	defer m.Close()
	plan, err := m.Plan(t.Context(), fast("lan0", "wan0"))
	require.NoError(t, err)
	_, err = m.Apply(t.Context(), plan)
	require.NoError(t, err)
	s := &offload.Status{Owner: ruleset.DefaultOwner}
	for _, b := range plan.Bindings() {
		s.Devices = append(s.Devices, offload.DeviceStatus{Binding: b})
	}
	with, err := m.WithHooks(t.Context(), s)
	require.NoError(t, err)
	assert.Empty(t, s.Devices[0].Hook, "it is a copy")
	return with
}

// A hook that comes a moment after its device is not missed, and other errors are errors.
func TestHooksAgain(t *testing.T) {
	k := &hookless{Kernel: offloadtest.New(t, offloadtest.Linux72("lan0", "wan0"))}
	k.answer = func(devices []string) ([]offload.DeviceHooks, error) {
		if len(k.asked) == 1 {
			return []offload.DeviceHooks{{Device: "lan0", There: true}, {Device: "wan0", There: true}}, nil
		}
		return k.Kernel.Hooks(t.Context(), devices)
	}
	for _, d := range withHooks(t, k).Devices {
		assert.Equal(t, offload.HookSeen, d.Hook)
	}
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: k})
	require.NoError(t, err)
	defer m.Close()
	_, err = m.WithHooks(t.Context(), nil)
	require.ErrorContains(t, err, "no Status")
	k.answer = func([]string) ([]offload.DeviceHooks, error) { return nil, syscall.EPERM }
	_, err = m.WithHooks(t.Context(), &offload.Status{Owner: ruleset.DefaultOwner, Devices: []offload.DeviceStatus{{
		Binding: flowtable.Binding{Flowtable: "fast", Device: "lan0", State: flowtable.Bound},
	}}})
	assert.ErrorIs(t, err, fs.ErrPermission)
}

// What an earlier look said of a device is not kept.
func TestHooksAreJudgedAnew(t *testing.T) {
	inBubble(t, offloadtest.Linux618("lan0", "wan0"), offload.RunConfig{}, fast("lan0", "wan0"), func(t *testing.T, r *running) {
		s, err := r.m.WithHooks(t.Context(), r.status())
		require.NoError(t, err)
		s.Devices[0].Hook, s.Devices[0].HookWhy = offload.HookMissing, "it was"
		s, err = r.m.WithHooks(t.Context(), s)
		require.NoError(t, err)
		assert.Equal(t, offload.HookSeen, s.Devices[0].Hook)
		assert.NotContains(t, s.Devices[0].HookWhy, "it was")
	})
}
