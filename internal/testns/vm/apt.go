package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// privateApt is an apt with its own sources, lists, cache and package status:
// it reads other Debian suites without the system's apt ever knowing of them.
// An instance must not be used concurrently; the cache lock of its name guards it.
type privateApt struct {
	dir  string // state of this apt
	conf string // its options
	read string // the sources as text
}

// aptSource is one archive to read: a mirror and its suites.
type aptSource struct {
	mirror string
	suites []string
}

func newPrivateApt(dir, architecture string, sources []aptSource) (*privateApt, error) {
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	var b strings.Builder
	for _, s := range sources {
		fmt.Fprintf(&b, "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: %s\nSigned-By: %s\n\n",
			s.mirror, strings.Join(s.suites, " "), architecture, debianKeyring)
	}
	list := filepath.Join(dir, "fastpath.sources")
	if err := writeAtomic(list, []byte(b.String())); err != nil {
		return nil, err
	}
	status := filepath.Join(dir, "status") // empty: nothing counts as installed
	if err := writeAtomic(status, nil); err != nil {
		return nil, err
	}
	var conf strings.Builder
	for _, o := range [][2]string{
		{"Dir::Etc::sourcelist", list}, {"Dir::Etc::sourceparts", "/dev/null"},
		{"Dir::Etc::preferences", "/dev/null"}, {"Dir::Etc::preferencesparts", "/dev/null"},
		{"Dir::State::Lists", filepath.Join(dir, "lists")}, {"Dir::State::status", status},
		{"Dir::State::extended_states", filepath.Join(dir, "extended_states")},
		{"Dir::Cache", filepath.Join(dir, "cache")},
		{"APT::Architecture", architecture}, {"APT::Architectures", architecture}, {"APT::Sandbox::User", "root"}, {"APT::Get::List-Cleanup", "0"},
		{"APT::Update::Error-Mode", "any"}, // else an archive that cannot be reached is no error
		{"Acquire::Languages", "none"}, {"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false"},
		{"Acquire::Retries", "2"}, {"Acquire::http::Timeout", "60"}, {"Debug::NoLocking", "1"},
	} {
		fmt.Fprintf(&conf, "%s %q;\n", o[0], o[1])
	}
	// A file given with -c is read after the system's own: it wins.
	path := filepath.Join(dir, "apt.conf")
	return &privateApt{dir: dir, conf: path, read: b.String()}, writeAtomic(path, []byte(conf.String()))
}

func (a *privateApt) run(ctx context.Context, dir, tool string, args ...string) ([]byte, error) {
	out, err := command(ctx, dir, tool, append([]string{"-q", "-c", a.conf}, args...)...)
	if err != nil {
		return out, fmt.Errorf("%s %s: %w", tool, strings.Join(args, " "), aptError(err))
	}
	return out, nil
}

// aptError keeps the lines that apt marks as errors, if there are any.
func aptError(err error) error {
	var lines []string
	for _, l := range strings.Split(err.Error(), "\n") {
		if e, ok := strings.CutPrefix(l, "E: "); ok {
			lines = append(lines, e)
		}
	}
	if len(lines) == 0 {
		return err
	}
	return errors.New(strings.Join(lines, "; "))
}

// freshLists is how long package lists are used before they are read again: several kernels of one archive are prepared with one reading.
const freshLists = time.Hour

// update reads the package lists, unless that was done lately.
func (a *privateApt) update(ctx context.Context) error {
	stamp := filepath.Join(a.dir, "updated")
	st, err := os.Stat(stamp)
	if text, e := os.ReadFile(stamp); err == nil && e == nil && string(text) == a.read && time.Since(st.ModTime()).Abs() < freshLists {
		return nil
	}
	if _, err := a.run(ctx, "", "apt-get", "update"); err != nil {
		return err
	}
	return writeAtomic(stamp, []byte(a.read))
}

// names are the packages whose names begin so.
func (a *privateApt) names(ctx context.Context, prefix string) ([]string, error) {
	out, err := a.run(ctx, "", "apt-cache", "pkgnames", prefix)
	return strings.Fields(string(out)), err
}

// has reports whether the lists hold a package; spec is "name" or "name=version".
func (a *privateApt) has(ctx context.Context, spec string) (bool, error) {
	name, version, _ := strings.Cut(spec, "=")
	out, err := a.run(ctx, "", "apt-cache", "madison", name)
	if err != nil {
		return false, err
	}
	for _, line := range strings.Split(string(out), "\n") { // "name | version | source"
		f := strings.Split(line, "|")
		if len(f) == 3 && strings.TrimSpace(f[0]) == name && (version == "" || strings.TrimSpace(f[1]) == version) {
			return true, nil
		}
	}
	return false, nil
}

// fetch downloads packages ("name=version") with all they need into the
// archives folder of this apt.
func (a *privateApt) fetch(ctx context.Context, pkgs ...string) error {
	_, err := a.run(ctx, "", "apt-get", append([]string{"-y", "install", "--download-only", "--no-install-recommends"}, pkgs...)...)
	return err
}

func (a *privateApt) archives() string { return filepath.Join(a.dir, "cache/archives") }

// clean removes what fetch downloaded.
func (a *privateApt) clean(ctx context.Context) error {
	_, err := a.run(ctx, "", "apt-get", "clean")
	return err
}

// download puts exact versions ("name=version") into dir.
func (a *privateApt) download(ctx context.Context, dir string, pkgs ...string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	_, err := a.run(ctx, dir, "apt-get", append([]string{"download"}, pkgs...)...)
	return err
}

// aptPackage is what the lists say about the newest version of a package.
type aptPackage struct {
	name, version string
	depends       []string // "name" or "name=version" of exact dependencies, first alternatives only
}

var dependency = regexp.MustCompile(`^([a-z0-9][a-z0-9+.-]+)(?::any)?(?: \(([<>=]+) ([^)]+)\))?`)

// show looks a package up; spec is "name" or "name=version".
func (a *privateApt) show(ctx context.Context, spec string) (*aptPackage, error) {
	out, err := a.run(ctx, "", "apt-cache", "show", "--no-all-versions", spec)
	if err != nil {
		return nil, err
	}
	p := parseShow(string(out))
	if p.name == "" || p.version == "" {
		return nil, fmt.Errorf("package %s: not in the lists of %s", spec, a.dir)
	}
	return p, nil
}

func parseShow(text string) *aptPackage {
	p := &aptPackage{}
	for _, line := range strings.Split(text, "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "Package":
			p.name = value
		case "Version":
			p.version = value
		case "Depends", "Pre-Depends":
			for _, d := range strings.Split(value, ", ") {
				m := dependency.FindStringSubmatch(d)
				switch {
				case m == nil:
				case m[2] == "=":
					p.depends = append(p.depends, m[1]+"="+m[3])
				default:
					p.depends = append(p.depends, m[1])
				}
			}
		}
	}
	return p
}
