package offload_test

import (
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestOwnedTableGoesSilently: the kernel deletes a table with `flags owner` together with its socket, and the generation stands. A Manager
// that read the ruleset before knows it even so.
func TestOwnedTableGoesSilently(t *testing.T) {
	testns.RequireNamespaces(t)
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "owned")
	owner := exec.Command("nft", "-i")
	in, err := owner.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, ns.Start(owner))
	t.Cleanup(func() { in.Close(); _ = owner.Wait() })
	_, err = io.WriteString(in, "add table inet fw { flags owner; }\n")
	require.NoError(t, err)
	there := func(is bool) {
		t.Helper()
		require.NoError(t, testns.Poll(t.Context(), 10*time.Millisecond, func() (bool, error) {
			text, err := ns.Ruleset(t.Context())
			return strings.Contains(text, "table inet fw") == is, err
		}))
	}
	there(true)
	m := openManager(t, ns)
	spec := &ruleset.Spec{Tables: []ruleset.Table{{Name: "fw", Chains: []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward}}}}}
	_, err = m.Plan(t.Context(), spec)
	require.ErrorIs(t, err, offload.ErrForeign)
	assertHeld(t, ns, err)
	adopting, err := offload.Open(t.Context(), &offload.Config{NetNS: ns.Path(), Adopt: true})
	require.NoError(t, err)
	defer adopting.Close()
	_, err = adopting.Plan(t.Context(), spec)
	require.ErrorIs(t, err, offload.ErrForeign, "nobody can adopt it")
	assertHeld(t, ns, err)
	require.NoError(t, in.Close())
	there(false)
	plan, err := m.Plan(t.Context(), spec)
	require.NoError(t, err)
	_, err = m.Apply(t.Context(), plan)
	assert.NoError(t, err)
}

// assertHeld: what an error advises against a table of another's socket is what helps.
func assertHeld(t *testing.T, ns *testns.Namespace, err error) {
	t.Helper()
	require.ErrorContains(t, err, "flags owner")
	require.ErrorContains(t, err, "end that program")
	assert.NotContains(t, err.Error(), "nft delete table", "which the kernel refuses")
	assert.ErrorContains(t, err, "`nft list table inet fw` names the program, `nft list tables` does not")
	for args, shows := range map[string]bool{"list table inet fw": true, "list tables": false} {
		text, err := ns.Run(t.Context(), "", "nft", strings.Fields(args)...)
		require.NoError(t, err)
		assert.Equal(t, shows, strings.Contains(text, "owner"), "nft %s: %s", args, text)
	}
	_, err = ns.Run(t.Context(), "", "nft", "delete", "table", "inet", "fw")
	assert.Error(t, err)
}
