package main

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
)

func TestDeclarationIsValid(t *testing.T) {
	spec := declare("br-lan", "ppp0")
	require.NoError(t, spec.Validate())
	assert.Empty(t, spec.Lint())
}

// TestDevices holds the choice of devices against a machine like the router, without one: ports of the bridge, and what lies under
// the session.
func TestDevices(t *testing.T) {
	machine := &flowtable.Target{Kernel: flowtable.KernelOf("6.12.0"), Links: []flowtable.Link{
		{Index: 1, Name: "br-lan", Kind: "bridge", Up: true},
		{Index: 2, Name: "lan0", Kind: "veth", Master: 1, Up: true},
		{Index: 3, Name: "wan0", Kind: "veth", Up: true},
		{Index: 4, Name: "wan0.7", Kind: "vlan", Parent: 3, Up: true, VLAN: flowtable.VLAN{ID: 7, Protocol: "802.1Q"}},
		{Index: 5, Name: "ppp0", Kind: "ppp", Up: true, PPPoE: flowtable.PPPoE{Device: "wan0.7", Session: 1}},
	}}
	resolved, err := declare("br-lan", "ppp0").Resolve(machine)
	require.NoError(t, err)
	var listed []string
	for _, b := range resolved.Bindings() {
		if b.State.Listed() {
			listed = append(listed, b.Device)
		}
	}
	assert.ElementsMatch(t, []string{"lan0", "wan0"}, listed)
}

// TestRun is the whole story. Where the kernel has no flowtables it ends early and says what to do.
func TestRun(t *testing.T) {
	testns.RequireNamespaces(t)
	testns.CheckLeaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out bytes.Buffer
	result, err := run(ctx, &out)
	if ok, _ := testns.HaveFlowtables(t.Context()); !ok && os.Getenv("FASTPATH_VM") != "1" {
		require.ErrorContains(t, err, "fastpath-vm run ./examples/appliance")
		return
	}
	require.NoError(t, err, "%s", out.String())
	assert.Equal(t, tally{flows: 5, fast: 4, slow: 1}, result, "%s", out.String())
	for _, text := range []string{"flowchart", "ppp0 -> wan0.7 -> wan0", "br-lan", "lan0"} {
		assert.Contains(t, out.String(), text)
	}
}
