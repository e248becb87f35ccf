package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// selfIsFlowctl makes the watchdog that a test starts be flowctl.
func selfIsFlowctl(t *testing.T) { t.Setenv(asFlowctl, "1") }

func TestApplyConfirm(t *testing.T) {
	selfIsFlowctl(t)
	ns := namespaceWithRules(t)
	r := flowctl(plainSpec, "apply", "--confirm", "40s", "--netns", ns.Name(), "-")
	r.assertDone(t)
	assert.Contains(t, r.out, "unless you confirm: flowctl confirm --netns "+ns.Name()+"\n")
	assert.Contains(t, r.out, "applied, generation ")
	flowctl(countingSpec, "apply", "--confirm", "40s", "--netns", ns.Name(), "-").assertRefused(t, exitFailed, "waits for its confirmation")

	r = flowctl("", "confirm", "--netns", ns.Name())
	r.assertDone(t)
	assert.Equal(t, "confirmed\n", r.out)
	assert.NotContains(t, listRuleset(t, ns), "unconfirmed")
	r = flowctl("", "confirm", "--netns", ns.Name())
	r.assertRefused(t, exitFailed, "no such change waits")
	assert.Equal(t, 1, strings.Count(r.err, "waits"), "it is said once: %s", r.err)
	r = flowctl(plainSpec, "apply", "--confirm", "1s", "--netns", ns.Name(), "-")
	r.assertDone(t)
	assert.NotContains(t, r.out, "taken back")
	assert.Contains(t, r.out, "nothing had to be done")
}

func TestApplyUnconfirmed(t *testing.T) {
	selfIsFlowctl(t)
	ns := namespaceWithRules(t)
	before := listRuleset(t, ns)
	flowctl(plainSpec, "apply", "--confirm", "1s", "--netns", ns.Name(), "-").assertDone(t)
	require.NoError(t, testns.Poll(t.Context(), 20*time.Millisecond, func() (bool, error) {
		return listRuleset(t, ns) == before, nil
	}))
	flowctl("", "confirm", "--netns", ns.Name()).assertRefused(t, exitFailed, "no such change waits")
	flowctl("", "watchdog").assertRefused(t, exitFailed, "ApplyConfirm")
}

func TestUninstall(t *testing.T) {
	ns := namespaceWithRules(t)
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_acct", "0"))
	before := listRuleset(t, ns)
	flowctl(countingSpec, "apply", "--netns", ns.Name(), "-").assertDone(t)
	r := flowctl("", "uninstall", "--netns", ns.Name())
	r.assertDone(t)
	assert.Contains(t, r.out, "delete table inet ")
	assert.Contains(t, r.out, "put back: "+"net.netfilter.nf_conntrack_acct"+" to 0\n")
	assert.Equal(t, before, listRuleset(t, ns))
	flowctl("", "uninstall", "--netns", ns.Name()).assertRefused(t, exitFailed, "no owner has anything")
}

func TestAdopt(t *testing.T) {
	ns := testns.NewNamedT(t, "adopt")
	require.NoError(t, ns.NFT(t.Context(), "add table inet plain; add chain inet plain theirs"))
	flowctl(plainSpec, "apply", "--netns", ns.Name(), "-").assertRefused(t, exitFailed, "belongs to someone else")
	r := flowctl(plainSpec, "plan", "--adopt", "--netns", ns.Name(), "-")
	r.assertDone(t)
	assert.Contains(t, r.out, "# it is adopted")
	flowctl(plainSpec, "apply", "--adopt", "--netns", ns.Name(), "-").assertDone(t)
	assert.NotContains(t, listRuleset(t, ns), "theirs")
}
