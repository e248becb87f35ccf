package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestSwitch: off leaves a mark, which every plan heeds and which on and uninstall take away.
func TestSwitch(t *testing.T) {
	ns := namespaceWithRules(t)
	before := listRuleset(t, ns)
	run := func(spec string, args ...string) result {
		r := flowctl(spec, append(args, "--netns", ns.Name())...)
		r.assertDone(t)
		return r
	}
	run(plainSpec, "apply", "-")
	applied := listRuleset(t, ns)
	assert.Contains(t, run("", "off").out, "until flowctl on")
	assert.Contains(t, listRuleset(t, ns), "fastpath_off_")
	assert.Contains(t, listRuleset(t, ns), "chain in", "the rest stays")
	assert.Contains(t, run(plainSpec, "plan", "-").out, "switched off")

	run("", "on")
	assert.Equal(t, applied, listRuleset(t, ns))
	run("", "off")
	run("", "uninstall")
	assert.Equal(t, before, listRuleset(t, ns))
}

// TestSwitchRestored: a ruleset that is saved while the fast path is off, and restored, switches it off again; every command says so.
func TestSwitchRestored(t *testing.T) {
	ns := testns.NewNamedT(t, "flowctl")
	run := func(spec string, args ...string) string {
		r := flowctl(spec, append(args, "--netns", ns.Name())...)
		r.assertDone(t)
		return r.out
	}
	run(plainSpec, "apply", "-")
	assert.Contains(t, run("", "on"), "it was not off")
	first := run("", "off")
	since := regexp.MustCompile(`off since (\S+Z):`).FindStringSubmatch(first)
	require.Len(t, since, 2, "%s", first)
	assert.NotContains(t, first, "restored")
	shown := run(plainSpec, "status", "-")
	assert.Contains(t, shown, "off since "+since[1])
	assert.NotContains(t, shown, "restored")

	saved := listRuleset(t, ns)
	require.NoError(t, ns.NFT(t.Context(), "flush ruleset\n"+saved))
	require.Equal(t, saved, listRuleset(t, ns))
	shown = run(plainSpec, "status", "-")
	assert.Contains(t, shown, "off since "+since[1])
	assert.Contains(t, shown, "saved with a ruleset and restored")
	var s offload.Status
	require.NoError(t, json.Unmarshal([]byte(run(plainSpec, "status", "--json", "-")), &s))
	assert.Equal(t, ruleset.Off{Owner: "fastpath", Since: since[1], Restored: true}, s.Off)
	assert.Contains(t, run(plainSpec, "plan", "-"), "saved with a ruleset and restored")
	again := run("", "off")
	assert.Contains(t, again, "off since "+since[1])
	assert.Contains(t, again, "saved with a ruleset and restored")
	assert.Contains(t, run("", "on"), "it was off since "+since[1]+", by a mark that came back with a saved ruleset")
	assert.NotContains(t, run(plainSpec, "status", "-"), "off since")
}

// TestSet: a setting is changed, and put back at the end.
func TestSet(t *testing.T) {
	ns := testns.NewNamedT(t, "set")
	const key = "net.ipv4.ip_forward"
	r := flowctl("", "set", "--netns", ns.Name(), key+"=1")
	r.assertDone(t)
	assert.Contains(t, r.out, "set: "+key+" to 1")
	value, err := ns.Sysctl(key)
	require.NoError(t, err)
	assert.Equal(t, "1", value)
	again := flowctl("", "set", "--netns", ns.Name(), key+"=1")
	again.assertDone(t)
	assert.Empty(t, again.out, "it is so already")
	r = flowctl("", "uninstall", "--netns", ns.Name())
	r.assertDone(t)
	assert.Contains(t, r.out, "put back: "+key+" to 0")
	value, err = ns.Sysctl(key)
	require.NoError(t, err)
	assert.Equal(t, "0", value)

	flowctl("", "set", "--netns", ns.Name(), "kernel.panic=1").assertRefused(t, exitFailed, "kernel.panic")
	flowctl("", "set", "--netns", ns.Name(), "on").assertRefused(t, exitUsage, "KEY=VALUE")
	flowctl("", "set", "--netns", ns.Name(), "no-such-spec", key+"=1").assertRefused(t, exitFailed, "no-such-spec")
	flowctl("", "set").assertRefused(t, exitUsage, "want a setting")
}

// TestSetOfAnother: a setting is put back with its owner's tables; another's uninstall says what puts it back.
func TestSetOfAnother(t *testing.T) {
	ns := testns.NewNamedT(t, "set")
	const key = "net.ipv4.ip_forward"
	file := writeFile(t, strings.Replace(plainSpec, `{"tables"`, `{"owner":"router","tables"`, 1))
	run := func(args ...string) string {
		t.Helper()
		r := flowctl("", append(args, "--netns", ns.Name())...)
		r.assertDone(t)
		return r.out
	}
	holds := func(want string) {
		t.Helper()
		value, err := ns.Sysctl(key)
		require.NoError(t, err)
		assert.Equal(t, want, value)
	}
	run("apply", file)
	set := run("set", key+"=1")
	assert.Contains(t, set, "set: "+key+" to 1; what puts it back is flowctl uninstall --netns "+ns.Name()+"\n")
	assert.Contains(t, set, `note: the owner "fastpath" has no tables here; to have it put back with those of "router", say so`)
	removed := run("uninstall", file)
	assert.Contains(t, removed, `note: `+key+` was set to 1 for the owner "fastpath"; what puts it back is flowctl uninstall --netns `+ns.Name()+"\n")
	holds("1")
	assert.Contains(t, run("uninstall"), "put back: "+key+" to 0\n")
	holds("0")

	run("apply", file)
	set = run("set", key+"=1", file)
	assert.Contains(t, set, "what puts it back is flowctl uninstall --netns "+ns.Name()+" --owner router\n")
	assert.NotContains(t, set, "note:")
	run("set", key+"=1")
	removed = run("uninstall", "--owner", "router")
	assert.Contains(t, removed, "warning: "+key+` stays 1: it was set for the owner "fastpath" too`)
	holds("1")
	assert.Contains(t, run("uninstall"), "put back: "+key+" to 0\n")
	holds("0")
	assert.Empty(t, listRuleset(t, ns))
}

// TestKernelSwitch: off takes a connection back to the classic path, and on lets apply bring it back to the fast one.
func TestKernelSwitch(t *testing.T) {
	testns.RequireFlowtables(t)
	r := testns.NewRouterT(t, nil)
	netns := r.NS.Path()
	flowctl(softwareSpec, "apply", "--netns", netns, "-").assertDone(t)
	flow := r.DialT(t, "udp", testns.IPv4)
	testns.AssertSoftwarePath(t, r, flow, time.Minute)
	flowctl("", "off", "--netns", netns).assertDone(t)
	testns.AssertSlowPath(t, r, flow, time.Minute)
	require.NotContains(t, listRuleset(t, r.NS), "flowtable")
	flowctl(softwareSpec, "apply", "--netns", netns, "-").assertDone(t)
	require.NotContains(t, listRuleset(t, r.NS), "flowtable", "the mark holds")
	flowctl("", "on", "--netns", netns).assertDone(t)
	flowctl(softwareSpec, "apply", "--netns", netns, "-").assertDone(t)
	require.Contains(t, listRuleset(t, r.NS), "flowtable")
	testns.AssertSoftwarePath(t, r, flow, time.Minute)
}
