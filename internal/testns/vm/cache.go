package vm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// cacheLayout changes when files of an older layout could mislead this program.
const cacheLayout = "v1"

// Cache is the folder where downloads and everything made from them are kept.
// Several programs may use one cache at the same time.
type Cache struct{ Dir string }

// OpenCache makes the cache folder: $XDG_CACHE_HOME/fastpath, else ~/.cache/fastpath.
func OpenCache() (*Cache, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("no cache folder: %w; set HOME or XDG_CACHE_HOME", err)
	}
	c := &Cache{Dir: filepath.Join(base, "fastpath", cacheLayout)}
	return c, os.MkdirAll(c.path("locks"), 0o755)
}

func (c *Cache) path(parts ...string) string {
	return filepath.Join(append([]string{c.Dir}, parts...)...)
}

// lock waits for the named lock of this cache. The kernel frees it when the
// program ends, however it ends.
func (c *Cache) lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(c.path("locks", name), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

// hashOf is a short name for content.
func hashOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// writeAtomic writes a file so that no reader ever sees half of it.
func writeAtomic(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(b); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// keepOther is how long what another list of modules or tools led to is kept: another checkout may be at work with it.
const keepOther = 24 * time.Hour

// removeOld removes what matches a pattern and was made more than keepOther ago.
func removeOld(pattern string) error {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, f := range found {
		st, err := os.Stat(f)
		if err != nil || time.Since(st.ModTime()) < keepOther {
			continue
		}
		if err := os.RemoveAll(f); err != nil {
			return err
		}
	}
	return nil
}
