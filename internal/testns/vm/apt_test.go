package vm

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseShowReadsDependencies(t *testing.T) {
	p := parseShow("Package: linux-image-amd64\nVersion: 7.2.13-1\n" +
		"Depends: linux-base-amd64 (= 7.2.13-1), linux-image-7.2.13+deb14-amd64 (= 7.2.13-1), kmod, initramfs-tools (>= 0.120) | dracut\n")
	require.Equal(t, &aptPackage{name: "linux-image-amd64", version: "7.2.13-1", depends: []string{
		"linux-base-amd64=7.2.13-1", "linux-image-7.2.13+deb14-amd64=7.2.13-1", "kmod", "initramfs-tools"}}, p)
}

func TestSystemMirrors(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		want       mirrors
	}{
		"deb822": {"sources.list.d/debian.sources",
			"Types: deb\n# a comment: with a colon\nURIs: http://deb.example/debian/\nSuites: bookworm bookworm-updates\n\n" +
				"Types: deb\nURIs: http://sec.example/debian-security\nSuites: bookworm-security\n",
			mirrors{"http://deb.example/debian", "http://sec.example/debian-security"}},
		"one line": {"sources.list",
			"# deb http://no.example/debian bookworm main\ndeb [arch=amd64 signed-by=/k.gpg] http://deb.example/debian bookworm main\n",
			mirrors{"http://deb.example/debian", "http://deb.example/debian-security"}},
	} {
		t.Run(name, func(t *testing.T) {
			etc := t.TempDir()
			require.NoError(t, os.MkdirAll(filepath.Join(etc, "sources.list.d"), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(etc, c.file), []byte(c.text), 0o644))
			m, err := systemMirrors(etc)
			require.NoError(t, err)
			require.Equal(t, c.want, m)
		})
	}
	_, err := systemMirrors(t.TempDir())
	require.ErrorContains(t, err, "needs a Debian host")
}

func TestAptErrorKeepsWhatAptCallsErrors(t *testing.T) {
	err := aptError(errors.New("exit status 100\nIgn:1 noise\nE: Unable to locate package linux\nE: No packages found"))
	require.EqualError(t, err, "Unable to locate package linux; No packages found")
	plain := errors.New("exit status 1")
	require.Equal(t, plain, aptError(plain))
}
