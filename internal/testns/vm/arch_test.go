package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestArchRunner(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"qemu-i386", "qemu-s390x"} {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o755))
	}
	t.Setenv("PATH", bin)
	drop := []string{"setpriv", "--bounding-set=-all", "--inh-caps=-all"}
	for _, c := range []struct {
		goarch, host string
		root         bool
		want         []string
	}{
		{"386", "amd64", false, nil},
		{"386", "amd64", true, drop},
		{"386", "arm64", false, []string{"qemu-i386"}},
		{"s390x", "s390x", true, drop},
		{"s390x", "amd64", true, append(drop[:3:3], "qemu-s390x")},
	} {
		got, err := archRunner(t.Context(), c.goarch, c.host, c.root, t.Logf)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%s on %s", c.goarch, c.host)
	}
}

// A processor that cannot be had is told in the summary, and is no success.
func TestArchThatCannotBeHad(t *testing.T) {
	var out strings.Builder
	s := (&Module{}).RunArch(t.Context(), "pdp11", nil, nil, false, t.Logf, &out)
	require.False(t, s.OK())
	require.Equal(t, `pdp11: NOT RUN: no emulator is known for the processor "pdp11"`, s.String())
	require.Contains(t, out.String(), "NOT RUN")
}
