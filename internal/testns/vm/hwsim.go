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

// buildHwsim builds the simulator unless the cache has it. Kernels of this
// host's own Debian release are built for with the host's compiler, sid's with
// sid's compiler and C library in a folder of their own.
func (c *Cache) buildHwsim(ctx context.Context, k *Kernel, say func(string, ...any)) error {
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
	if k.Selector == "sid" {
		err = c.compileInSid(ctx, k, dir, say)
	} else {
		err = c.compileOnHost(ctx, k, dir, say)
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
	tree, err := c.headers(ctx, k, say)
	if err != nil {
		return err
	}
	say("building the offload simulator")
	_, err = command(ctx, dir, "make", "-s", "-C", filepath.Join(tree, "usr/src/linux-headers-"+k.Release),
		"M="+dir, "CC=gcc-12", "modules")
	return err
}

var headerParts = regexp.MustCompile(`^linux-(headers|kbuild)-\d`)

// headers downloads and unpacks the headers that belong to exactly this kernel.
func (c *Cache) headers(ctx context.Context, k *Kernel, say func(string, ...any)) (string, error) {
	tree := k.file("headers")
	if exists(tree) {
		return tree, nil
	}
	apt, err := c.apt(k.Selector)
	if err != nil {
		return "", err
	}
	meta, err := apt.show(ctx, "linux-headers-"+k.Release+"="+k.Version)
	if err != nil {
		return "", err
	}
	pkgs, err := closure(ctx, apt, meta, headerParts)
	if err != nil {
		return "", err
	}
	pkgs = append(pkgs, meta.name+"="+meta.version)
	say("downloading %s", strings.Join(pkgs, " "))
	debs, err := os.MkdirTemp(k.dir, "debs-headers-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(debs)
	if err := apt.download(ctx, debs, pkgs...); err != nil {
		return "", err
	}
	tmp := tree + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	if err := extractAll(ctx, debs, tmp); err != nil {
		return "", err
	}
	if err := relocateHeaders(tmp, tree, k.Release); err != nil {
		return "", err
	}
	return tree, os.Rename(tmp, tree)
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

// relocateHeaders makes the headers' Makefile name the place where they will
// be, and moves the BTF source away: a test module needs no type information.
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
