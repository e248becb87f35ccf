package testns

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFeature(t *testing.T) {
	RequireNamespaces(t)
	ns := NewT(t, "feature")
	require.NoError(t, ns.IP(t.Context(), "link add d0 type veth peer name d1"))
	const name = "tx-generic-segmentation"
	f, err := ns.Feature("d0", name)
	require.NoError(t, err)
	assert.Equal(t, Feature{On: true}, f)

	require.NoError(t, ns.SetFeature("d0", name, false))
	f, err = ns.Feature("d0", name)
	require.NoError(t, err)
	assert.Equal(t, Feature{}, f)

	f, err = ns.Feature("d0", "hw-tc-offload")
	require.NoError(t, err)
	assert.Equal(t, Feature{Fixed: true}, f)
	_, err = ns.Feature("nobody", name)
	require.Error(t, err)
	_, err = ns.Feature("d0", "warp-drive")
	require.ErrorContains(t, err, "warp-drive")
}
