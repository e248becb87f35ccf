package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestInterruptWhileReading: an interrupt ends flowctl while it waits for the rest of a SPEC.
func TestInterruptWhileReading(t *testing.T) {
	cmd := exec.CommandContext(within(t), "/proc/self/exe", "check", "-")
	cmd.Env = append(os.Environ(), asFlowctl+"=1")
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = input.Write([]byte(strings.Repeat(" ", 1<<20))) // more than a pipe holds: it is being read
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Error(t, cmd.Wait())
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	assert.True(t, status.Signaled(), "it ended with %v", cmd.ProcessState)
	assert.Equal(t, syscall.SIGINT, status.Signal())
}

// script runs a shell script with flowctl as $F and a namespace as $NS.
func script(t *testing.T, namespace, text string) (out string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(within(t), "sh", "-euc", text)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), asFlowctl+"=1", "F="+self, "NS="+namespace)
	b, err := cmd.CombinedOutput() // waits for the pipe's end: until nobody has it open any more
	require.NoError(t, err, "%s", b)
	return string(b)
}

// A script that keeps others out by a lock, as the manual of flock(1) shows, can apply and confirm under it: the lock is free when the script
// ends, and not when the watchdog does. Nor does a shell wait for the watchdog that takes flowctl's output, or has another descriptor open.
func TestApplyConfirmInScripts(t *testing.T) {
	if _, err := exec.LookPath("flock"); err != nil {
		t.Skip("not on this machine: flock(1) is not installed")
	}
	ns := namespaceWithRules(t)
	spec := "cat >spec <<'X'\n" + plainSpec + "\nX\n"
	out := script(t, ns.Name(), spec+`
		( flock 9; $F apply --confirm 300s --netns $NS spec ) 9>lock
		( flock -n 9 || { echo "the lock is held"; exit 1; }; $F confirm --netns $NS ) 9>lock`)
	assert.Contains(t, out, "taken back at ")
	assert.Contains(t, out, "\nconfirmed\n")

	ns = namespaceWithRules(t)
	out = script(t, ns.Name(), spec+`
		exec 7>&1 8>&2
		told=$($F apply --confirm 300s --netns $NS spec 2>&1)
		echo "told: $told"
		$F confirm --netns $NS`)
	assert.Contains(t, out, "told: taken back at ")
	assert.Contains(t, out, "\nconfirmed\n")
}
