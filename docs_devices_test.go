package fastpath_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the table of docs/devices.md anew")

// What TestStacks of internal/testns measured, and where it is told.
const (
	layersData  = "internal/testns/testdata/layers-*.txt"
	devicesPage = "docs/devices.md"
	tableBegin  = "<!-- measured: begin -->\n"
	tableEnd    = "<!-- measured: end -->\n"
)

// TestDevicesTable holds the page's table against what was measured on four kernels.
func TestDevicesTable(t *testing.T) {
	page, err := os.ReadFile(devicesPage)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(page), tableBegin)
	require.True(t, ok)
	table, after, ok := strings.Cut(rest, tableEnd)
	require.True(t, ok)
	want := devicesTable(t)
	if *update {
		require.NoError(t, os.WriteFile(devicesPage, []byte(before+tableBegin+want+tableEnd+after), 0o644))
		return
	}
	assert.Equal(t, want, table, "write it anew by: go test . -run TestDevicesTable -update")
}

// devicesTable is one row for each stack, one column for each way to list its devices.
func devicesTable(t *testing.T) string {
	files, err := filepath.Glob(layersData)
	require.NoError(t, err)
	require.Len(t, files, 4)
	var kernels, stacks []string
	devices, outcomes := map[string]string{}, map[[3]string]string{} // by stack; by stack, policy and kernel
	for _, file := range files {
		kernel := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "layers-"), ".txt")
		kernels = append(kernels, kernel)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if stack, list, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "# "), ": "); ok && line[0] == '#' {
				if devices[stack] == "" {
					stacks = append(stacks, stack)
				}
				devices[stack] = list
				continue
			}
			f := strings.Fields(line)
			outcome := strings.Join(f[3:], " ")
			if key := [3]string{f[0], f[1], kernel}; f[2] == "tcp" {
				outcomes[key] = outcome
			} else {
				require.Equal(t, outcomes[key], outcome, "TCP and UDP differ: %s", line)
			}
		}
	}
	var b strings.Builder
	b.WriteString("| stack | devices, from the top | logical | middle | lower | all |\n|---|---|---|---|---|---|\n")
	for _, s := range stacks {
		fmt.Fprintf(&b, "| %s | %s |", s, devices[s])
		for _, policy := range []string{"logical", "middle", "lower", "all"} {
			fmt.Fprintf(&b, " %s |", perKernel(kernels, func(k string) string { return outcomes[[3]string{s, policy, k}] }))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// perKernel names kernels where they differ.
func perKernel(kernels []string, of func(kernel string) string) string {
	var parts []string
	for i := 0; i < len(kernels); {
		end := i
		for end < len(kernels) && of(kernels[end]) == of(kernels[i]) {
			end++
		}
		if i == 0 && end == len(kernels) {
			return of(kernels[0])
		}
		parts = append(parts, strings.Join(kernels[i:end], ", ")+": "+of(kernels[i]))
		i = end
	}
	return strings.Join(parts, "; ")
}
