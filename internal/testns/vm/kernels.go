package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Kernel is one Debian kernel in the cache. Its fields are set once by Prepare;
// it is safe to read from several goroutines.
type Kernel struct {
	Selector string    // as the user chose it: 6.1, 6.12-trixie, sid, 6.1-s390x
	Archive  string    // the Debian archive that it is from
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

// Prepare fills the cache for one kernel and returns it. With everything cached
// it takes milliseconds and needs no network.
func (c *Cache) Prepare(ctx context.Context, name string, say func(string, ...any)) (*Kernel, error) {
	ch, err := choose(name)
	if err != nil {
		return nil, err
	}
	sel := ch.selector
	unlock, err := c.lock("kernel-" + sel)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := processorOf(sel).install(ctx, say); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.path("kernels", sel), 0o755); err != nil {
		return nil, err
	}
	old := c.current(sel)
	if old != nil && time.Since(old.Checked).Abs() < recheck {
		if err := c.complete(ctx, old, say); err == nil {
			return old, nil
		}
	}
	k, err := c.resolveAndFetch(ctx, ch, old, say)
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

// resolveAndFetch asks the archives for the newest kernel and makes it complete
// before it becomes the current one.
func (c *Cache) resolveAndFetch(ctx context.Context, ch choice, old *Kernel, say func(string, ...any)) (*Kernel, error) {
	k, err := c.fetchKernel(ctx, ch, say)
	if err != nil {
		return nil, err
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

// errNotThere is matched when an archive has no kernel of a series.
var errNotThere = errors.New("not in the archive")

// fetchKernel downloads the packages of a kernel from the first archive that has it.
func (c *Cache) fetchKernel(ctx context.Context, ch choice, say func(string, ...any)) (*Kernel, error) {
	var errs []error
	for _, a := range ch.archives {
		k, err := c.fetchFrom(ctx, ch, a, say)
		if !errors.Is(err, errNotThere) {
			return k, err
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func (c *Cache) fetchFrom(ctx context.Context, ch choice, a archive, say func(string, ...any)) (*Kernel, error) {
	apt, unlock, err := c.apt(a)
	if err != nil {
		return nil, err
	}
	defer unlock()
	say("asking %s for the newest kernel", a.name)
	if err := apt.update(ctx); err != nil {
		return nil, err
	}
	k, pkgs, err := resolve(ctx, apt, ch, a, say)
	if err != nil {
		return nil, err
	}
	k.dir = c.path("kernels", k.Selector, k.Release+"_"+strings.ReplaceAll(k.Version, "/", "_"))
	list := strings.Join(pkgs, " ")
	if b, err := os.ReadFile(k.file("debs", "list")); err == nil && string(b) == list {
		return k, nil
	}
	say("downloading %s", list)
	if err := apt.download(ctx, k.file("debs"), pkgs...); err != nil {
		return nil, err
	}
	return k, writeAtomic(k.file("debs", "list"), []byte(list))
}

// complete makes what is missing of a downloaded kernel.
func (c *Cache) complete(ctx context.Context, k *Kernel, say func(string, ...any)) error {
	if err := k.unpack(ctx, say); err != nil {
		return err
	}
	ch, err := choose(k.Selector)
	if err != nil {
		return err
	}
	if processorOf(k.Selector).foreign() {
		_, err := c.toolsRoot(ctx, k, say)
		return err
	}
	if ch.newTools {
		if err := c.fetchTrixieNFT(ctx, say); err != nil {
			return err
		}
	}
	return c.buildHwsim(ctx, k, say)
}

// apt is the private apt of an archive, locked until unlock is called.
func (c *Cache) apt(a archive) (apt *privateApt, unlock func(), err error) {
	m, err := systemMirrors("/etc/apt")
	if err != nil {
		return nil, nil, err
	}
	if unlock, err = c.lock("apt-" + a.name); err != nil {
		return nil, nil, err
	}
	if apt, err = newPrivateApt(c.path("apt", a.name), a.processor().debian, a.sources(m)); err != nil {
		unlock()
		return nil, nil, err
	}
	return apt, unlock, nil
}

// archive is the one that a kernel is from.
func (k *Kernel) archive() (archive, error) {
	ch, err := choose(k.Selector)
	if err != nil {
		return archive{}, err
	}
	for _, a := range ch.archives {
		if a.name == k.Archive {
			return a, nil
		}
	}
	return ch.archives[0], nil // the only one when the cache did not say which
}

// kernelParts are the packages that hold the image, its modules and their lists:
// one package up to 6.12, several from 6.19 on.
var kernelParts = regexp.MustCompile(`^linux-(image|binary|modules|base)-\d`)

// kernelHolders are those without which there is no kernel to boot.
var kernelHolders = regexp.MustCompile(`^linux-(image|binary|modules)-\d`)

// resolve finds the packages of the newest kernel of a choice in an archive.
func resolve(ctx context.Context, apt *privateApt, ch choice, a archive, say func(string, ...any)) (*Kernel, []string, error) {
	// The name of the package that depends on the newest kernel is stable, the names it depends on are not.
	meta := processorOf(ch.selector).kernel
	image := meta
	if ch.series != "" {
		var err error
		if image, err = newestImage(ctx, apt, ch.series, a); err != nil {
			return nil, nil, err
		}
	}
	top, err := apt.show(ctx, image)
	if err != nil {
		return nil, nil, err
	}
	found, err := closure(ctx, apt, top, kernelParts)
	if err != nil {
		return nil, nil, err
	}
	pkgs := found.packages
	if image != meta {
		pkgs = append([]string{top.name + "=" + top.version}, pkgs...)
	}
	for _, g := range found.gone {
		if kernelHolders.MatchString(g) {
			return nil, nil, fmt.Errorf("%s has %s, but no longer %s, without which it cannot boot", a.name, top.name, g)
		}
		say("%s has no %s any more: going on without it", a.name, g)
	}
	if len(pkgs) == 0 {
		return nil, nil, fmt.Errorf("%s %s of %s depends on no kernel package: %v", top.name, top.version, a.name, top.depends)
	}
	k := &Kernel{Selector: ch.selector, Archive: a.name}
	first, _, _ := strings.Cut(pkgs[0], "=")
	_, k.Release, _ = strings.Cut(strings.TrimPrefix(first, "linux-"), "-")
	_, k.Version, _ = strings.Cut(pkgs[0], "=")
	k.Label = label(k.Version)
	return k, pkgs, nil
}

// newestImage is the image package with the highest patch level of a series.
func newestImage(ctx context.Context, apt *privateApt, series string, a archive) (string, error) {
	names, err := apt.names(ctx, "linux-image-"+series+".")
	if err != nil {
		return "", err
	}
	newest := newestOf(names, series)
	if newest == "" {
		return "", fmt.Errorf("%w: %s has no linux-image-%s.x-amd64", errNotThere, a.name, series)
	}
	return newest, nil
}

// newestOf picks from package names such as linux-image-6.18.15+deb13-amd64; "" if none is of the series.
func newestOf(names []string, series string) string {
	image := regexp.MustCompile(`^linux-image-` + regexp.QuoteMeta(series) + `\.(\d+)\+deb\d+-amd64$`)
	newest, patch := "", -1
	for _, n := range names {
		m := image.FindStringSubmatch(n)
		if m == nil {
			continue
		}
		if p, err := strconv.Atoi(m[1]); err == nil && p > patch {
			newest, patch = n, p
		}
	}
	return newest
}

// label is major.minor of a version such as 6.12.95-1~bpo12+1.
func label(version string) string {
	return regexp.MustCompile(`^\d+\.\d+`).FindString(version)
}

// dependencies are what closure found of a package.
type dependencies struct {
	packages []string // name=version of those that match
	gone     []string // those that match and that the archive does not have
	others   []string // names of those that do not match, followed no further, without linux-*
}

// closure follows those dependencies of p whose names match.
func closure(ctx context.Context, apt *privateApt, p *aptPackage, match *regexp.Regexp) (*dependencies, error) {
	found := &dependencies{}
	seen := map[string]bool{}
	for queue := p.depends; len(queue) > 0; queue = queue[1:] {
		name, _, _ := strings.Cut(queue[0], "=")
		if seen[name] {
			continue
		}
		seen[name] = true
		if !match.MatchString(name) {
			if !strings.HasPrefix(name, "linux-") {
				found.others = append(found.others, name)
			}
			continue
		}
		if there, err := apt.has(ctx, queue[0]); err != nil {
			return nil, err
		} else if !there {
			found.gone = append(found.gone, name)
			continue
		}
		d, err := apt.show(ctx, queue[0])
		if err != nil {
			return nil, err
		}
		found.packages = append(found.packages, d.name+"="+d.version)
		queue = append(queue, d.depends...)
	}
	return found, nil
}

func (k *Kernel) file(parts ...string) string {
	return filepath.Join(append([]string{k.dir}, parts...)...)
}

// Name is major.minor of its version, and the release of Debian where that leaves a doubt: 7.3, 6.12-trixie.
func (k *Kernel) Name() string {
	if strings.HasPrefix(k.Selector, k.Label+"-") {
		return k.Selector
	}
	return k.Label
}

// String is how reports give a kernel's exact version.
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
