package offload

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
)

// While the generation stands, rules and sets are read once, whoever plans.
func TestUnchangedGenerationIsNotReadAgain(t *testing.T) {
	kernel := fakeMachine()
	kernel.target.Kernel = flowtable.KernelOf("6.16")
	kernel.tables, kernel.flowtables = []string{"fw fastpath"}, [][2]string{{"fw", "fast"}}
	m := openFake(t, kernel)
	for range 3 {
		_, err := m.Plan(testContext(t), fwSpec(devices("eth0")))
		require.NoError(t, err)
	}
	assert.Equal(t, 1, kernel.dumped)
	assert.Zero(t, kernel.swept, "since Linux 6.16 flowtables keep what was declared")

	kernel.generation++
	plan, err := m.Plan(testContext(t), fwSpec(devices("eth0")))
	require.NoError(t, err)
	assert.Equal(t, 2, kernel.dumped)
	assert.Equal(t, kernel.generation, plan.Generation())
}

// Another owner's tables are read anew, and so is everything after an error.
func TestMemoryIsOneOwners(t *testing.T) {
	kernel := fakeMachine()
	m := openFake(t, kernel)
	other := fwSpec(devices("eth0"))
	other.Owner = "someone"
	for _, spec := range []int{0, 1, 1, 0} {
		s := fwSpec(devices("eth0"))
		if spec == 1 {
			s = other
		}
		plan, err := m.Plan(testContext(t), s)
		require.NoError(t, err)
		require.False(t, plan.Empty())
	}
	assert.Equal(t, 3, kernel.dumped)

	kernel.dumpError = errors.New("no luck")
	_, err := m.Plan(testContext(t), fwSpec(devices("eth0")))
	require.ErrorContains(t, err, "no luck")
	kernel.dumpError = nil
	_, err = m.Plan(testContext(t), fwSpec(devices("eth0")))
	require.NoError(t, err)
}

// Before Linux 6.16 a vanished device leaves its flowtable in silence: flowtables are read each time, the rest is not.
func TestFlowtablesAreReadAgainBeforeByName(t *testing.T) {
	kernel := fakeMachine()
	kernel.tables, kernel.flowtables = []string{"fw fastpath"}, [][2]string{{"fw", "fast"}}
	m := openFake(t, kernel)
	for range 3 {
		_, err := m.Target(testContext(t))
		require.NoError(t, err)
		have, err := m.load(testContext(t), "")
		require.NoError(t, err)
		require.Len(t, have.Flowtables(), len(kernel.flowtables))
		kernel.flowtables = kernel.flowtables[:0]
	}
	assert.Equal(t, 1, kernel.dumped)
	assert.Equal(t, 1, kernel.swept, "none are left that could lose a device")
}
