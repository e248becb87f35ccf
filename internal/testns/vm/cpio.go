package vm

import (
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"
)

// cpioWriter writes an initramfs archive in the "newc" format, see the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst. Missing parent
// folders are written by themselves. Not safe for concurrent use.
type cpioWriter struct {
	w    io.Writer
	n    int64
	ino  int
	dirs map[string]bool
}

func newCpioWriter(w io.Writer) *cpioWriter {
	return &cpioWriter{w: w, dirs: map[string]bool{"": true, ".": true}}
}

const (
	modeDir  = 0o040000
	modeFile = 0o100000
	modeLink = 0o120000
)

// file adds content under name.
func (c *cpioWriter) file(name string, perm os.FileMode, content []byte) error {
	if err := c.dir(path.Dir(clean(name))); err != nil {
		return err
	}
	return c.entry(clean(name), modeFile|uint32(perm.Perm()), content)
}

// copy adds a file of the host under name.
func (c *cpioWriter) copy(name, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	return c.file(name, st.Mode(), b)
}

func (c *cpioWriter) symlink(name, to string) error {
	if err := c.dir(path.Dir(clean(name))); err != nil {
		return err
	}
	return c.entry(clean(name), modeLink|0o777, []byte(to))
}

// dir adds a folder and its parents, once each.
func (c *cpioWriter) dir(name string) error {
	name = clean(name)
	if c.dirs[name] {
		return nil
	}
	if err := c.dir(path.Dir(name)); err != nil {
		return err
	}
	c.dirs[name] = true
	return c.entry(name, modeDir|0o755, nil)
}

// close ends the archive and pads it so that another may follow.
func (c *cpioWriter) close() error {
	if err := c.entry("TRAILER!!!", 0, nil); err != nil {
		return err
	}
	return c.pad(512)
}

func (c *cpioWriter) entry(name string, mode uint32, content []byte) error {
	c.ino++
	nlink := 1
	if mode&modeDir == modeDir {
		nlink = 2
	}
	// magic ino mode uid gid nlink mtime size devmajor devminor rdevmajor rdevminor namesize check
	h := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		c.ino, mode, 0, 0, nlink, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	if err := c.write([]byte(h + name + "\x00")); err != nil {
		return err
	}
	if err := c.pad(4); err != nil {
		return err
	}
	if err := c.write(content); err != nil {
		return err
	}
	return c.pad(4)
}

func (c *cpioWriter) write(b []byte) error {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return err
}

func (c *cpioWriter) pad(to int64) error {
	return c.write(make([]byte, (to-c.n%to)%to))
}

func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// sortedKeys makes archives the same for the same content.
func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
