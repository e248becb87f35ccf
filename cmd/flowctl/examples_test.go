package main

import (
	"bytes"
	"embed"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/ruleset"
)

// The example specs, in the test binary: it also runs where the source is not.
//
//go:embed *.json
var examples embed.FS

// eachExample runs a test for each example spec.
func eachExample(t *testing.T, test func(t *testing.T, text string)) {
	names, err := fs.Glob(examples, "*.json")
	require.NoError(t, err)
	require.Greater(t, len(names), 5)
	for _, name := range names {
		text, err := examples.ReadFile(name)
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) { test(t, string(text)) })
	}
}

func TestExamplesAreValid(t *testing.T) {
	eachExample(t, func(t *testing.T, text string) {
		spec, err := ruleset.Parse(bytes.NewReader([]byte(text)))
		require.NoError(t, err)
		require.NoError(t, spec.Validate())
		r := flowctl(text, "check", "-")
		r.assertDone(t)
		assert.Contains(t, r.out, "valid: ")
	})
}

func TestExamplesRender(t *testing.T) {
	eachExample(t, func(t *testing.T, text string) {
		r := flowctl(text, "render", "-")
		r.assertDone(t)
		assert.Contains(t, r.out, "table ")
		assert.Equal(t, r, flowctl(text, "render", "-"), "rendered twice")
	})
}

// A target decides which devices are listed, and no kernel is asked.
func TestRenderForATarget(t *testing.T) {
	spec := withFlowtable(`"devices":[{"name":"lan0"},{"name":"wan0"}]`)
	old := writeFile(t, `{"kernel":{"release":"6.1.0"},"links":[{"name":"lan0"}]}`)
	r := flowctl(spec, "render", "--target", old, "-")
	r.assertDone(t)
	assert.Contains(t, r.out, `devices = { "lan0" };`, "a kernel of before 6.16 refuses missing devices")
	r = flowctl(spec, "render", "-")
	r.assertDone(t)
	assert.Contains(t, r.out, `devices = { "lan0", "wan0" };`, "nothing is known of the machine")
}
