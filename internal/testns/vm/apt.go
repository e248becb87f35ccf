package vm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// privateApt is an apt with its own sources, lists, cache and package status:
// it reads other Debian suites without the system's apt ever knowing of them.
// An instance must not be used concurrently; the cache lock of its name guards it.
type privateApt struct {
	dir     string // state of this apt
	options []string
}

// aptSource is one archive to read: a mirror and its suites.
type aptSource struct {
	mirror string
	suites []string
}

func newPrivateApt(dir string, sources []aptSource) (*privateApt, error) {
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	var b strings.Builder
	for _, s := range sources {
		fmt.Fprintf(&b, "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: amd64\nSigned-By: %s\n\n",
			s.mirror, strings.Join(s.suites, " "), debianKeyring)
	}
	list := filepath.Join(dir, "fastpath.sources")
	if err := writeAtomic(list, []byte(b.String())); err != nil {
		return nil, err
	}
	status := filepath.Join(dir, "status") // empty: nothing counts as installed
	if err := writeAtomic(status, nil); err != nil {
		return nil, err
	}
	a := &privateApt{dir: dir}
	for _, o := range []string{
		"Dir::Etc::sourcelist=" + list, "Dir::Etc::sourceparts=/dev/null",
		"Dir::Etc::preferences=/dev/null", "Dir::Etc::preferencesparts=/dev/null",
		"Dir::State::Lists=" + filepath.Join(dir, "lists"), "Dir::State::status=" + status,
		"Dir::State::extended_states=" + filepath.Join(dir, "extended_states"),
		"Dir::Cache=" + filepath.Join(dir, "cache"),
		"APT::Sandbox::User=root", "APT::Get::List-Cleanup=0", "Acquire::Languages=none", "Debug::NoLocking=1",
		"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "APT::Update::Post-Invoke-Success::=true",
		"Acquire::Retries=2", "Acquire::http::Timeout=60", "APT::Architecture=amd64",
	} {
		a.options = append(a.options, "-o", o)
	}
	return a, nil
}

func (a *privateApt) get(ctx context.Context, dir string, args ...string) ([]byte, error) {
	return command(ctx, dir, "apt-get", append(append([]string{"-q", "-y"}, a.options...), args...)...)
}

// update reads the package lists. apt-get says 0 when an archive could not be
// reached; Error-Mode makes that an error.
func (a *privateApt) update(ctx context.Context) error {
	_, err := a.get(ctx, "", "-o", "APT::Update::Error-Mode=any", "update")
	return err
}

// download puts exact versions ("name=version") into dir and returns nothing but an error.
func (a *privateApt) download(ctx context.Context, dir string, pkgs ...string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	_, err := a.get(ctx, dir, append([]string{"download"}, pkgs...)...)
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
	out, err := command(ctx, "", "apt-cache", append(append([]string{"-q"}, a.options...), "show", "--no-all-versions", spec)...)
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
