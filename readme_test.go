package fastpath_test

import (
	"os"
	"strings"
	"testing"
)

// TestReadme holds what README.md shows first of declaring, following and keeping to the examples, which are compiled and run.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, heading := range []string{"## In Go\n", "## Follow it\n", "## Keep it attached\n"} {
		_, section, _ := strings.Cut(string(readme), heading)
		_, block, ok := strings.Cut(section, "```go\n")
		if !ok {
			t.Fatalf("README.md has no Go block under %q", heading)
		}
		block, _, _ = strings.Cut(block, "```")
		indented := "\t" + strings.ReplaceAll(strings.TrimSpace(block), "\n", "\n\t")
		if !strings.Contains(string(example), indented) {
			t.Errorf("README.md's first Go block under %q is not in example_test.go:\n%s", heading, block)
		}
	}
}
