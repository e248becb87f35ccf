// Package vmtest checks the virtual machine itself: that a kernel boots with
// all modules, that nft makes flowtables, that the offload simulator works.
package vmtest

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// inVM skips on machines that are not the virtual one.
func inVM(t *testing.T) {
	t.Helper()
	if os.Getenv("FASTPATH_VM") == "" {
		t.Skip("needs the virtual machine: make test, or fastpath-vm test")
	}
}

func sh(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("/bin/sh", "-ec", script).CombinedOutput()
	require.NoError(t, err, "%s\n%s", script, out)
	return string(out)
}

func TestKernelIsTheOneAskedFor(t *testing.T) {
	inVM(t)
	release := strings.TrimSpace(sh(t, "uname -r"))
	require.True(t, strings.HasPrefix(release, os.Getenv("FASTPATH_KERNEL")+"."), "%s on %s", os.Getenv("FASTPATH_KERNEL"), release)
}

func TestNftMakesAFlowtable(t *testing.T) {
	inVM(t)
	list := sh(t, `ip netns add ft
trap 'ip netns del ft' EXIT
ip -n ft link add d0 type dummy
ip netns exec ft nft 'add table inet t; add flowtable inet t f { hook ingress priority 0; devices = { d0 }; counter; }'
ip netns exec ft nft list ruleset`)
	require.Contains(t, list, "flowtable f {")
	require.Contains(t, list, "d0")
	require.Contains(t, list, "counter")
}
