package vm

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// hwsimSource is the simulator's C source; it is built for each kernel.
//
//go:embed hwsim/fastpath_hwsim.c
var hwsimSource embed.FS

const hwsimName = "fastpath_hwsim"

func readHwsimSource() (string, error) {
	b, err := hwsimSource.ReadFile("hwsim/" + hwsimName + ".c")
	return string(b), err
}

// hwsimModule is where the module built from the present source is kept.
func (k *Kernel) hwsimModule() (string, error) {
	src, err := readHwsimSource()
	if err != nil {
		return "", err
	}
	return k.file("hwsim-"+hashOf(src), hwsimName+".ko"), nil
}

// buildHwsim builds the simulator unless the cache has it, or Debian has no headers of this kernel. Kernels of this host's own Debian
// release are built for with the host's compiler, others with that of their release in a folder of its own.
func (c *Cache) buildHwsim(ctx context.Context, k *Kernel, say func(string, ...any)) error {
	ch, err := choose(k.Selector)
	if err != nil || !ch.headers {
		return err
	}
	module, err := k.hwsimModule()
	if err != nil || exists(module) {
		return err
	}
	dir, err := os.MkdirTemp(k.dir, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	src, err := readHwsimSource()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{hwsimName + ".c": src, "Makefile": "obj-m := " + hwsimName + ".o\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	a, err := k.archive()
	if err != nil {
		return err
	}
	switch a.compiler {
	case "":
		err = c.compileOnHost(ctx, k, dir, say)
	case "trixie":
		err = c.compileInRoot(ctx, k, trixie(), dir, say)
	default:
		err = c.compileInRoot(ctx, k, sid(), dir, say)
	}
	if err != nil {
		return fmt.Errorf("building the offload simulator for %s: %w", k.Release, err)
	}
	if err := os.MkdirAll(filepath.Dir(module), 0o755); err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(dir, hwsimName+".ko"))
	if err != nil {
		return err
	}
	return writeAtomic(module, b)
}

// compileOnHost builds against headers that were unpacked, not installed.
func (c *Cache) compileOnHost(ctx context.Context, k *Kernel, dir string, say func(string, ...any)) error {
	h, err := c.headers(ctx, k, k.file("headers"), say)
	if err != nil {
		return err
	}
	say("building the simulator of hardware")
	_, err = command(ctx, dir, "make", "-s", "-C", filepath.Join(h.tree, "usr/src/linux-headers-"+k.Release),
		"M="+dir, "CC=gcc-12", "modules")
	return err
}

var headerParts = regexp.MustCompile(`^linux-(headers|kbuild)-\d`)

// kernelHeaders are what a module is built against.
type kernelHeaders struct {
	tree  string   // the folder on this host
	needs []string // other packages that they need: the compiler, libraries
}

// headers downloads and unpacks the headers that belong to exactly this kernel; they are to be used under the path at.
func (c *Cache) headers(ctx context.Context, k *Kernel, at string, say func(string, ...any)) (*kernelHeaders, error) {
	h := &kernelHeaders{tree: k.file("headers")}
	if b, err := os.ReadFile(k.file("headers", "needs")); err == nil {
		h.needs = strings.Fields(string(b))
		return h, nil
	}
	a, err := k.archive()
	if err != nil {
		return nil, err
	}
	apt, unlock, err := c.apt(a)
	if err != nil {
		return nil, err
	}
	defer unlock()
	name := "linux-headers-" + k.Release
	if there, err := apt.has(ctx, name+"="+k.Version); err != nil {
		return nil, err
	} else if !there {
		return nil, fmt.Errorf("%s has no %s %s any more", a.name, name, k.Version)
	}
	meta, err := apt.show(ctx, name+"="+k.Version)
	if err != nil {
		return nil, err
	}
	found, err := closure(ctx, apt, meta, headerParts)
	if err != nil {
		return nil, err
	}
	if len(found.gone) > 0 {
		return nil, fmt.Errorf("%s has %s, but no longer %s", a.name, meta.name, strings.Join(found.gone, ", "))
	}
	pkgs := append(found.packages, meta.name+"="+meta.version)
	say("downloading %s", strings.Join(pkgs, " "))
	debs, err := os.MkdirTemp(k.dir, "debs-headers-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(debs)
	if err := apt.download(ctx, debs, pkgs...); err != nil {
		return nil, err
	}
	tmp := h.tree + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return nil, err
	}
	if err := extractAll(ctx, debs, tmp); err != nil {
		return nil, err
	}
	if err := relocateHeaders(tmp, at, k.Release); err != nil {
		return nil, err
	}
	h.needs = found.others
	if err := writeAtomic(filepath.Join(tmp, "needs"), []byte(strings.Join(h.needs, "\n")+"\n")); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(h.tree); err != nil {
		return nil, err
	}
	return h, os.Rename(tmp, h.tree)
}

func extractAll(ctx context.Context, debs, to string) error {
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := command(ctx, "", "dpkg-deb", "-x", f, to); err != nil {
			return err
		}
	}
	return nil
}

// relocateHeaders makes the headers' Makefile name the place where they are used, and moves the BTF source away: a test module needs no type information.
func relocateHeaders(tmp, final, release string) error {
	dir := filepath.Join(tmp, "usr/src/linux-headers-"+release)
	mk := filepath.Join(dir, "Makefile")
	b, err := os.ReadFile(mk)
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(string(b), "/usr/src/", filepath.Join(final, "usr/src")+"/")
	if err := os.WriteFile(mk, []byte(text), 0o644); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, "vmlinux")); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}
