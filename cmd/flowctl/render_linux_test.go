package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset/replay"
)

// TestWaysOfTheExamples takes every example to the kernel in five ways: apply, nft with each text form, nft with JSON where that
// can say it, and the bytes of the batch. nft lists the same each time.
func TestWaysOfTheExamples(t *testing.T) {
	testns.RequireNamespaces(t)
	flowtables, reason := testns.HaveFlowtables(t.Context())
	require.True(t, flowtables || os.Getenv("FASTPATH_VM") == "", reason)
	eachExample(t, func(t *testing.T, text string) {
		if !flowtables && strings.Contains(text, `"flowtables"`) {
			t.Skip("needs a kernel with flowtables: make test")
		}
		if hasHardware(text) {
			testns.RequireSimulator(t)
		}
		applied := exampleNamespace(t, text)
		flowctl(text, "apply", "--netns", applied.Path(), "-").assertDone(t)
		want := listRuleset(t, applied)
		require.Contains(t, want, "chain ")
		probed := flowctl("", "probe", "--json", "--netns", exampleNamespace(t, text).Path())
		probed.assertDone(t)
		target := writeFile(t, probed.out)
		for _, form := range []string{"nft", "commands", "json", "batch"} {
			rendered := flowctl(text, "render", "--format", form, "--target", target, "-")
			if form == "json" && strings.Contains(text, `"flowtables"`) {
				rendered.assertRefused(t, exitFailed, "nft's JSON cannot say it")
				continue
			}
			rendered.assertDone(t)
			ns := exampleNamespace(t, text)
			load(t, ns, form, rendered.out)
			got, want := listRuleset(t, ns), want
			if form == "json" && !strings.Contains(got, "comment \"managed by ") { // nft before 1.0.8 reads past it
				want = withoutMarks(want)
			}
			assert.Equal(t, want, got, form)
		}
	})
}

// exampleNamespace has the devices that a spec's flowtables name.
func exampleNamespace(t *testing.T, text string) *testns.Namespace {
	t.Helper()
	ns := testns.NewT(t, "example")
	makeDevices(t, ns, text)
	return ns
}

// load puts what render printed into the kernel.
func load(t *testing.T, ns *testns.Namespace, form, text string) {
	t.Helper()
	switch form {
	case "batch":
		require.NoError(t, ns.Do(func() error { return replay.Send([]byte(text)) }))
	case "json":
		_, err := ns.Run(t.Context(), text, "nft", "-j", "-f", "-")
		require.NoError(t, err)
	default:
		require.NoError(t, ns.NFT(t.Context(), text))
	}
}

// withoutMarks drops the comments of tables from a listing.
func withoutMarks(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "\tcomment ") {
			out.WriteString(line)
		}
	}
	return out.String()
}
