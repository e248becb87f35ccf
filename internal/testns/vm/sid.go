package vm

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// sidPackages make a folder in which a module for sid's kernel can be built,
// and bring the tools of sid that go into its initramfs. The headers are added.
func sidPackages() []string {
	return strings.Fields("base-files dash bash coreutils sed grep mawk findutils diffutils gcc make libc6-dev nftables conntrack iproute2 kmod")
}

// sidRoot is a folder with a minimal sid, unpacked and not configured: package
// scripts are not run, so it takes seconds and cannot touch the host.
func (c *Cache) sidRoot(ctx context.Context, k *Kernel, say func(string, ...any)) (string, error) {
	root := k.file("sid-" + hashOf(sidPackages()...))
	if exists(root) {
		return root, nil
	}
	apt, err := c.apt("sid")
	if err != nil {
		return "", err
	}
	if err := apt.clean(ctx); err != nil { // leftovers of an attempt that failed
		return "", err
	}
	say("downloading sid's compiler, headers and tools")
	pkgs := append(sidPackages(), "linux-headers-"+k.Release+"="+k.Version)
	if err := apt.fetch(ctx, pkgs...); err != nil {
		return "", err
	}
	say("unpacking them")
	tmp := root + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	// base-files comes first: it holds the links /bin -> usr/bin and its like.
	base, err := filepath.Glob(filepath.Join(apt.archives(), "base-files_*.deb"))
	if err != nil {
		return "", err
	}
	for _, f := range base {
		if _, err := command(ctx, "", "dpkg-deb", "-x", f, tmp); err != nil {
			return "", err
		}
	}
	if err := extractAll(ctx, apt.archives(), tmp); err != nil {
		return "", err
	}
	if err := finishSidRoot(tmp); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, root); err != nil {
		return "", err
	}
	return root, apt.clean(ctx)
}

// finishSidRoot does what package scripts would have done, as far as needed.
func finishSidRoot(root string) error {
	awk := filepath.Join(root, "usr/bin/awk")
	if !exists(awk) {
		if err := os.Symlink("mawk", awk); err != nil {
			return err
		}
	}
	for _, d := range []string{"proc", "dev", "tmp", "build"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// compileInSid builds inside the sid folder. The mounts live in a mount
// namespace of their own and vanish with it.
func (c *Cache) compileInSid(ctx context.Context, k *Kernel, dir string, say func(string, ...any)) error {
	root, err := c.sidRoot(ctx, k, say)
	if err != nil {
		return err
	}
	say("building the offload simulator with sid's compiler")
	const script = `set -e
mount -t proc proc "$1/proc"
mount --bind /dev "$1/dev"
mount --bind "$2" "$1/build"
exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin LC_ALL=C \
  make -s -C "/usr/src/linux-headers-$3" M=/build modules`
	if err := os.Remove(filepath.Join(root, "usr/src/linux-headers-"+k.Release, "vmlinux")); err != nil && !os.IsNotExist(err) {
		return err
	}
	_, err = command(ctx, "", "unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", root, dir, k.Release)
	return err
}
