package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// countingSpec makes the kernel count, in a dry run too.
const countingSpec = `{"tables":[{"name":"elephants","chains":[
	{"name":"c","hook":"forward","rules":[{"do":[{"match":{"field":"ct packets","atLeast":20}},{"counter":{}}]}]}]}]}`

// check --kernel asks the kernel and leaves everything as it was.
func TestCheckKernel(t *testing.T) {
	ns := namespaceWithRules(t)
	const acct = "net.netfilter.nf_conntrack_acct"
	require.NoError(t, ns.SetSysctl(acct, "0"))
	before := listRuleset(t, ns)
	r := flowctl(countingSpec, "check", "--kernel", "--netns", ns.Name(), "-")
	r.assertDone(t)
	assert.Contains(t, r.out, "the kernel takes it: 3 operations")
	assert.Contains(t, r.out, "put back: "+acct+" to 0")
	assert.Contains(t, r.out, "valid: 1 table")
	value, err := ns.Sysctl(acct)
	require.NoError(t, err)
	assert.Equal(t, "0", value)

	flowctl(refusedSpec, "check", "--kernel", "--netns", ns.Name(), "-").assertRefused(t, exitFailed, "nosuch")
	flowctl(refusedSpec, "check", "-").assertDone(t)
	flowctl(plainSpec, "check", "--netns", ns.Name(), "-").assertRefused(t, exitUsage, "--kernel")
	assert.Equal(t, before, listRuleset(t, ns))
}

// plan --exit-code tells changes from none.
func TestPlanExitCode(t *testing.T) {
	ns := namespaceWithRules(t)
	args := []string{"plan", "--exit-code", "--netns", ns.Name(), "-"}
	r := flowctl(plainSpec, args...)
	assert.Equal(t, exitPending, r.status)
	assert.Contains(t, r.out, "create table inet plain")
	assert.Empty(t, r.err)
	flowctl(plainSpec, "plan", "--netns", ns.Name(), "-").assertDone(t)
	flowctl(plainSpec, "apply", "--netns", ns.Name(), "-").assertDone(t)
	r = flowctl(plainSpec, args...)
	r.assertDone(t)
	assert.Contains(t, r.out, "nothing to do")
}
