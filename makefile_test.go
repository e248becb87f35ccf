package fastpath_test

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hostOnly are the folders with tests in namespaces that no virtual machine runs, and why.
var hostOnly = map[string]string{
	"./flowtable":                    "it asks nft how names are spelled",
	"./ruleset/judge":                "it holds the judge against rules that need no flowtable",
	"./internal/testns/vm/imagetest": "make test-bigendian runs it",
}

// TestVMPackages holds VM_PACKAGES against the folders whose tests need a kernel.
func TestVMPackages(t *testing.T) {
	listed := makeList(t, "VM_PACKAGES")
	for _, folder := range listed {
		tests, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		require.NoError(t, err)
		assert.NotEmpty(t, tests, "VM_PACKAGES of the Makefile names %s, which has no tests", folder)
		assert.Empty(t, hostOnly[folder], "%s is in VM_PACKAGES", folder)
	}
	needed := foldersWith(t, func(path string, text []byte) bool {
		return strings.HasSuffix(path, "_linux_test.go") && strings.Contains(string(text), "internal/testns\"")
	})
	assert.Greater(t, len(needed), 10)
	for _, folder := range needed {
		if hostOnly[folder] == "" {
			assert.Contains(t, listed, folder, "its tests need a kernel: name it in VM_PACKAGES")
		}
	}
}

// TestModules holds MODULES against the go.mod files of the tree: lint, vet and fuzz walk that list.
func TestModules(t *testing.T) {
	modules := foldersWith(t, func(path string, _ []byte) bool { return filepath.Base(path) == "go.mod" })
	slices.Sort(modules)
	assert.Equal(t, modules, slices.Sorted(slices.Values(makeList(t, "MODULES"))))
}

// makeList is a variable of the Makefile, its words as folders.
func makeList(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	joined := strings.ReplaceAll(string(text), "\\\n", " ")
	found := regexp.MustCompile(`(?m)^` + name + `\s*:=(.*)$`).FindStringSubmatch(joined)
	require.NotNil(t, found, "the Makefile has no %s", name)
	return strings.Fields(found[1])
}

// foldersWith are the folders that hold such a file, as ./FOLDER; the module's own is ".".
func foldersWith(t *testing.T, is func(path string, text []byte) bool) []string {
	t.Helper()
	folders := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "bin") {
			return cmp.Or(err, fs.SkipDir)
		}
		if name := filepath.Base(path); d.IsDir() || !strings.HasSuffix(name, ".go") && name != "go.mod" {
			return nil
		}
		text, err := os.ReadFile(path)
		if folder := filepath.Dir(path); err == nil && is(path, text) {
			folders[strings.TrimSuffix("./"+folder, "/.")] = true
		}
		return err
	})
	require.NoError(t, err)
	var list []string
	for f := range folders {
		list = append(list, f)
	}
	return list
}
