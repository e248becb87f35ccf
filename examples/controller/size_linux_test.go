package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// maxSize is what the static, stripped agent may take on a disk.
const maxSize = 8_000_000

// TestSize builds the agent as it is shipped.
func TestSize(t *testing.T) {
	if os.Getenv("FASTPATH_VM") == "1" {
		return // there is no compiler in the guest; the host's tests measure
	}
	binary := filepath.Join(t.TempDir(), "controller")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	text, err := build.CombinedOutput()
	require.NoError(t, err, "%s", text)
	info, err := os.Stat(binary)
	require.NoError(t, err)
	t.Logf("the agent has %d bytes", info.Size())
	assert.Less(t, info.Size(), int64(maxSize))
}
