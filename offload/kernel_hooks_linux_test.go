package offload

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestKernelHooksOfDevices: a bound device is seen in the kernel's hooks as far as the kernel tells them, and another's flowtable at the
// device is taken for ours only where the kernel does not say whose it is.
func TestKernelHooksOfDevices(t *testing.T) {
	testns.RequireFlowtables(t)
	ns, m := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add lan0 type dummy", "link add wan0 type dummy"))
	spec := fwSpec(devices("lan0", "wan0"))
	plan, err := m.Plan(ctx, spec)
	require.NoError(t, err)
	_, err = m.Apply(ctx, plan)
	require.NoError(t, err)
	status := &Status{Owner: ruleset.DefaultOwner}
	for _, b := range plan.Bindings() {
		status.Devices = append(status.Devices, DeviceStatus{Binding: b})
	}
	release, err := testns.Kernel()
	require.NoError(t, err)
	want := HookUntold // Debian leaves the hook dump out of 6.1, and of 6.16 to 6.19
	switch {
	case release.AtLeast(7, 0):
		want = HookSeen
	case release.AtLeast(6, 12) && !release.AtLeast(6, 16):
		want = HookLikely
	}
	hooks := func() (states []HookState) {
		t.Helper()
		seen, err := m.WithHooks(ctx, status)
		require.NoError(t, err)
		for _, d := range seen.Devices {
			t.Logf("%s is %s: %s", d.Device, d.Hook, d.HookWhy)
			states = append(states, d.Hook)
		}
		assert.Equal(t, want == HookUntold, strings.Contains(seen.String(), "hook: not told by this kernel: "), "%s", seen)
		return states
	}
	assert.Equal(t, []HookState{want, want}, hooks())

	require.NoError(t, ns.NFT(ctx, "table inet others { flowtable fast { hook ingress priority 0; devices = { lan0 }; }; }"))
	assert.Equal(t, []HookState{want, want}, hooks(), "both are there")
	require.NoError(t, ns.IP(ctx, "link del wan0"))
	gone := HookNotAsked
	if want == HookUntold && release.AtLeast(6, 16) { // the flowtable keeps the name, and nothing tells that the device went
		gone = HookUntold
	}
	assert.Equal(t, []HookState{want, gone}, hooks(), "it went")
}
