package offload_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsOracle applies declarations in one namespace and loads their nft text with nft in another: nft must list both the same, and the
// flowtables that are read back raw must be the same too. nft before 1.1.6 hides flowtables with name prefixes, and prints none of theirs.
func TestDocsOracle(t *testing.T) {
	testns.RequireFlowtables(t)
	ours, theirs := scratch(t, "ours"), scratch(t, "nft")
	m := openManager(t, ours)
	for _, c := range oracleSpecs() {
		t.Run(c.name, func(t *testing.T) {
			if c.hardware {
				testns.RequireSimulator(t)
			}
			apply(t, m, c.spec)
			text := nftText(t, m, c.spec)
			require.NoError(t, theirs.NFT(t.Context(), "flush ruleset\n"+text), "nft refuses our text")

			got := flowtables(t, ours)
			require.NotEmpty(t, got)
			assert.Equal(t, flowtables(t, theirs), got)
			list := listing(t, ours)
			assert.Equal(t, strings.Split(listing(t, theirs), "\n"), strings.Split(list, "\n"))
			for _, want := range c.listed {
				assert.Contains(t, list, want)
			}
		})
	}
}

// scratch is a namespace with a few devices.
func scratch(t *testing.T, label string) *testns.Namespace {
	t.Helper()
	ns := testns.NewT(t, label)
	require.NoError(t, ns.IP(t.Context(), "link add lan0 type dummy", "link add lan1 type dummy", "link add wan0 type dummy"))
	return ns
}

// nftText is the declaration as nft text for the Manager's machine.
func nftText(t *testing.T, m *offload.Manager, spec ruleset.Spec) string {
	t.Helper()
	target, err := m.Target(t.Context())
	require.NoError(t, err)
	resolved, err := spec.Resolve(target)
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, resolved.WriteNFT(&b))
	return b.String()
}

// TestDocsWildcards: name prefixes are sent as such where the kernel knows them (6.16). Older kernels get the devices that are there.
func TestDocsWildcards(t *testing.T) {
	testns.RequireFlowtables(t)
	kernel, err := testns.Kernel()
	require.NoError(t, err)
	ns := scratch(t, "wildcards")
	f := accelerate(ruleset.Inet, prefixed())
	apply(t, openManager(t, ns), f)
	list := flowtables(t, ns)
	require.Len(t, list, 1)
	if !kernel.AtLeast(6, 16) {
		assert.Equal(t, names("lan0", "lan1", "wan0"), list[0].Devices)
		assert.Contains(t, listing(t, ns), "devices = { lan0, lan1, wan0 }")
		return
	}
	assert.Equal(t, prefixed().Devices, list[0].Devices)
	assert.Contains(t, listing(t, ns), "devices = { lan*, wan0 }", "is this nft older than 1.1.6?")
}
