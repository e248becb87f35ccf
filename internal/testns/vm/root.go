package vm

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A root is a folder with a minimal Debian of one archive, unpacked and not configured: package scripts are not run, so it takes seconds
// and cannot touch the host. Kernels share roots.

// toolPackages bring the guest's tools of newer kernels, with all that they need.
func toolPackages() []string {
	return strings.Fields("base-files dash bash nftables conntrack iproute2")
}

// compilerPackages make a folder in which a module can be built. The compiler that a kernel asks for is added.
func compilerPackages() []string {
	return strings.Fields("base-files dash bash coreutils sed grep mawk findutils diffutils binutils make libc6-dev kmod")
}

// renewRoot is how long a root is used before it is made anew, since sid moves.
const renewRoot = 14 * 24 * time.Hour

// root is a root with these packages. One that is too old goes on serving when the archive cannot be reached.
func (c *Cache) root(ctx context.Context, a archive, pkgs []string, say func(string, ...any)) (string, error) {
	name := a.name + "-" + hashOf(pkgs...)
	unlock, err := c.lock("root-" + name)
	if err != nil {
		return "", err
	}
	defer unlock()
	root := c.path("roots", name)
	st, old := os.Stat(root)
	if old == nil && time.Since(st.ModTime()).Abs() < renewRoot {
		return root, nil
	}
	err = c.makeRoot(ctx, a, pkgs, root, say)
	if err != nil && old == nil && ctx.Err() == nil {
		say("WARNING: using old packages of %s: %v", a.name, err)
		return root, nil
	}
	return root, err
}

func (c *Cache) makeRoot(ctx context.Context, a archive, pkgs []string, root string, say func(string, ...any)) error {
	apt, unlock, err := c.apt(a)
	if err != nil {
		return err
	}
	defer unlock()
	if err := apt.update(ctx); err != nil {
		return err
	}
	if err := apt.clean(ctx); err != nil { // leftovers of an attempt that failed
		return err
	}
	say("downloading packages of %s: %s", a.name, strings.Join(pkgs, " "))
	if err := apt.fetch(ctx, pkgs...); err != nil {
		return err
	}
	say("unpacking them")
	tmp := root + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return err
	}
	if err := unpackRoot(ctx, apt.archives(), tmp); err != nil {
		return err
	}
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	if err := os.Rename(tmp, root); err != nil {
		return err
	}
	return apt.clean(ctx)
}

// unpackRoot unpacks packages and does what their scripts would have done, as far as needed.
func unpackRoot(ctx context.Context, debs, root string) error {
	// base-files comes first: it holds the links /bin -> usr/bin and its like.
	base, err := filepath.Glob(filepath.Join(debs, "base-files_*.deb"))
	if err != nil {
		return err
	}
	for _, f := range base {
		if _, err := command(ctx, "", "dpkg-deb", "-x", f, root); err != nil {
			return err
		}
	}
	if err := extractAll(ctx, debs, root); err != nil {
		return err
	}
	if err := relativeLinks(root); err != nil {
		return err
	}
	awk := filepath.Join(root, "usr/bin/awk")
	if exists(filepath.Join(root, "usr/bin/mawk")) && !exists(awk) {
		if err := os.Symlink("mawk", awk); err != nil {
			return err
		}
	}
	for _, d := range []string{"proc", "dev", "tmp", "build", "headers"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// toolsRoot is below which the guest's tools are: this host, or a root with sid's, or with those of another processor.
func (c *Cache) toolsRoot(ctx context.Context, k *Kernel, say func(string, ...any)) (string, error) {
	ch, err := choose(k.Selector)
	if err == nil && ch.processor().foreign() {
		return c.root(ctx, ch.archives[0], foreignPackages(), say)
	}
	if err != nil || !ch.newTools {
		return "/", err
	}
	return c.root(ctx, sid(), toolPackages(), say)
}

// rootHeaders is where a root finds a kernel's headers while it compiles.
const rootHeaders = "/headers"

// compileInRoot builds with the compiler of an archive. The mounts live in a mount namespace of their own and vanish with it.
func (c *Cache) compileInRoot(ctx context.Context, k *Kernel, a archive, dir string, say func(string, ...any)) error {
	h, err := c.headers(ctx, k, rootHeaders, say)
	if err != nil {
		return err
	}
	pkgs := append(compilerPackages(), h.needs...)
	slices.Sort(pkgs)
	root, err := c.root(ctx, a, slices.Compact(pkgs), say)
	if err != nil {
		return err
	}
	say("building the simulator of hardware with the compiler of %s", a.name)
	const script = `set -e
mount -t proc proc "$1/proc"
mount --bind /dev "$1/dev"
mount --bind "$2" "$1/build"
mount --bind "$4" "$1/headers"
exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin LC_ALL=C \
  make -s -C "/headers/usr/src/linux-headers-$3" M=/build modules`
	_, err = command(ctx, "", "unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", root, dir, k.Release, h.tree)
	return err
}
