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
