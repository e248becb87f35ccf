package ruleset

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPolicyDoc compiles the examples of docs/policy.md and compares them with the nft text behind each.
func TestPolicyDoc(t *testing.T) {
	if os.Getenv("FASTPATH_VM") != "" {
		return // the micro VMs have no docs; the test has run where they are built
	}
	page, err := os.ReadFile("../docs/policy.md")
	require.NoError(t, err)
	examples := regexp.MustCompile("(?s)```json\n(.*?)```\n```nft\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	require.Len(t, examples, 3)
	for _, e := range examples {
		spec, err := Parse(strings.NewReader(e[1]))
		require.NoError(t, err)
		require.NoError(t, spec.Validate())
		_, chain, _ := strings.Cut(writeNFT(t, spec), "\n\tchain ")
		chain = strings.TrimSuffix("\tchain "+chain, "}\n")
		assert.Equal(t, e[2], strings.ReplaceAll("\n"+chain, "\n\t", "\n")[1:])
	}
	var told, known []string
	for _, code := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		told = append(told, code[1])
	}
	files, err := filepath.Glob("lint*.go")
	require.NoError(t, err)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, code := range regexp.MustCompile(`\.add\("([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
			known = append(known, code[1])
		}
	}
	slices.Sort(known)
	assert.Equal(t, slices.Compact(known), told, "the codes of Lint, and those of the page")
}
