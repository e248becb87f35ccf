package vm

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestArchRunner(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"qemu-arm", "qemu-s390x"} {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o755))
	}
	t.Setenv("PATH", bin)
	drop := []string{"setpriv", "--bounding-set=-all", "--inh-caps=-all"}
	for _, c := range []struct {
		goarch, host  string
		runs386, root bool
		want          []string
	}{
		{"386", "amd64", true, false, nil},
		{"386", "amd64", true, true, drop},
		{"386", "amd64", false, true, append(drop[:3:3], "qemu-arm")},
		{"386", "arm64", true, false, []string{"qemu-arm"}},
		{"s390x", "s390x", false, true, drop},
		{"s390x", "amd64", true, true, append(drop[:3:3], "qemu-s390x")},
	} {
		use, note := insteadOf386(c.goarch, c.host, func() bool { return c.runs386 })
		require.Equal(t, use == c.goarch, note == "", "it is said")
		got, err := archRunner(t.Context(), use, c.host, c.root, t.Logf)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%s on %s", c.goarch, c.host)
	}
}

// A processor that cannot be had is told in the summary, and is no success.
func TestArchThatCannotBeHad(t *testing.T) {
	var out strings.Builder
	s := (&Module{}).RunArch(t.Context(), nil, "pdp11", nil, TestOptions{}, t.Logf, &out)
	require.False(t, s.OK())
	require.Equal(t, `pdp11: NOT RUN: no emulator is known for the processor "pdp11"`, s.String())
	require.Contains(t, out.String(), "NOT RUN")
}

// The program that tells whether 386 runs natively is whole: where this host refuses it, it is not the file's fault.
func TestProgram386(t *testing.T) {
	f, err := elf.NewFile(bytes.NewReader(program386()))
	require.NoError(t, err)
	require.Equal(t, elf.EM_386, f.Machine)
	require.Len(t, f.Progs, 1)
	require.Equal(t, uint64(len(program386())), f.Progs[0].Filesz)
	require.Less(t, f.Entry-f.Progs[0].Vaddr, f.Progs[0].Filesz)
}
