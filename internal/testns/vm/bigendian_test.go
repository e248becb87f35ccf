package vm

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every kernel of another processor is chosen by a name of its own, and all that is done for it goes by that name.
func TestForeignSelectors(t *testing.T) {
	orders := map[string]string{}
	for _, name := range ForeignSelectors() {
		p := processorOf(name)
		assert.True(t, p.foreign(), name)
		orders[p.goarch] = p.byteOrder
		k := &Kernel{Selector: name, Label: "6.1"}
		assert.Equal(t, "6.1-"+p.debian, k.Name())
		for _, m := range p.lacks {
			assert.Contains(t, wantedModules(), m)
			assert.NotContains(t, k.wanted(), m)
		}
	}
	assert.Equal(t, map[string]string{"s390x": "big", "mipsle": "little"}, orders)
	for _, name := range []string{"6.1", "6.12", "7.3", "sid"} {
		assert.Equal(t, amd64(), processorOf(name))
		assert.Equal(t, wantedModules(), (&Kernel{Selector: name}).wanted())
	}
	for _, name := range []string{"6.12-s390x", "6.1-mips", "6.1-", "s390x"} {
		_, err := choose(name)
		require.ErrorContains(t, err, "6.1-s390x    its linux-image-s390x of bookworm\n", name)
	}
}

// The tools of another processor come from its folder also where Debian's packages link to absolute paths.
func TestRelativeLinks(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "sbin"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "bin"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "bin/ip"), []byte("there"), 0o755))
	require.NoError(t, os.Symlink("/bin/ip", filepath.Join(root, "sbin/ip")))
	require.NoError(t, os.Symlink("ip", filepath.Join(root, "bin/link")))
	require.NoError(t, relativeLinks(root))
	for link, want := range map[string]string{"sbin/ip": "../bin/ip", "bin/link": "ip"} {
		to, err := os.Readlink(filepath.Join(root, link))
		require.NoError(t, err)
		assert.Equal(t, want, to)
	}
	text, err := os.ReadFile(filepath.Join(root, "sbin/ip"))
	require.NoError(t, err)
	assert.Equal(t, "there", string(text))
}
