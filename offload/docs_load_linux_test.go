package offload_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/kernel"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// load reads back what the kernel holds in a namespace, without nft.
func load(t *testing.T, ns *testns.Namespace) *ruleset.Loaded {
	t.Helper()
	k, err := kernel.Open(ns.Path())
	require.NoError(t, err)
	defer k.Close()
	loaded, err := ruleset.Load("", k.Dump(t.Context()))
	require.NoError(t, err)
	return loaded
}

// flowtables are those of a namespace, read back raw, with their devices in order. Handles are left out: they count all objects that a
// table ever had.
func flowtables(t *testing.T, ns *testns.Namespace) []ruleset.LoadedFlowtable {
	t.Helper()
	list := load(t, ns).Flowtables()
	for i := range list {
		require.NotZero(t, list[i].Handle)
		list[i].Handle = 0
		slices.SortFunc(list[i].Devices, func(a, b flowtable.Selector) int { return strings.Compare(a.String(), b.String()) })
	}
	return list
}

// listing is the ruleset as nft prints it, without the quotes around devices that nft 1.1.4 began to print.
func listing(t *testing.T, ns *testns.Namespace) string {
	t.Helper()
	text, err := ns.Ruleset(t.Context())
	require.NoError(t, err)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.Contains(line, "devices = ") {
			lines[i] = strings.ReplaceAll(line, `"`, "")
		}
	}
	return strings.Join(lines, "\n")
}
