package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// imageFile writes the image of a table with a chain, and with a flowtable if devices are named.
func imageFile(t *testing.T, devices ...string) string {
	t.Helper()
	table := ruleset.Table{Name: "t", Chains: []ruleset.Chain{{Name: "c", Hook: ruleset.Forward}}}
	if devices != nil {
		f := flowtable.Spec{Name: "fast"}
		for _, d := range devices {
			f.Devices = append(f.Devices, flowtable.Selector{Name: d})
		}
		table.Flowtables = []flowtable.Spec{f}
		table.Chains[0].Rules = []ruleset.Rule{ruleset.R(ruleset.L4Proto.Is(ruleset.TCP), ruleset.FlowAdd("fast"))}
	}
	r, err := (&ruleset.Spec{Tables: []ruleset.Table{table}}).Resolve(nil)
	require.NoError(t, err)
	image, err := r.Image(nil)
	require.NoError(t, err)
	return writeFile(t, image)
}

func writeFile(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(name, data, 0o644))
	return name
}

// loader runs the program inside a namespace.
func loader(t *testing.T, ns *testns.Namespace, args ...string) (status int, said string) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, ns.Do(func() error {
		status = run(args, &out)
		return nil
	}))
	return status, out.String()
}

func TestLoader(t *testing.T) {
	ns := testns.NewT(t, "loader")
	for range 2 {
		status, said := loader(t, ns, imageFile(t))
		require.Equal(t, exitDone, status, said)
		assert.Empty(t, said)
	}
	text, err := ns.Ruleset(t.Context())
	require.NoError(t, err)
	assert.Contains(t, text, "managed by fastpath")
}

func TestLoaderRefuses(t *testing.T) {
	ns := testns.NewT(t, "refuses")
	good, err := os.ReadFile(imageFile(t))
	require.NoError(t, err)
	for _, test := range []struct {
		args   []string
		status int
		says   string
	}{
		{nil, exitUsage, "usage: loader IMAGE"},
		{[]string{"-h"}, exitUsage, "usage: loader IMAGE"},
		{[]string{""}, exitUsage, "usage: loader IMAGE"},
		{[]string{"nowhere"}, exitFailed, "nowhere"},
		{[]string{writeFile(t, nil)}, exitFailed, "no image"},
		{[]string{writeFile(t, append(good, 0))}, exitFailed, "bytes"},
		{[]string{writeFile(t, good[:90]), "lan0"}, exitFailed, "bytes"},
	} {
		status, said := loader(t, ns, test.args...)
		assert.Equal(t, test.status, status, test.args)
		assert.Contains(t, said, test.says)
	}
	text, err := ns.Ruleset(t.Context())
	require.NoError(t, err)
	assert.Empty(t, text)
}

// TestLoaderDevices: a missing device is named and left out, and added when it has appeared.
func TestLoaderDevices(t *testing.T) {
	testns.RequireFlowtables(t)
	k, err := testns.Kernel()
	require.NoError(t, err)
	ns := testns.NewT(t, "devices")
	require.NoError(t, ns.IP(t.Context(), "link add lan0 type veth peer name wan0"))
	image := imageFile(t, "lan0", "late0", "wan0")
	status, said := loader(t, ns, image)
	assert.Equal(t, exitDone, status)
	if !k.AtLeast(6, 16) {
		assert.Contains(t, said, "loader: left out device late0 of flowtable inet t fast: ")
		assert.Contains(t, said, "no such file or directory")
	}
	require.NoError(t, ns.IP(t.Context(), "link add late0 type dummy"))
	status, said = loader(t, ns, image, "late0", "lan0")
	assert.Equal(t, exitDone, status)
	assert.Empty(t, said)
	text, err := ns.Ruleset(t.Context())
	require.NoError(t, err)
	for _, device := range []string{"lan0", "late0", "wan0"} {
		assert.Contains(t, text, device)
	}
}
