package testns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A Namespace is a network namespace held by a file descriptor, with its loopback device up. It ends with Close, or with the
// process. A Namespace is safe for concurrent use.
type Namespace struct {
	label string
	name  string // under /run/netns, or empty

	mu   sync.RWMutex
	file *os.File // nil after Close
	fd   int
}

// New makes a namespace without a name. The label only appears in errors. It needs CAP_SYS_ADMIN; without, the error matches
// fs.ErrPermission.
func New(label string) (*Namespace, error) {
	n := &Namespace{label: label}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("testns: make network namespace %s (run as root or under unshare -rn): %w", label, err)
		}
		fd, err := unix.Open(threadNS, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("testns: open network namespace %s: %w", label, err)
		}
		n.file, n.fd = os.NewFile(uintptr(fd), label), fd
		return loopbackUp()
	})
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// nameCount makes the names of one process differ.
var nameCount atomic.Uint32

// NewNamed makes a namespace that also has a name under /run/netns, as `ip netns add` gives it, for programs that take one. The
// name starts with the label and is unique; see Name.
func NewNamed(label string) (*Namespace, error) {
	removeStaleNames(namesDir)
	n, err := New(label)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%s%s-%d-%d", namePrefix, label, os.Getpid(), nameCount.Add(1))
	if err := bindName(namesDir, name, n.ToolPath()); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	n.name = name
	return n, nil
}

// Name is the name under /run/netns, or empty.
func (n *Namespace) Name() string { return n.name }

// Path is the namespace as a path for this process: /proc/self/fd/N, until Close.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/self/fd/%d", n.fd) }

// ToolPath is the namespace as a path for other processes of this machine, such as `ip link set dev NAME netns PATH`, until Close.
func (n *Namespace) ToolPath() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.fd) }

// FD is the descriptor that holds the namespace. It belongs to n and ends with Close.
func (n *Namespace) FD() int { return n.fd }

// String is the label, or the name under /run/netns.
func (n *Namespace) String() string {
	if n.name != "" {
		return n.name
	}
	return n.label
}

// Do runs f on a thread inside the namespace and waits for it. A socket that f opens, with package net too, belongs to the
// namespace for good and may be used from anywhere afterwards; goroutines that f starts run outside. Since f runs in another
// goroutine, it must not call FailNow or Fatal of a test.
func (n *Namespace) Do(f func() error) error {
	return onThread(func() error {
		if err := n.enter(); err != nil {
			return err
		}
		return f()
	})
}

func (n *Namespace) enter() error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.file == nil {
		return fmt.Errorf("testns: enter network namespace %s: %w", n, os.ErrClosed)
	}
	if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("testns: enter network namespace %s: %w", n, err)
	}
	return nil
}

// Close lets the namespace go, with its name. The kernel frees it and its devices when no socket or process is left inside. Close
// may be called again, or on nil, and then does nothing.
func (n *Namespace) Close() error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file == nil {
		return nil
	}
	var err error
	if n.name != "" {
		err = unbindName(filepath.Join(namesDir, n.name))
	}
	err = errors.Join(err, n.file.Close())
	n.file = nil
	return err
}

// loopbackUp sets lo up in the calling thread's namespace.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("testns: socket in a new namespace: %w", err)
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("testns: set lo up: %w", err)
	}
	return nil
}
