package offload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestAutoDivided: of a flowtable of three devices, flows between the two that accept are carried by the driver. When one does not
// any more, new flows take the fast path in software, and the declared flowtable keeps its handle all along.
func TestAutoDivided(t *testing.T) {
	needSimulator(t)
	l := newLab(t, nil)
	require.NoError(t, l.NS.IP(t.Context(), "link add hwno9 type dummy", "link set hwno9 up"))
	spec := l.policed([]ruleset.Policy{{Flowtable: "fast"}})
	f := &spec.Tables[0].Flowtables[0]
	f.Hardware = flowtable.HardwareAuto
	f.Devices = append(f.Devices, flowtable.Selector{Name: "hwno9"})

	assert.NotEmpty(t, l.applyAnswers(t, &spec, l.LANDevice, l.WANDevice))
	handles := flowtableHandles(t, l.NS)
	require.Len(t, handles, 2)
	for _, network := range []string{"tcp", "udp"} {
		l.dialHardware(t, network, testns.IPv4)
	}
	assert.Len(t, l.applyAnswers(t, &spec, l.WANDevice), 3, "a device and two rules")
	assert.Equal(t, handles, flowtableHandles(t, l.NS))
	l.dialFast(t, "tcp", testns.IPv6)

	assert.NotEmpty(t, l.applyAnswers(t, &spec))
	assert.Len(t, flowtableHandles(t, l.NS), 1)
	assert.Equal(t, handles["accel"], flowtableHandles(t, l.NS)["accel"])
	l.dialFast(t, "udp", testns.IPv4)
}

// applyAnswers applies a Spec as if the drivers of the given devices accepted, and no others, and gives the operations.
func (l *lab) applyAnswers(t *testing.T, spec *ruleset.Spec, accepting ...string) []ruleset.Operation {
	t.Helper()
	target, err := l.manager.Target(t.Context())
	require.NoError(t, err)
	target.Hardware = nil
	for _, d := range accepting {
		target.Hardware = append(target.Hardware, flowtable.Answer{Device: d, Result: flowtable.Accepted})
	}
	want, err := spec.Resolve(target)
	require.NoError(t, err)
	plan, err := ruleset.Diff(load(t, l.NS), want)
	require.NoError(t, err)
	_, err = l.manager.Apply(t.Context(), plan)
	require.NoError(t, err, "%v", plan)
	return plan.Operations()
}

// flowtableHandles are those of a namespace, by table.
func flowtableHandles(t *testing.T, ns *testns.Namespace) map[string]uint64 {
	t.Helper()
	handles := map[string]uint64{}
	for _, f := range load(t, ns).Flowtables() {
		handles[f.Table] = f.Handle
	}
	return handles
}
