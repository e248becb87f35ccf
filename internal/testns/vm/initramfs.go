package vm

import (
	"bufio"
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-fastpath/fastpath/internal/testns/vm/wire"
)

// guestTools are copied into the guest with the libraries they need.
var guestTools = []string{"nft", "conntrack", "ip", "bridge", "tc", "sh", "bash"}

// hostGuestTools are the host's on every kernel: they speak to the kernel by interfaces that do not change.
var hostGuestTools = []string{"pppd", "pppoe", "pppoe-server", "wg", "flock"}

// pppPlugin lets pppd speak PPPoE through the kernel. Its folder is named after pppd's version.
const pppPlugin = "usr/lib/pppd/*/rp-pppoe.so"

const baseFormat = "3" // change when baseImage writes something else

// baseImage is the part of the initramfs that depends on the kernel only:
// modules and tools. It is cached.
func (c *Cache) baseImage(ctx context.Context, k *Kernel, say func(string, ...any)) (string, error) {
	unlock, err := c.lock("kernel-" + k.Selector)
	if err != nil {
		return "", err
	}
	defer unlock()
	files, err := c.guestFiles(ctx, k, say)
	if err != nil {
		return "", err
	}
	path := k.file("base-" + hashOf(append(fingerprint(files), baseFormat, filepath.Base(k.modulesDir()))...) + ".cpio")
	if exists(path) {
		return path, nil
	}
	if err := removeOld(k.file("base-*")); err != nil {
		return "", err
	}
	tmp, err := os.Create(path + ".new")
	if err != nil {
		return "", err
	}
	defer tmp.Close()
	if err := k.writeBase(tmp, files); err != nil {
		return "", err
	}
	return path, os.Rename(tmp.Name(), path)
}

// guestFiles are the tools of a kernel's guest.
func (c *Cache) guestFiles(ctx context.Context, k *Kernel, say func(string, ...any)) (map[string]string, error) {
	root, err := c.toolsRoot(ctx, k, say)
	if err != nil {
		return nil, err
	}
	if p := k.processor(); p.foreign() {
		return foreignFiles(ctx, root, p.library)
	}
	older := map[string]string{}
	if root != "/" {
		if err := c.addOlderNFT(older); err != nil {
			return nil, err
		}
	}
	return toolFiles(ctx, root, older)
}

func (k *Kernel) writeBase(out *os.File, files map[string]string) error {
	buf := bufio.NewWriterSize(out, 1<<20)
	w := newCpioWriter(buf)
	for _, d := range []string{"proc", "sys", "dev", "run", "tmp", "root", "var", wire.OutDir, "etc"} {
		if err := w.dir(d); err != nil {
			return err
		}
	}
	if err := w.symlink("var/run", "/run"); err != nil {
		return err
	}
	if err := w.file("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\n")); err != nil {
		return err
	}
	for _, to := range sortedKeys(files) {
		if strings.HasPrefix(files[to], "->") {
			if err := w.symlink(to, files[to][2:]); err != nil {
				return err
			}
		} else if err := w.copy(to, files[to]); err != nil {
			return err
		}
	}
	names, err := k.modules()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := w.copy("mods/"+n, filepath.Join(k.modulesDir(), n)); err != nil {
			return err
		}
	}
	if err := w.close(); err != nil {
		return err
	}
	return buf.Flush()
}

// toolFiles maps guest paths to files of the host (below root, where the tools
// are), or to "->target" for links. older are those of other releases.
func toolFiles(ctx context.Context, root string, older map[string]string) (map[string]string, error) {
	files, err := applets(ctx, findTool("busybox"))
	if err != nil {
		return nil, err
	}
	maps.Copy(files, older)
	// The host's come first: where both need a library, the newer one is kept.
	if err := addHostTools(files); err != nil {
		return nil, err
	}
	for _, t := range guestTools {
		if err := addTool(files, root, amd64().library, t); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// applets are busybox and its links. Their names are those of the host's busybox: the guest's may not run here.
func applets(ctx context.Context, busybox string) (map[string]string, error) {
	here := findTool("busybox")
	if here == "" {
		return nil, fmt.Errorf("busybox not found; install busybox-static")
	}
	names, err := command(ctx, "", here, "--list")
	if err != nil {
		return nil, err
	}
	files := map[string]string{"bin/busybox": busybox}
	for _, a := range strings.Fields(string(names)) {
		if a != "busybox" {
			files["bin/"+a] = "->busybox"
		}
	}
	return files, nil
}

func addHostTools(files map[string]string) error {
	for _, t := range hostGuestTools {
		if err := addTool(files, "/", amd64().library, t); err != nil {
			return err
		}
	}
	plugins, err := filepath.Glob(filepath.Join("/", pppPlugin))
	if err != nil || len(plugins) == 0 {
		return fmt.Errorf("no %s; install ppp", pppPlugin)
	}
	for _, p := range plugins {
		files[strings.TrimPrefix(p, "/")] = p
		if err := addLibraries(files, "/", amd64().library, p, map[string]bool{}); err != nil {
			return err
		}
	}
	return nil
}

// addTool adds one tool found below root, with its libraries.
func addTool(files map[string]string, root, library, tool string) error {
	delete(files, "bin/"+tool)
	path := ""
	for _, d := range []string{"usr/sbin", "usr/bin", "sbin", "bin"} {
		if p := filepath.Join(root, d, tool); path == "" && exists(p) {
			path = p
		}
	}
	if path == "" {
		return fmt.Errorf("tool %s not found below %s", tool, root)
	}
	to := "usr/sbin/" + tool
	if tool == "sh" || tool == "bash" { // not busybox's: that one runs its own ip for "ip"
		to = "bin/" + tool
	}
	files[to] = path
	return addLibraries(files, root, library, path, map[string]bool{})
}

// libraryDirs are where Debian's loader of a processor looks by default.
func libraryDirs(library string) []string {
	return []string{"usr/lib/" + library, "lib/" + library, "usr/lib", "lib", "usr/lib64", "lib64"}
}

// addLibraries adds the loader and the shared libraries that path needs, read
// from its ELF headers: ldd would use the libraries of the host.
func addLibraries(files map[string]string, root, library, path string, seen map[string]bool) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b, err := io.ReadAll(p.Open())
			if err != nil {
				return err
			}
			interp := strings.TrimRight(string(b), "\x00")
			files[strings.TrimPrefix(interp, "/")] = filepath.Join(root, interp)
		}
	}
	libs, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, l := range libs {
		if seen[l] {
			continue
		}
		seen[l] = true
		from := ""
		for _, d := range libraryDirs(library) {
			if p := filepath.Join(root, d, l); from == "" && exists(p) {
				from = p
			}
		}
		if from == "" {
			return fmt.Errorf("%s needs %s, which is not below %s", path, l, root)
		}
		files["usr/lib/"+library+"/"+l] = from
		if err := addLibraries(files, root, library, from, seen); err != nil {
			return err
		}
	}
	return nil
}

// fingerprint changes when a tool or library of the host was upgraded.
func fingerprint(files map[string]string) []string {
	var out []string
	for _, to := range sortedKeys(files) {
		from := files[to]
		if st, err := os.Stat(from); err == nil {
			from = fmt.Sprintf("%s %d %d", from, st.Size(), st.ModTime().UnixNano())
		}
		out = append(out, to, from)
	}
	return out
}

// payload is what one boot adds to the base image: guest path -> file of the host.
type payload struct {
	work  wire.Work
	files map[string]string
}

// writeInitramfs writes base and payload behind each other; the kernel unpacks
// concatenated archives in order.
func writeInitramfs(to, base string, p payload) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	in, err := os.Open(base)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	buf := bufio.NewWriterSize(out, 1<<20)
	w := newCpioWriter(buf)
	job, err := json.Marshal(p.work)
	if err != nil {
		return err
	}
	if err := w.file(wire.JobFile, 0o644, job); err != nil {
		return err
	}
	for _, name := range sortedKeys(p.files) {
		if err := w.copy(name, p.files[name]); err != nil {
			return err
		}
	}
	for _, j := range p.work.Jobs {
		if err := w.dir(j.Dir); err != nil {
			return err
		}
	}
	if err := w.close(); err != nil {
		return err
	}
	return buf.Flush()
}
