package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// theirs is a ruleset of somebody else, which no test may change.
const theirs = `table inet theirs {
	chain c {
		type filter hook input priority filter; policy accept;
		tcp dport 22 counter accept
	}
}
`

// namespaceWithRules makes a named namespace that has rules already.
func namespaceWithRules(t *testing.T) *testns.Namespace {
	t.Helper()
	ns := testns.NewNamedT(t, "flowctl")
	require.NoError(t, ns.NFT(t.Context(), theirs))
	return ns
}

func listRuleset(t *testing.T, ns *testns.Namespace) string {
	t.Helper()
	text, err := ns.Ruleset(t.Context())
	require.NoError(t, err)
	return text
}

// The kernel's answer in the middle of a batch: an expression that it does not know.
const refusedSpec = `{"tables":[{"name":"t","chains":[
	{"name":"a","hook":"input","rules":[{"do":[{"counter":{}}]}]},
	{"name":"b","rules":[{"do":[{"raw":{"text":"nosuch","expr":["CwABAG5vc3VjaAAA"]}}]}]},
	{"name":"c","hook":"output","rules":[{"do":[{"counter":{}}]}]}]}]}`

// TestNothingChanges holds every failing command against a namespace that must look the same afterwards.
func TestNothingChanges(t *testing.T) {
	ns := namespaceWithRules(t)
	before := listRuleset(t, ns)
	foreign := strings.Replace(plainSpec, `"plain"`, `"theirs"`, 1)
	for name, test := range map[string]struct {
		stdin  string
		args   []string
		status int
		says   []string
	}{
		"refused batch":            {refusedSpec, []string{"apply"}, exitFailed, []string{"nosuch", "rule"}},
		"their table, planned":     {foreign, []string{"plan"}, exitFailed, []string{"theirs", "owner"}},
		"their table, applied":     {foreign, []string{"apply"}, exitFailed, []string{"theirs", "owner"}},
		"invalid spec":             {withFlowtable(`"devices":[{"name":""}]`), []string{"apply"}, exitUsage, []string{"devices[0]"}},
		"malformed spec":           {plainSpec[:40], []string{"apply"}, exitUsage, []string{"standard input"}},
		"refused after a good one": {refusedSpec, []string{"apply"}, exitFailed, []string{"nosuch"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := append(test.args, "--netns", ns.Name(), "-")
			flowctl(test.stdin, args...).assertRefused(t, test.status, test.says...)
			assert.Equal(t, before, listRuleset(t, ns))
		})
	}
}

func TestMissingNamespace(t *testing.T) {
	testns.RequireNamespaces(t)
	for _, args := range [][]string{{"plan", "-"}, {"apply", "-"}, {"flows"}, {"probe"}} {
		for _, netns := range []string{"no-such-namespace", "/proc/self/fd/999"} {
			args := append(args, "--netns", netns)
			flowctl(plainSpec, args...).assertRefused(t, exitFailed, "flowctl: "+args[0], netns)
		}
	}
}

// TestUnprivileged runs flowctl as nobody, inside a namespace that it may not change.
func TestUnprivileged(t *testing.T) {
	ns := namespaceWithRules(t)
	before := listRuleset(t, ns)
	for _, args := range [][]string{{"plan", "-"}, {"apply", "-"}, {"flows"}} {
		asNobody(t, ns, args...).assertRefused(t, exitFailed, "flowctl: "+args[0], "CAP_NET_ADMIN")
	}
	assert.Equal(t, before, listRuleset(t, ns))
	r := asNobody(t, ns, "render", "-")
	r.assertDone(t)
	assert.Contains(t, r.out, "table inet plain")
}

// asNobody runs flowctl as user and group 65534, without capabilities, with plainSpec on standard input.
func asNobody(t *testing.T, ns *testns.Namespace, args ...string) result {
	t.Helper()
	var out, errs strings.Builder
	cmd := exec.Command(sharedBinary(t), args...)
	cmd.Env = append(os.Environ(), asFlowctl+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(plainSpec), &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	require.NoError(t, ns.Start(cmd))
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// sharedBinary is a copy of this test binary that everybody may execute.
func sharedBinary(t *testing.T) string {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "flowctl-")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	name := filepath.Join(dir, "flowctl")
	require.NoError(t, os.WriteFile(name, self, 0o755))
	return name
}

// TestPlanAndApply takes a spec without flowtables all the way, on any kernel.
func TestPlanAndApply(t *testing.T) {
	ns := namespaceWithRules(t)
	before := listRuleset(t, ns)
	text, err := examples.ReadFile("plain.json")
	require.NoError(t, err)
	spec := string(text)

	planned := flowctl(spec, "plan", "--netns", ns.Name(), "-")
	planned.assertDone(t)
	assert.Contains(t, planned.out, "create table inet plain")
	assert.Equal(t, before, listRuleset(t, ns), "plan changes nothing")

	applied := flowctl(spec, "apply", "--netns", ns.Name(), "-")
	applied.assertDone(t)
	assert.Regexp(t, `(?m)^applied, generation \d+$`, applied.out)
	after := listRuleset(t, ns)
	assert.Contains(t, after, "table inet plain")
	assert.Contains(t, after, "table inet theirs")
	again := flowctl(spec, "apply", "--netns", ns.Name(), "-")
	again.assertDone(t)
	assert.Regexp(t, `^nothing had to be done: generation \d+ is what was declared\n$`, again.out)
	assert.Equal(t, after, listRuleset(t, ns))

	scratch := testns.NewT(t, "scratch")
	require.NoError(t, scratch.NFT(t.Context(), planned.out), "the plan is an nft file")
	ours, err := ns.Run(t.Context(), "", "nft", "list", "table", "inet", "plain")
	require.NoError(t, err)
	nfts, err := scratch.Run(t.Context(), "", "nft", "list", "table", "inet", "plain")
	require.NoError(t, err)
	assert.Equal(t, nfts, ours, "what nft makes of the plan, and what apply made")

	removed := flowctl(`{"owner":"plain","tables":[]}`, "apply", "--netns", ns.Name(), "-")
	removed.assertDone(t)
	assert.Equal(t, before, listRuleset(t, ns), "an empty spec of the same owner removes its table")
}

// TestNFTTakesTheExamples lets nft check what render prints for this machine. Where the kernel has no flowtables, its ENOENT about them, and
// only that, is left aside.
func TestNFTTakesTheExamples(t *testing.T) {
	testns.RequireNamespaces(t)
	withFlowtables, _ := testns.HaveFlowtables(t.Context())
	eachExample(t, func(t *testing.T, text string) {
		if withFlowtables && hasHardware(text) {
			testns.RequireSimulator(t)
		}
		ns := testns.NewT(t, "nft")
		makeDevices(t, ns, text)
		probed := flowctl("", "probe", "--json", "--netns", ns.Path())
		probed.assertDone(t)
		rendered := flowctl(text, "render", "--target", writeFile(t, probed.out), "-")
		rendered.assertDone(t)
		_, err := ns.Run(t.Context(), rendered.out, "nft", "-c", "-f", "-")
		if err == nil || withFlowtables {
			require.NoError(t, err)
			return
		}
		for line := range strings.Lines(err.Error()) {
			if strings.Contains(line, "Error: ") {
				assert.Contains(t, line, "No such file or directory", "all of nft's answer: %v", err)
			}
		}
	})
}

// makeDevices makes the devices that a spec's flowtables name, so that a kernel of before 6.16 takes them.
func makeDevices(t *testing.T, ns *testns.Namespace, text string) {
	t.Helper()
	var spec struct {
		Tables []struct {
			Flowtables []struct{ Devices []struct{ Name string } }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &spec))
	seen := map[string]bool{"": true}
	var commands []string
	for _, table := range spec.Tables {
		for _, f := range table.Flowtables {
			for _, d := range f.Devices {
				if !seen[d.Name] {
					seen[d.Name] = true
					commands = append(commands, "link add "+d.Name+" type veth")
				}
			}
		}
	}
	if commands != nil {
		require.NoError(t, ns.IP(t.Context(), commands...))
	}
}

// TestApplyFlowtable: a kernel without flowtables is said to have none, with what to do; any other takes one.
func TestApplyFlowtable(t *testing.T) {
	ns := namespaceWithRules(t)
	before := listRuleset(t, ns)
	r := flowctl(withFlowtable(`"devices":[]`), "apply", "--netns", ns.Name(), "-")
	probed := flowctl("", "probe", "--netns", ns.Name())
	probed.assertDone(t)
	if ok, _ := testns.HaveFlowtables(t.Context()); ok {
		r.assertDone(t)
		assert.Contains(t, listRuleset(t, ns), "flowtable f")
		assert.Regexp(t, `(?m)^flowtables +yes `, probed.out)
		return
	}
	r.assertRefused(t, exitFailed, "flowtable", "CONFIG_NF_FLOW_TABLE")
	assert.Equal(t, before, listRuleset(t, ns))
	assert.Regexp(t, `(?m)^flowtables +no `, probed.out)
}

func TestProbe(t *testing.T) {
	ns := testns.NewNamedT(t, "probe")
	require.NoError(t, ns.SetSysctl("net.ipv4.ip_forward", "1"))
	before := listRuleset(t, ns)
	r := flowctl("", "probe", "--netns", ns.Name())
	r.assertDone(t)
	kernel, err := testns.Kernel()
	require.NoError(t, err)
	assert.Contains(t, r.out, kernel.Text)
	for _, fact := range []string{"release", "flowtables", "by name", "wildcards", "accounting", "forwarding ipv4", "forwarding ipv6"} {
		assert.Regexp(t, `(?m)^`+fact+` +\S+ +\S`, r.out)
	}
	assert.Regexp(t, `(?m)^forwarding ipv4 +yes`, r.out)
	assert.Regexp(t, `(?m)^forwarding ipv6 +no`, r.out)
	assert.Equal(t, before, listRuleset(t, ns), "probe leaves no trace")
}

// TestProbeFeedsRender: what probe --json prints is a target that render reads.
func TestProbeFeedsRender(t *testing.T) {
	ns := testns.NewNamedT(t, "probe")
	require.NoError(t, ns.IP(t.Context(), "link add lan0 type veth"))
	r := flowctl("", "probe", "--json", "--netns", ns.Name())
	r.assertDone(t)
	rendered := flowctl(withFlowtable(`"devices":[{"name":"lan0"}]`), "render", "--target", writeFile(t, r.out), "-")
	rendered.assertDone(t)
	assert.Contains(t, rendered.out, `"lan0"`)
}

// within is how long a test waits for traffic under emulation.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
