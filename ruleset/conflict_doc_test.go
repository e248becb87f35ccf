package ruleset

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestConflictsDoc: the guide has a row for each code.
func TestConflictsDoc(t *testing.T) {
	if os.Getenv("FASTPATH_VM") != "" {
		return // the micro VMs have no docs; the test has run where they are built
	}
	page, err := os.ReadFile("../docs/conflicts.md")
	require.NoError(t, err)
	for _, code := range []string{"announced-bit", "foreign-flowtable", "skipped-chain", "other-writer", "dormant-table", "owned-table"} {
		assert.Contains(t, string(page), "| `"+code+"` |")
	}
}
