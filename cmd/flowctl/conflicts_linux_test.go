package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestConflicts: a rule that someone else put into our table is told of by check and status, warned of by apply, and refused on request.
func TestConflicts(t *testing.T) {
	ns := testns.NewNamedT(t, "conflicts")
	in := func(args ...string) []string { return append(args, "--netns", ns.Name(), "-") }
	flowctl(plainSpec, in("apply")...).assertDone(t)
	quiet := flowctl(plainSpec, in("check", "--kernel")...)
	quiet.assertDone(t)
	assert.NotContains(t, quiet.out, "conflict")
	assert.NotContains(t, quiet.out, "quirk", "it has no flowtables")

	require.NoError(t, ns.NFT(t.Context(), "add rule inet plain in ip daddr 192.0.2.1 accept"))
	before := listRuleset(t, ns)
	for _, args := range [][]string{{"check", "--kernel"}, {"status"}} {
		r := flowctl(plainSpec, in(args...)...)
		r.assertDone(t)
		assert.Contains(t, r.out, "conflict other-writer: ", args)
	}
	flowctl(plainSpec, in("apply", "--conflicts", "refuse")...).assertRefused(t, exitFailed, "other-writer", "nothing was changed")
	flowctl(plainSpec, in("apply", "--conflicts", "perhaps")...).assertRefused(t, exitUsage, "--conflicts", "perhaps")
	assert.Equal(t, before, listRuleset(t, ns))
	planned := flowctl(plainSpec, in("plan", "--conflicts", "ignore")...)
	planned.assertDone(t)
	assert.NotContains(t, planned.out, "warning")
	r := flowctl(plainSpec, in("apply")...)
	r.assertDone(t)
	assert.Contains(t, r.out, "warning: ")
	assert.NotContains(t, listRuleset(t, ns), "192.0.2.1")
}

// TestQuirks: a kernel's quirks are told where its facts are, and where a flowtable is checked against it.
func TestQuirks(t *testing.T) {
	testns.RequireFlowtables(t)
	ns := testns.NewNamedT(t, "quirks")
	r := flowctl("", "probe", "--netns", ns.Name())
	r.assertDone(t)
	assert.Regexp(t, `(?m)^quirk [a-z-]+ \(.+\): .+; .+$`, r.out)
	r = flowctl(withFlowtable(`"devices":[]`), "check", "--kernel", "--netns", ns.Name(), "-")
	r.assertDone(t)
	assert.Contains(t, r.out, "\nquirk ")
}
