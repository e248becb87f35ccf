package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// hostModule writes a module of its own with one test package and returns what runs its tests.
func hostModule(t *testing.T, source string) (*Module, *Cache) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module m\n"), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "p"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p/p_test.go"), []byte("package p\n\n"+source), 0o644))
	t.Chdir(dir)
	c := &Cache{Dir: t.TempDir()}
	require.NoError(t, os.Mkdir(c.path("locks"), 0o755))
	return &Module{Path: "m", Dir: dir}, c
}

// The host's tests are counted like a kernel's: what passes, fails, skips, and what the failed said.
func TestRunHostCounts(t *testing.T) {
	m, c := hostModule(t, `import ("os"; "testing")
func TestGood(t *testing.T) { if _, err := os.Stat("p_test.go"); err != nil { t.Fatal(err) } }
func TestBad(t *testing.T)  { t.Fatal("that is bad") }
func TestOff(t *testing.T)  { t.Skip("not today") }
`)
	var out strings.Builder
	s := m.RunHost(t.Context(), c, []string{"./..."}, TestOptions{}, &out)
	require.Equal(t, []int{1, 1, 1}, []int{s.Result.Passed, s.Result.Failed, s.Result.Skipped}, out.String())
	require.False(t, s.OK())
	require.Contains(t, out.String(), "FAILED ./p TestBad")
	require.Contains(t, out.String(), "that is bad")
	require.Contains(t, out.String(), "skipped: not today")
}

// A test that ends its program fails.
func TestRunHostSeesAProgramThatEnds(t *testing.T) {
	m, c := hostModule(t, `import ("os"; "testing")
func TestEnds(t *testing.T) { os.Exit(3) }
`)
	var out strings.Builder
	s := m.RunHost(t.Context(), c, []string{"./..."}, TestOptions{}, &out)
	require.False(t, s.OK())
	require.Equal(t, 1, s.Result.Failed, out.String())
}

// What does not compile is a failure that shows what the compiler said, and runs no older binary.
func TestRunHostShowsWhatDoesNotCompile(t *testing.T) {
	m, c := hostModule(t, "func wrong() { undefinedThing() }\n")
	var out strings.Builder
	s := m.RunHost(t.Context(), c, []string{"./..."}, TestOptions{}, &out)
	require.False(t, s.OK())
	require.Zero(t, s.Result.Passed)
	require.Contains(t, s.Result.Failures[0].Text, "undefinedThing")
}
