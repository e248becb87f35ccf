package vm

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKernellessIsWhatOtherSystemsCompile(t *testing.T) {
	m, _ := hostModule(t, `import "testing"
func TestMain(m *testing.M)   { m.Run() }
func TestPure(t *testing.T)   {}
func FuzzPure(f *testing.F)   {}
func Testify(t *testing.T)    {}
func BenchmarkX(b *testing.B) {}
`)
	require.NoError(t, os.WriteFile(filepath.Join(m.Dir, "p/x_linux_test.go"),
		[]byte("package p\nimport \"testing\"\nfunc TestKernel(t *testing.T) {}\n"), 0o644))
	got, err := m.Kernelless(t.Context(), []string{"./..."})
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"./p": {"TestPure", "FuzzPure"}}, got)
}

// Only what the host ran whole is left to it: neither what it skipped, nor what skipped a part of itself.
func TestOnlyWhatTheHostRanIsLeftToIt(t *testing.T) {
	r := collect(t, "pass ./p TestA", "skip ./p TestB", "skip ./p TestC/x", "pass ./p TestC", "pass ./q TestD").result()
	got := r.RanHere(map[string][]string{"./p": {"TestA", "TestB", "TestC", "TestD", "TestGone"}})
	require.Equal(t, map[string][]string{"./p": {"TestA"}}, got)
}

func TestWhatIsLeftToTheHostIsSkippedByName(t *testing.T) {
	require.Equal(t, []string{"-test.skip=^(TestA|FuzzB)$"}, skipFlag([]string{"TestA", "FuzzB"}))
	require.Empty(t, skipFlag(nil))
}
