package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// A process is a flowctl run of its own.
type process struct {
	cmd *exec.Cmd
	out *lockedBuffer
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(within(t), "/proc/self/exe", args...), out: &lockedBuffer{}}
	p.cmd.Env = append(os.Environ(), asFlowctl+"=1")
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill() // it may have ended
			_ = p.cmd.Wait()
		}
	})
	return p
}

// await waits until what the process says, from a place on, contains a text. It returns the place behind.
func (p *process) await(t *testing.T, from int, text string) int {
	t.Helper()
	at := -1
	err := testns.Poll(within(t), 20*time.Millisecond, func() (bool, error) {
		said := p.out.String()
		at = strings.Index(said[min(from, len(said)):], text)
		return at >= 0, nil
	})
	require.NoError(t, err, "%q is not said:\n%s", text, p.out)
	return from + at + len(text)
}

// endWith sends a signal and waits for the end.
func (p *process) endWith(t *testing.T, s os.Signal) error {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(s))
	return p.cmd.Wait()
}

// TestRunProcess: a ruleset that somebody flushes comes back, a hangup brings another SPEC, and the end leaves it in force.
func TestRunProcess(t *testing.T) {
	ns := testns.NewNamedT(t, "run")
	name := writeFile(t, plainSpec)
	p := startProcess(t, "run", "--netns", ns.Name(), name)
	at := p.await(t, 0, "steady, generation ")
	assert.Contains(t, listRuleset(t, ns), "table inet plain")
	assert.Contains(t, p.out.String(), "msg=applied")

	require.NoError(t, ns.NFT(t.Context(), "flush ruleset"))
	at = p.await(t, at, "changed by others: create table inet plain")
	at = p.await(t, at, "steady, generation ")
	assert.Contains(t, listRuleset(t, ns), "table inet plain")

	r := flowctl("", "run", "--netns", ns.Name(), name)
	assert.Equal(t, exitFailed, r.status)
	assert.Contains(t, r.err, "looked after already")

	require.NoError(t, os.WriteFile(name, []byte(strings.Replace(plainSpec, `"in"`, `"within"`, 1)), 0o600))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	p.await(t, at, "msg=\"read again\"")
	require.NoError(t, testns.Poll(within(t), 20*time.Millisecond, func() (bool, error) {
		return strings.Contains(listRuleset(t, ns), "chain within"), nil
	}))
	require.NoError(t, p.endWith(t, syscall.SIGTERM), "%s", p.out)
	assert.Contains(t, listRuleset(t, ns), "chain within")
}

// TestRunTakeover: the second run asks the first to leave, which says so, and nothing is written for it.
func TestRunTakeover(t *testing.T) {
	ns := testns.NewNamedT(t, "run")
	name := writeFile(t, plainSpec)
	first := startProcess(t, "run", "--netns", ns.Name(), name)
	first.await(t, 0, "steady, generation ")
	before := listTable(t, ns, "plain")
	second := startProcess(t, "run", "--takeover", "--netns", ns.Name(), name)
	second.await(t, 0, "steady, generation ")
	require.Error(t, first.cmd.Wait())
	assert.Equal(t, exitFailed, first.cmd.ProcessState.ExitCode())
	assert.Contains(t, first.out.String(), "took over")
	assert.Equal(t, before, listTable(t, ns, "plain"))
	assert.NotContains(t, second.out.String(), "msg=applied")
	require.NoError(t, second.endWith(t, os.Interrupt), "%s", second.out)
}

// listTable is what nft lists of one table, with handles.
func listTable(t *testing.T, ns *testns.Namespace, name string) string {
	t.Helper()
	text, err := ns.Run(t.Context(), "", "nft", "--handle", "list", "table", "inet", name)
	require.NoError(t, err)
	return text
}

// TestStatus: what is declared is not there, then it is; nothing is changed by asking.
func TestStatus(t *testing.T) {
	ns := testns.NewNamedT(t, "status")
	args := []string{"status", "--exit-code", "--netns", ns.Name(), "-"}
	r := flowctl(plainSpec, args...)
	assert.Equal(t, exitPending, r.status, r.err)
	assert.Contains(t, r.out, "to be done: create table inet plain")
	assert.Empty(t, listRuleset(t, ns))
	flowctl(plainSpec, "apply", "--netns", ns.Name(), "-").assertDone(t)
	flowctl(plainSpec, args...).assertDone(t)
	r = flowctl(plainSpec, append(args, "--json")...)
	r.assertDone(t)
	var said struct{ Phase, Owner string }
	require.NoError(t, json.Unmarshal([]byte(r.out), &said))
	assert.Equal(t, "observing", said.Phase)
	assert.Equal(t, "fastpath", said.Owner)
}

// TestProbeDevices: each device has its answer, and nothing stays of asking.
func TestProbeDevices(t *testing.T) {
	ns := testns.NewNamedT(t, "probe")
	require.NoError(t, ns.IP(t.Context(), "link add lan0 type veth"))
	before := listRuleset(t, ns)
	r := flowctl("", "probe", "--netns", ns.Name(), "lan0", "nosuch0")
	r.assertDone(t)
	assert.Regexp(t, `(?m)^lan0 +(feature fixed off|feature off|module missing) +\S`, r.out)
	assert.Regexp(t, `(?m)^nosuch0 +no such device +\S`, r.out)
	r = flowctl("", "probe", "--json", "--netns", ns.Name(), "lan0")
	r.assertDone(t)
	assert.Contains(t, r.out, `{"device":"lan0","result":"`)
	assert.Equal(t, before, listRuleset(t, ns))
}

// TestKernelRun: a device that comes is bound at once, one that goes is said to, and packets take the fast path through what came back.
func TestKernelRun(t *testing.T) {
	testns.RequireFlowtables(t)
	r := testns.NewRouterT(t, nil)
	name := writeFile(t, strings.Replace(softwareSpec, `{"name":"wan0"}`, `{"name":"wan0"},{"name":"late0"}`, 1))
	p := startProcess(t, "run", "--netns", r.NS.ToolPath(), name)
	at := p.await(t, 0, "steady, generation ")
	flow := r.DialT(t, "tcp", testns.IPv4)
	testns.AssertSoftwarePath(t, r, flow, time.Minute)
	require.NoError(t, r.NS.IP(t.Context(), "link add late0 type veth"))
	at = p.await(t, at, "device late0: bound")
	require.NoError(t, r.NS.IP(t.Context(), "link del late0"))
	p.await(t, at, "device late0: ")
	testns.AssertSoftwarePath(t, r, flow, time.Minute)
	require.NoError(t, p.endWith(t, syscall.SIGTERM), "%s", p.out)
	assert.Contains(t, listRuleset(t, r.NS), "flowtable fast")
}
