package vm

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSlowestLineNamesTenTestsTheLongestFirst(t *testing.T) {
	out := ""
	for i := 1; i <= 12; i++ {
		out += fmt.Sprintf("\x16=== RUN   T%d\n\x16=== RUN   T%d/sub\n\x16--- PASS: T%d/sub (60.00s)\n\x16--- PASS: T%d (%d.00s)\n", i, i, i, i, i)
	}
	out += "\x16=== RUN   Quick\n\x16--- PASS: Quick (0.99s)\n\x16PASS\n"
	converter := filepath.Join(t.TempDir(), "test2json")
	_, err := command(t.Context(), "", "go", "build", "-o", converter, "cmd/test2json")
	require.NoError(t, err)
	c, err := parseTestOutput(converter, "p", []byte(out), 0)
	require.NoError(t, err)
	line := Summary{Name: "kernel 6.1", Result: c.result()}.SlowestLine()
	require.True(t, strings.HasPrefix(line, "kernel 6.1, slowest: 12 s p T12, 11 s p T11, 10 s p T10, "), line)
	require.True(t, strings.HasSuffix(line, ", 4 s p T4, 3 s p T3"), line)
}

func TestSlowestLineIsEmptyWhereNothingTookASecond(t *testing.T) {
	s := Summary{Name: "host", Result: Result{Times: []Timing{{Package: "p", Test: "T", Seconds: 0.99}}}}
	require.Empty(t, s.SlowestLine())
}
