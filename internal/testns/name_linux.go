package testns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// namesDir is where ip-netns(8) keeps names of namespaces.
	namesDir = "/run/netns"
	// namePrefix marks the names that this package made. The rest is label-PID-N.
	namePrefix = "testns-"
)

// bindName gives the namespace at path a name: a file that it is mounted on.
func bindName(dir, name, path string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("testns: name network namespace %s: %w", name, err)
	}
	target := filepath.Join(dir, name)
	file, err := os.OpenFile(target, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return fmt.Errorf("testns: name network namespace %s: %w", name, err)
	}
	file.Close()
	if err := unix.Mount(path, target, "none", unix.MS_BIND, ""); err != nil {
		return errors.Join(fmt.Errorf("testns: mount network namespace %s on %s: %w", name, target, err), os.Remove(target))
	}
	return nil
}

// unbindName removes a name. A name that is gone already is no error.
func unbindName(target string) error {
	unmountErr := unix.Unmount(target, unix.MNT_DETACH)
	err := os.Remove(target) // refused while something is mounted there
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("testns: remove the name %s: %w", target, errors.Join(unmountErr, err))
}

// removeStaleNames removes what a killed process left: names of this package whose process is gone. It does what it can.
func removeStaleNames(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if pid, ok := namePID(e.Name()); ok && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			_ = unbindName(filepath.Join(dir, e.Name()))
		}
	}
}

// namePID reads the process id out of a name of this package.
func namePID(name string) (int, bool) {
	if !strings.HasPrefix(name, namePrefix) {
		return 0, false
	}
	parts := strings.Split(name, "-")
	if len(parts) < 4 {
		return 0, false
	}
	pid, err := strconv.Atoi(parts[len(parts)-2])
	return pid, err == nil && pid > 1
}
