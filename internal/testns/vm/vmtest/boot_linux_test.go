package vmtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKernelIsTheOneAskedFor(t *testing.T) {
	inVM(t)
	release := strings.TrimSpace(sh(t, "uname -r"))
	require.True(t, strings.HasPrefix(release, os.Getenv("FASTPATH_KERNEL")+"."), "%s on %s", os.Getenv("FASTPATH_KERNEL"), release)
}

func TestNftMakesAFlowtable(t *testing.T) {
	inVM(t)
	router(t)
	list := sh(t, `ip netns exec r nft 'add table inet t; add flowtable inet t f { hook ingress priority 0; devices = { ra, rb }; counter; }'
ip netns exec r nft list ruleset`)
	require.Contains(t, list, "flowtable f {")
	require.Regexp(t, `devices = \{ "?ra"?, "?rb"? \}`, list)
	require.Contains(t, list, "counter")
}

func TestFilesReachTheHost(t *testing.T) {
	inVM(t)
	dir := os.Getenv("FASTPATH_OUT")
	require.NotEmpty(t, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hello.txt"), []byte("hello\n"), 0o644))
}

func TestPackageFilesAreThere(t *testing.T) {
	inVM(t)
	b, err := os.ReadFile("testdata/here.txt")
	require.NoError(t, err)
	require.Equal(t, "here\n", string(b))
}

// TestHostToolsStart: they find their libraries, beside those of the newest kernel's tools too.
func TestHostToolsStart(t *testing.T) {
	inVM(t)
	require.Contains(t, sh(t, "pppd --version 2>&1"), "pppd version")
	require.Contains(t, sh(t, "pppd plugin rp-pppoe.so --help 2>&1 || true"), "pppd version")
	require.Contains(t, sh(t, "pppoe -V 2>&1"), "PPPoE")
	require.Contains(t, sh(t, "pppoe-server -h 2>&1 || true"), "pppoe-server")
	require.Contains(t, sh(t, "wg --version"), "wireguard-tools")
}
