package vm

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func moduleTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	dep := "kernel/net/nft-ct.ko.xz: kernel/net/nf_tables.ko.xz kernel/net/nf_conntrack.ko.xz kernel/lib/crc.ko.xz\n" +
		"kernel/net/nf_tables.ko.xz: kernel/lib/crc.ko.xz\n" +
		"kernel/net/nf_conntrack.ko.xz: kernel/lib/crc.ko.xz\n" +
		"kernel/lib/crc.ko.xz:\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "modules.dep"), []byte(dep), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "modules.builtin"), []byte("kernel/drivers/virtio_pci.ko\n"), 0o644))
	return dir
}

func TestModuleOrderPutsDependenciesFirst(t *testing.T) {
	order, err := moduleOrder(moduleTree(t), []string{"virtio_pci", "nft_ct"}, []string{"absent", "crc"})
	require.NoError(t, err)
	require.Equal(t, []string{"kernel/lib/crc.ko.xz", "kernel/net/nf_conntrack.ko.xz", "kernel/net/nf_tables.ko.xz", "kernel/net/nft-ct.ko.xz"}, order)
}

func TestModuleOrderNamesWhatIsMissing(t *testing.T) {
	_, err := moduleOrder(moduleTree(t), []string{"nft_ct", "veth", "tun"}, nil)
	require.EqualError(t, err, "modules not found: veth tun")
}
