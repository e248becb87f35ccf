package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// mirrors are where the system itself gets Debian from.
type mirrors struct{ main, security string }

// systemMirrors reads the system's apt sources, in either of their two forms.
func systemMirrors(etc string) (mirrors, error) {
	files, err := filepath.Glob(filepath.Join(etc, "sources.list.d", "*"))
	if err != nil {
		return mirrors{}, err
	}
	var m mirrors
	for _, f := range append(files, filepath.Join(etc, "sources.list")) {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		switch filepath.Ext(f) {
		case ".sources":
			for _, stanza := range strings.Split(string(b), "\n\n") {
				m.add(stanzaFields(stanza))
			}
		case ".list":
			for _, line := range strings.Split(string(b), "\n") {
				m.add(lineFields(line))
			}
		}
	}
	if m.main == "" {
		return m, fmt.Errorf("no Debian archive in the sources below %s; this needs a Debian host", etc)
	}
	if m.security == "" {
		m.security = strings.TrimSuffix(m.main, "/") + "-security"
	}
	return m, nil
}

// add takes the first archive that looks like Debian's own.
func (m *mirrors) add(uri, suite string) {
	uri = strings.TrimSuffix(uri, "/")
	switch {
	case strings.HasSuffix(uri, "/debian-security") || strings.HasSuffix(suite, "-security"):
		if m.security == "" {
			m.security = uri
		}
	case strings.HasSuffix(uri, "/debian"):
		if m.main == "" {
			m.main = uri
		}
	}
}

func stanzaFields(stanza string) (uri, suite string) {
	for _, line := range strings.Split(stanza, "\n") {
		key, value, ok := strings.Cut(line, ":")
		first := strings.Fields(value)
		if !ok || len(first) == 0 {
			continue
		}
		switch strings.ToLower(key) {
		case "uris":
			uri = first[0]
		case "suites":
			suite = first[0]
		case "enabled":
			if first[0] == "no" {
				return "", ""
			}
		}
	}
	return uri, suite
}

// lineFields reads "deb [options] uri suite component...".
func lineFields(line string) (uri, suite string) {
	if i := strings.Index(line, "["); i >= 0 {
		if j := strings.Index(line, "]"); j > i {
			line = line[:i] + line[j+1:]
		}
	}
	f := strings.Fields(line)
	if len(f) < 3 || f[0] != "deb" {
		return "", ""
	}
	return f[1], f[2]
}
