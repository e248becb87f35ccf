package kernel

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
)

func TestFindModule(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	machine := fstest.MapFS{
		"sys/module/nf_flow_table/refcnt":    file("1\n"),
		"lib/modules/6.12.1/modules.builtin": file("kernel/net/netfilter/nf_tables.ko\nkernel/fs/ext4/ext4.ko"),
		"lib/modules/6.12.1/modules.dep": file("kernel/net/netfilter/nf_flow_table_inet.ko.xz: kernel/net/netfilter/nf_flow_table.ko.xz\n" +
			"kernel/net/netfilter/nft-flow-offload.ko:\n"),
	}
	for name, want := range map[string]ModuleState{
		"nf_flow_table":      ModuleLoaded,
		"nf_tables":          ModuleBuiltIn,
		"ext4":               ModuleBuiltIn,
		"nf_flow_table_inet": ModuleAvailable,
		"nft_flow_offload":   ModuleAvailable,
		"nf":                 ModuleMissing,
	} {
		found := findModule(machine, "6.12.1", name)
		assert.Equal(t, want, found.State, "%s: %s", name, found.Evidence)
		assert.NotEmpty(t, found.Evidence)
	}
	found := findModule(machine, "6.1.9", "nf_tables")
	assert.Equal(t, ModuleUnknown, found.State)
	assert.Contains(t, found.Evidence, "modules.builtin")
}
