package vm

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// unpack takes the image and the wanted modules out of the downloaded packages.
// The folder's name holds a hash of the module list, so that a longer list is
// served from the same packages.
func (k *Kernel) unpack(ctx context.Context, say func(string, ...any)) error {
	if exists(k.modulesDir()) && exists(k.image()) {
		return nil
	}
	say("unpacking %s", k.Release)
	tree, err := os.MkdirTemp(k.dir, "tree-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tree)
	debs, err := filepath.Glob(k.file("debs", "*.deb"))
	if err != nil {
		return err
	}
	for _, d := range debs {
		if _, err := command(ctx, "", "dpkg-deb", "-x", d, tree); err != nil {
			return err
		}
	}
	image, root, err := k.locate(tree)
	if err != nil {
		return err
	}
	if k.processor().foreign() {
		err = copyFile(k.image(), image)
	} else {
		err = unpackImage(ctx, image, k.image())
	}
	if err != nil {
		return err
	}
	return k.takeModules(ctx, root)
}

// locate finds the image and the root of lib/modules in either package layout.
func (k *Kernel) locate(tree string) (image, root string, err error) {
	for _, prefix := range []string{"usr", ""} {
		root = filepath.Join(tree, prefix)
		if !exists(filepath.Join(root, "lib/modules", k.Release, "kernel")) {
			continue
		}
		for _, image := range []string{
			filepath.Join(root, "lib/modules", k.Release, "vmlinuz"),
			filepath.Join(tree, "boot", "vmlinuz-"+k.Release),
		} {
			if exists(image) {
				return image, root, nil
			}
		}
	}
	return "", "", fmt.Errorf("packages in %s: no image and modules of %s found; the package layout has changed", k.file("debs"), k.Release)
}

// takeModules writes the wanted modules, not compressed, and their load order.
func (k *Kernel) takeModules(ctx context.Context, root string) error {
	if _, err := command(ctx, "", findTool("depmod"), "-b", root, k.Release); err != nil {
		return err
	}
	base := filepath.Join(root, "lib/modules", k.Release)
	order, err := moduleOrder(base, k.wanted(), optionalModules())
	if err != nil {
		return fmt.Errorf("kernel %s: %w", k.Release, err)
	}
	if err := removeOld(k.file("modules-*")); err != nil {
		return err
	}
	tmp := k.modulesDir() + ".new"
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return err
	}
	var names []string
	for _, rel := range order {
		names = append(names, moduleName(rel)+".ko")
	}
	if err := expandAll(ctx, base, order, tmp, !k.processor().foreign()); err != nil {
		return err
	}
	if err := writeAtomic(filepath.Join(tmp, "order"), []byte(strings.Join(names, "\n")+"\n")); err != nil {
		return err
	}
	return os.Rename(tmp, k.modulesDir())
}

func (k *Kernel) image() string { return k.file("vmlinux") }

func (k *Kernel) modulesDir() string {
	const format = "stripped" // change when takeModules writes something else
	return k.file("modules-" + hashOf(append(append(k.wanted(), optionalModules()...), format)...))
}

// modules are the file names in load order.
func (k *Kernel) modules() ([]string, error) {
	b, err := os.ReadFile(filepath.Join(k.modulesDir(), "order"))
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(b)), nil
}

// expandAll decompresses modules and strips their type information (BTF): an
// emulated machine is slow at reading either. Only BPF programs would miss it.
// The host's objcopy knows no modules of another processor: those stay as they are.
func expandAll(ctx context.Context, base string, files []string, to string, strip bool) error {
	var wg sync.WaitGroup
	errs := make(chan error, len(files))
	slots := make(chan struct{}, runtime.NumCPU())
	for _, rel := range files {
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			errs <- expand(ctx, filepath.Join(base, rel), filepath.Join(to, moduleName(rel)+".ko"), strip)
		}()
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func expand(ctx context.Context, from, to string, strip bool) error {
	tool := map[string]string{".xz": "xz", ".gz": "gzip", ".zst": "zstd"}[filepath.Ext(from)]
	if tool == "" {
		if err := copyFile(to, from); err != nil {
			return err
		}
	} else {
		b, err := command(ctx, "", tool, "-dc", from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, b, 0o644); err != nil {
			return err
		}
	}
	if !strip {
		return nil
	}
	_, err := command(ctx, "", "objcopy", "--strip-debug", "-R", ".BTF", "-R", ".BTF.base", to)
	return err
}

func copyFile(to, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, st.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		return err
	}
	return dst.Close()
}
