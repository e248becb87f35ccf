package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// takenHere is an example as this kernel takes it: without flowtables where it has none, or where drivers would be asked.
func takenHere(t *testing.T, text string) (spec *ruleset.Spec, form string) {
	t.Helper()
	spec, err := ruleset.Parse(strings.NewReader(text))
	require.NoError(t, err)
	if has, _ := testns.HaveFlowtables(t.Context()); !has || hasHardware(text) {
		spec = spec.WithoutFlowtables()
	}
	var b bytes.Buffer
	require.NoError(t, json.NewEncoder(&b).Encode(spec))
	return spec, b.String()
}

// TestWhoIsMeant holds every command about an owner to each example's: of the wrong one it fails, says which one is there, and changes nothing;
// of the right one, by name or by SPEC, it does what it says.
func TestWhoIsMeant(t *testing.T) {
	testns.RequireNamespaces(t)
	selfIsFlowctl(t)
	eachExample(t, func(t *testing.T, text string) {
		ns := testns.NewNamedT(t, "blue")
		makeDevices(t, ns, text)
		spec, form := takenHere(t, text)
		file := writeFile(t, form)
		run := func(args ...string) result { return flowctl("", append(args, "--netns", ns.Name())...) }
		done := func(args ...string) string {
			t.Helper()
			r := run(args...)
			r.assertDone(t)
			return r.out
		}
		wrong := func(commands ...string) {
			t.Helper()
			before := listRuleset(t, ns)
			for _, command := range commands {
				for _, of := range [][]string{nil, {"--owner", "nobody"}, {"--owner", spec.Owner + "s"}} {
					run(append([]string{command}, of...)...).assertRefused(t, exitFailed, strconv.Quote(spec.Owner)+": ")
				}
			}
			require.Equal(t, before, listRuleset(t, ns), "nothing is changed")
		}
		for _, command := range []string{"off", "on", "confirm", "uninstall"} {
			run(command, file).assertRefused(t, exitFailed, "no owner has anything")
		}
		run("off", "--all-owners").assertRefused(t, exitFailed, "no owner has tables or a run")
		assert.Equal(t, "no owner has anything here\n", done("status"))
		assert.Empty(t, listRuleset(t, ns))

		done("apply", file)
		assert.Contains(t, done("apply", file), "nothing had to be done: ")
		wrong("off", "on", "confirm", "uninstall")
		applied := listRuleset(t, ns)
		assert.Contains(t, done("off", "--dry-run", file), "fastpath_off_")
		assert.Equal(t, applied, listRuleset(t, ns))

		assert.Contains(t, done("off", file), strconv.Quote(spec.Owner)+" is off since ")
		assert.NotContains(t, listRuleset(t, ns), "flowtable ")
		assert.Contains(t, done("off", "--dry-run", file), "# nothing to do")
		wrong("off", "on", "confirm", "uninstall")
		assert.Contains(t, done("owners"), strconv.Quote(spec.Owner)+": table ")
		assert.Contains(t, done("on", "--owner", spec.Owner), "it was off since ")
		assert.Contains(t, done("on", file), "it was not off")
		done("off", "--all-owners")
		done("on", file)
		done("apply", file)

		assert.Contains(t, done("apply", "--confirm", "300s", writeFile(t, `{"owner":"`+spec.Owner+`"}`)),
			"flowctl confirm --netns "+ns.Name()+" --owner "+spec.Owner+"\n")
		run("confirm").assertRefused(t, exitFailed, "flowctl confirm --netns "+ns.Name()+" --owner "+spec.Owner)
		wrong("off", "on", "uninstall")
		assert.Contains(t, done("owners"), "unconfirmed until ")
		assert.Equal(t, "confirmed\n", done("confirm", file))
		run("uninstall", file).assertRefused(t, exitFailed, "no owner has anything")
		done("apply", file)
		assert.Contains(t, done("uninstall", file), "uninstalled, generation ")
		assert.Empty(t, listRuleset(t, ns))
	})
}

// TestOwnersOfTwo: what the kernel holds is told without a SPEC, as lines and as objects, and whose flowtables go on.
func TestOwnersOfTwo(t *testing.T) {
	ns := namespaceWithRules(t)
	run := func(spec string, args ...string) string {
		r := flowctl(spec, append(args, "--netns", ns.Name())...)
		r.assertDone(t)
		return r.out
	}
	run(plainSpec, "apply", "-")
	run(strings.Replace(plainSpec, `{"tables":[{"name":"plain"`, `{"owner":"it's me","tables":[{"name":"mine"`, 1), "apply", "-")
	off := run("", "off", "--owner", "it's me")
	assert.Contains(t, off, `comes back until flowctl on --netns `+ns.Name()+` --owner 'it'\''s me'`)
	status := run("", "status")
	assert.Regexp(t, `(?s)owner "fastpath"\n  table inet plain, handle \d+\nowner "it's me"\n  table inet mine, handle \d+\n  off since \S+Z\n$`, status)
	assert.NotContains(t, status, "theirs")
	for _, command := range []string{"status", "owners"} {
		var names []string
		for line := range strings.Lines(run("", command, "--json")) {
			var o offload.Owner
			require.NoError(t, json.Unmarshal([]byte(line), &o))
			names = append(names, o.Name)
		}
		assert.Equal(t, []string{"fastpath", "it's me"}, names)
	}
	assert.Contains(t, run("", "on"), `note: off is "it's me": `)
	all := run("", "off", "--all-owners")
	assert.Contains(t, all, `"fastpath" is off since`)
	assert.Contains(t, all, `"it's me" is off since`)
}

// TestBesideRun: what a run of the same owner would undo is refused, and says which process to turn to.
func TestBesideRun(t *testing.T) {
	ns := testns.NewNamedT(t, "run")
	p := startProcess(t, "run", "--netns", ns.Name(), writeFile(t, plainSpec))
	p.await(t, 0, "steady, generation ")
	before := listRuleset(t, ns)
	other := strings.Replace(plainSpec, `"in"`, `"within"`, 1)
	process := "process " + strconv.Itoa(p.cmd.Process.Pid)
	flowctl(other, "apply", "--netns", ns.Name(), "-").assertRefused(t, exitFailed, process, "SIGHUP")
	flowctl(other, "apply", "--confirm", "30s", "--netns", ns.Name(), "-").assertRefused(t, exitFailed, process)
	flowctl("", "uninstall", "--netns", ns.Name()).assertRefused(t, exitFailed, process, "end it first")
	assert.Equal(t, before, listRuleset(t, ns))
	r := flowctl(plainSpec, "apply", "--netns", ns.Name(), "-")
	r.assertDone(t)
	assert.Contains(t, r.out, "nothing had to be done")
	status := flowctl("", "status", "--netns", ns.Name())
	status.assertDone(t)
	assert.Contains(t, status.out, "looked after by a run, "+process+" since ")
	require.NoError(t, p.endWith(t, syscall.SIGTERM), "%s", p.out)
	flowctl(other, "apply", "--netns", ns.Name(), "-").assertDone(t)
	assert.Contains(t, listRuleset(t, ns), "chain within")
}

// TestKernelOthersGoOn: off says whose flowtables are left.
func TestKernelOthersGoOn(t *testing.T) {
	testns.RequireFlowtables(t)
	r := testns.NewRouterT(t, nil)
	netns := r.NS.Path()
	flowctl(softwareSpec, "apply", "--netns", netns, "-").assertDone(t)
	flowctl(`{"owner":"other","tables":[{"name":"other"}]}`, "apply", "--netns", netns, "-").assertDone(t)
	off := flowctl("", "off", "--owner", "other", "--netns", netns)
	off.assertDone(t)
	assert.Contains(t, off.out, `note: 1 flowtable goes on: "fastpath": table inet `)
	status := flowctl("", "status", "--netns", netns)
	status.assertDone(t)
	assert.Regexp(t, `(?m)^  flowtable inet \S+ fast, handle \d+, devices lan0 wan0`, status.out)
	assert.NotContains(t, flowctl("", "off", "--all-owners", "--netns", netns).out, "note:")
	assert.NotContains(t, listRuleset(t, r.NS), "flowtable")
}

// TestReadmeSession runs the commands of README one after the other, with each example as the SPEC.
func TestReadmeSession(t *testing.T) {
	page, err := os.ReadFile("../../README.md")
	if os.IsNotExist(err) && os.Getenv("FASTPATH_VM") != "" {
		return // the virtual machine has the test alone
	}
	require.NoError(t, err)
	testns.RequireNamespaces(t)
	_, session, found := strings.Cut(string(page), "## On a command line")
	require.True(t, found)
	session, _, _ = strings.Cut(session, "\n## ")
	eachExample(t, func(t *testing.T, text string) {
		ns := testns.NewNamedT(t, "blue")
		makeDevices(t, ns, text)
		_, form := takenHere(t, text)
		file := writeFile(t, form)
		seen := 0
		for line := range strings.Lines(session) {
			line, ok := strings.CutPrefix(line, "go run ./cmd/flowctl ")
			if !ok {
				continue
			}
			line, _, _ = strings.Cut(line, "#")
			args := strings.Fields(strings.NewReplacer("--netns blue", "--netns "+ns.Name(), "cmd/flowctl/router.json", file).Replace(line))
			if seen++; args[0] == "run" {
				p := startProcess(t, args...)
				p.await(t, 0, "steady, generation ")
				require.NoError(t, p.endWith(t, syscall.SIGTERM), "%s", p.out)
				continue
			}
			r := flowctl("", args...)
			assert.Equal(t, exitDone, r.status, "%s: %s", line, r.err)
		}
		assert.Greater(t, seen, 10)
		assert.Contains(t, listRuleset(t, ns), "fastpath_off_", "the session throws the kill switch: of this very owner")
		assert.NotContains(t, listRuleset(t, ns), "flowtable ")
	})
}
