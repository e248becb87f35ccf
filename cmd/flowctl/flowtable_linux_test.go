package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

const softwareSpec = `{"tables":[{"name":"t",
	"flowtables":[{"name":"fast","devices":[{"name":"lan0"},{"name":"wan0"}]}],
	"chains":[{"name":"forward","hook":"forward","rules":[
		{"do":[{"match":{"field":"meta l4proto","is":["tcp","udp"]}},{"flowAdd":"fast"}]}]}]}]}`

// TestKernelApply takes a flowtable all the way: applied, filled, listed as software, taken away.
func TestKernelApply(t *testing.T) {
	testns.RequireFlowtables(t)
	r := testns.NewRouterT(t, nil)
	netns := r.NS.Path()

	applied := flowctl(softwareSpec, "apply", "--netns", netns, "-")
	applied.assertDone(t)
	assert.Regexp(t, `(?m)^flowtable fast, device lan0: bound`, applied.out)
	assert.Regexp(t, `(?m)^flowtable fast, device wan0: bound`, applied.out)
	assert.Regexp(t, `(?m)^applied, generation \d+$`, applied.out)

	status := flowctl(softwareSpec, "status", "--exit-code", "--netns", netns, "-")
	status.assertDone(t)
	for _, device := range []string{"lan0", "wan0"} {
		assert.Regexp(t, device+` +bound, (seen in the kernel's hooks|a flowtable is in the kernel's hooks|by the listing alone)`, status.out)
	}

	for _, network := range []string{"tcp", "udp"} {
		flow := r.DialT(t, network, testns.IPv4)
		testns.AssertSoftwarePath(t, r, flow, time.Minute)
		all := lines(t, flowctl("", "flows", "--json", "--path", "software", "--netns", netns))
		one := lineOf(all, flow)
		require.NotNil(t, one, "%s in %+v", network, all)
		assert.Equal(t, "software", one.Path)
		assert.Nil(t, lineOf(lines(t, flowctl("", "flows", "--json", "--path", "slow", "--netns", netns)), flow))
	}

	flowctl(`{"tables":[]}`, "apply", "--netns", netns, "-").assertDone(t)
	assert.Empty(t, lines(t, flowctl("", "flows", "--json", "--path", "software", "--netns", netns)), "teardown clears the bits")
}

// TestKernelExamples applies every example, with the devices that it names.
func TestKernelExamples(t *testing.T) {
	testns.RequireFlowtables(t)
	eachExample(t, func(t *testing.T, text string) {
		if hasHardware(text) {
			testns.RequireSimulator(t)
		}
		ns := testns.NewNamedT(t, "example")
		makeDevices(t, ns, text)
		r := flowctl(text, "apply", "--netns", ns.Name(), "-")
		r.assertDone(t)
		assert.Regexp(t, `applied, generation \d+`, r.out)
		again := flowctl(text, "plan", "--netns", ns.Name(), "-")
		again.assertDone(t)
	})
}

// TestKernelHardwareRefused: a driver that does not offload is named, and nothing of the batch stays. The simulator refuses
// devices of this name.
func TestKernelHardwareRefused(t *testing.T) {
	testns.RequireFlowtables(t)
	testns.RequireSimulator(t)
	ns := namespaceWithRules(t)
	require.NoError(t, ns.IP(t.Context(), "link add hwno0 type veth"))
	before := listRuleset(t, ns)
	flowctl(withFlowtable(`"hardware":"on","devices":[{"name":"hwno0"}]`), "apply", "--netns", ns.Name(), "-").
		assertRefused(t, exitFailed, "flowtable", "hwno0", "refuses hardware offload", "Next: ")
	assert.Equal(t, before, listRuleset(t, ns))
}

// TestKernelProbe: a kernel with flowtables says so.
func TestKernelProbe(t *testing.T) {
	testns.RequireFlowtables(t)
	ns := testns.NewNamedT(t, "probe")
	r := flowctl("", "probe", "--netns", ns.Name())
	r.assertDone(t)
	assert.Regexp(t, `(?m)^flowtables +yes `, r.out)
	kernel, err := testns.Kernel()
	require.NoError(t, err)
	want := "no"
	if kernel.AtLeast(6, 16) {
		want = "yes"
	}
	assert.Regexp(t, `(?m)^by name +`+want+` `, r.out)
	assert.Regexp(t, `(?m)^wildcards +`+want+` `, r.out)
}

func hasHardware(text string) bool { return strings.Contains(text, `"hardware": "on"`) }
