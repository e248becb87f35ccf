package fastpath_test

import (
	"os"
	"strings"
	"testing"
)

// TestReadme holds the declaration in README.md to the one of Example, which is compiled and run.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(readme), "```go\n")
	if !ok {
		t.Fatal("README.md has no Go block")
	}
	block, _, _ = strings.Cut(block, "```")
	indented := "\t" + strings.ReplaceAll(strings.TrimSpace(block), "\n", "\n\t")
	if !strings.Contains(string(example), indented) {
		t.Errorf("README.md's first Go block is not in example_test.go:\n%s", block)
	}
}
