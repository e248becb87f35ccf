package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Kernel is one Debian kernel in the cache. Its fields are set once by Prepare;
// it is safe to read from several goroutines.
type Kernel struct {
	Selector string    // as the user chose it: 6.1, 6.12 or sid
	Label    string    // major.minor of the real version, such as 7.2
	Release  string    // uname -r, such as 6.1.0-44-amd64
	Version  string    // Debian package version, such as 6.1.164-1
	Checked  time.Time // when the archive was last asked for a newer one
	dir      string
}

// ErrUnavailable is matched by errors that say a kernel cannot be had today,
// because its archive cannot be reached or is in flux, and is not cached either.
var ErrUnavailable = errors.New("kernel not available")

// recheck is how long a resolved kernel is used before the archive is asked again.
const recheck = 24 * time.Hour

// Selectors are the kernels that are tested, oldest first.
func Selectors() []string { return []string{"6.1", "6.12", "sid"} }

// selector maps what a user types to one of Selectors. The newest kernel of sid
// answers to "sid" and to any version that is neither of the other two.
func selector(s string) (string, error) {
	switch {
	case s == "6.1" || s == "6.12" || s == "sid":
		return s, nil
	case regexp.MustCompile(`^[7-9]\.\d+$`).MatchString(s):
		return "sid", nil
	}
	return "", fmt.Errorf("kernel %q: choose one of 6.1, 6.12, 7.2 (the newest of Debian sid, also called sid)", s)
}

func sourcesOf(sel string, m mirrors) []aptSource {
	switch sel {
	case "6.1":
		return []aptSource{{m.main, []string{"bookworm", "bookworm-updates"}}, {m.security, []string{"bookworm-security"}}}
	case "6.12":
		return []aptSource{{m.main, []string{"bookworm-backports"}}}
	case "trixie":
		return []aptSource{{m.main, []string{"trixie"}}}
	}
	return []aptSource{{m.main, []string{"sid"}}}
}

// Prepare fills the cache for one kernel and returns it. With everything cached
// it takes milliseconds and needs no network.
func (c *Cache) Prepare(ctx context.Context, name string, say func(string, ...any)) (*Kernel, error) {
	sel, err := selector(name)
	if err != nil {
		return nil, err
	}
	unlock, err := c.lock("kernel-" + sel)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := os.MkdirAll(c.path("kernels", sel), 0o755); err != nil {
		return nil, err
	}
	old := c.current(sel)
	if old != nil && time.Since(old.Checked).Abs() < recheck {
		if err := c.complete(ctx, old, say); err == nil {
			return old, nil
		}
	}
	k, err := c.resolveAndFetch(ctx, sel, old, say)
	if err == nil {
		return k, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if old != nil {
		say("WARNING: cannot look for a newer kernel, using the cached one: %v", err)
		if err = c.complete(ctx, old, say); err == nil {
			return old, nil
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// resolveAndFetch asks the archive for the newest kernel and makes it complete
// before it becomes the current one.
func (c *Cache) resolveAndFetch(ctx context.Context, sel string, old *Kernel, say func(string, ...any)) (*Kernel, error) {
	apt, err := c.apt(sel)
	if err != nil {
		return nil, err
	}
	say("asking the archive for the newest kernel")
	if err := apt.update(ctx); err != nil {
		return nil, err
	}
	k, pkgs, err := resolve(ctx, apt, sel)
	if err != nil {
		return nil, err
	}
	k.dir = c.path("kernels", sel, k.Release+"_"+strings.ReplaceAll(k.Version, "/", "_"))
	list := strings.Join(pkgs, " ")
	if b, err := os.ReadFile(k.file("debs", "list")); err != nil || string(b) != list {
		say("downloading %s", list)
		if err := apt.download(ctx, k.file("debs"), pkgs...); err != nil {
			return nil, err
		}
		if err := writeAtomic(k.file("debs", "list"), []byte(list)); err != nil {
			return nil, err
		}
	}
	if err := c.complete(ctx, k, say); err != nil {
		return nil, err
	}
	k.Checked = time.Now()
	if err := c.setCurrent(k); err != nil {
		return nil, err
	}
	if old != nil && old.dir != k.dir {
		say("replaced %s by %s", old.Version, k.Version)
		return k, os.RemoveAll(old.dir)
	}
	return k, nil
}

// complete makes what is missing of a downloaded kernel.
func (c *Cache) complete(ctx context.Context, k *Kernel, say func(string, ...any)) error {
	if err := k.unpack(ctx, say); err != nil {
		return err
	}
	if k.Selector == "sid" {
		if err := c.fetchTrixieNFT(ctx, say); err != nil {
			return err
		}
	}
	return c.buildHwsim(ctx, k, say)
}

func (c *Cache) apt(sel string) (*privateApt, error) {
	m, err := systemMirrors("/etc/apt")
	if err != nil {
		return nil, err
	}
	return newPrivateApt(c.path("apt", sel), sourcesOf(sel, m))
}

// kernelParts are the packages that hold the image, its modules and their lists:
// one package up to 6.12, several from 7.x on.
var kernelParts = regexp.MustCompile(`^linux-(image|binary|modules|base)-\d`)

// resolve finds the packages of the newest kernel. The name linux-image-amd64
// is stable, the names it depends on are not.
func resolve(ctx context.Context, apt *privateApt, sel string) (*Kernel, []string, error) {
	meta, err := apt.show(ctx, "linux-image-amd64")
	if err != nil {
		return nil, nil, err
	}
	pkgs, err := closure(ctx, apt, meta, kernelParts)
	if err != nil {
		return nil, nil, err
	}
	if len(pkgs) == 0 {
		return nil, nil, fmt.Errorf("linux-image-amd64 %s depends on no kernel package: %v", meta.version, meta.depends)
	}
	k := &Kernel{Selector: sel}
	first, _, _ := strings.Cut(pkgs[0], "=")
	_, k.Release, _ = strings.Cut(strings.TrimPrefix(first, "linux-"), "-")
	_, k.Version, _ = strings.Cut(pkgs[0], "=")
	k.Label = label(k.Version)
	return k, pkgs, nil
}

// label is major.minor of a version such as 6.12.95-1~bpo12+1.
func label(version string) string {
	return regexp.MustCompile(`^\d+\.\d+`).FindString(version)
}

// closure follows those dependencies of p whose names match, and returns them
// as name=version.
func closure(ctx context.Context, apt *privateApt, p *aptPackage, match *regexp.Regexp) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	for queue := p.depends; len(queue) > 0; queue = queue[1:] {
		name, _, _ := strings.Cut(queue[0], "=")
		if seen[name] || !match.MatchString(name) {
			continue
		}
		seen[name] = true
		d, err := apt.show(ctx, queue[0])
		if err != nil {
			return nil, err
		}
		out = append(out, d.name+"="+d.version)
		queue = append(queue, d.depends...)
	}
	return out, nil
}

func (k *Kernel) file(parts ...string) string {
	return filepath.Join(append([]string{k.dir}, parts...)...)
}

// String is how reports name a kernel.
func (k *Kernel) String() string { return fmt.Sprintf("%s, %s", k.Release, k.Version) }

// current is the kernel that was resolved last, nil if there is none.
func (c *Cache) current(sel string) *Kernel {
	b, err := os.ReadFile(c.path("kernels", sel, "current.json"))
	if err != nil {
		return nil
	}
	var f struct {
		Kernel
		Dir string
	}
	if json.Unmarshal(b, &f) != nil || f.Dir == "" {
		return nil
	}
	f.dir = c.path("kernels", sel, f.Dir)
	if !exists(f.dir) {
		return nil
	}
	return &f.Kernel
}

func (c *Cache) setCurrent(k *Kernel) error {
	b, err := json.MarshalIndent(struct {
		Kernel
		Dir string
	}{*k, filepath.Base(k.dir)}, "", "  ")
	if err != nil {
		return err
	}
	return writeAtomic(c.path("kernels", k.Selector, "current.json"), append(b, '\n'))
}
