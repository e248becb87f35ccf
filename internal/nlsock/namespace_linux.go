package nlsock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// A Namespace is one network namespace, pinned by an open descriptor: every socket dialled through it lives there, whatever
// happens to the namespace's name. Safe for concurrent use.
type Namespace struct {
	file *os.File
	name string
}

// OpenNamespace pins a network namespace: "" is the one of the calling thread, a name is looked up under /run/netns as
// `ip netns` does, a path such as /proc/self/fd/7 is taken as it is. Errors match fs.ErrNotExist where there is none.
func OpenNamespace(netns string) (*Namespace, error) {
	path := netns
	switch {
	case netns == "":
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		path = "/proc/thread-self/ns/net"
	case !strings.Contains(netns, "/"):
		path = filepath.Join("/run/netns", netns)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("network namespace %q: %w; `ip netns list` shows those that exist", netns, err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err == nil && fs.Type != unix.NSFS_MAGIC {
		f.Close()
		return nil, fmt.Errorf("network namespace %q: %s is not a namespace: %w", netns, path, os.ErrInvalid)
	}
	return &Namespace{file: f, name: netns}, nil
}

// String is the name or path given to OpenNamespace.
func (n *Namespace) String() string { return n.name }

// Close releases the descriptor. Sockets dialled before stay open.
func (n *Namespace) Close() error { return n.file.Close() }

// Do runs f on a thread inside the namespace. When another namespace has to be entered, the thread that did so ends with f
// and is never given back to the scheduler.
func (n *Namespace) Do(f func() error) error {
	if here, unlock := n.here(); here {
		defer unlock()
		return f()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter network namespace %q (needs CAP_SYS_ADMIN): %w", n.name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// here locks the goroutine to its thread and keeps it locked if that thread is in the namespace.
func (n *Namespace) here() (bool, func()) {
	runtime.LockOSThread()
	var mine, pinned unix.Stat_t
	err := errors.Join(unix.Stat("/proc/thread-self/ns/net", &mine), unix.Fstat(int(n.file.Fd()), &pinned))
	if err == nil && mine.Ino == pinned.Ino && mine.Dev == pinned.Dev {
		return true, runtime.UnlockOSThread
	}
	runtime.UnlockOSThread()
	return false, nil
}

// A Config tunes one socket. The zero Config is a socket for requests, with the kernel's buffer sizes.
type Config struct {
	Groups      []uint32 // multicast groups to join
	ReadBuffer  int      // SO_RCVBUF in bytes, forced where the process may; 0 leaves the kernel's default
	WriteBuffer int      // SO_SNDBUF likewise
}

// Dial opens a socket of a netlink protocol (unix.NETLINK_NETFILTER, unix.NETLINK_ROUTE) inside the namespace. Errors match
// errors.ErrUnsupported where the kernel lacks the protocol and fs.ErrPermission where joining a group is not allowed.
func (n *Namespace) Dial(protocol int, cfg Config) (*Socket, error) {
	conn, err := n.Conn(protocol)
	if err != nil {
		return nil, err
	}
	s, err := newSocket(conn, cfg)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// Conn opens a bare mdlayher/netlink connection inside the namespace, for libraries that wrap one.
func (n *Namespace) Conn(protocol int) (*netlink.Conn, error) {
	cfg := &netlink.Config{NetNS: int(n.file.Fd())}
	if here, unlock := n.here(); here { // setns needs CAP_SYS_ADMIN; staying where we are needs nothing
		defer unlock()
		cfg.NetNS = 0
	}
	conn, err := netlink.Dial(protocol, cfg)
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT):
		return nil, fmt.Errorf("netlink protocol %d: this kernel lacks it: %w", protocol, errors.Join(errors.ErrUnsupported, err))
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("open a netlink socket in network namespace %q (needs CAP_SYS_ADMIN): %w", n.name, err)
	case err != nil:
		return nil, fmt.Errorf("open a netlink socket in network namespace %q: %w", n.name, err)
	}
	return conn, nil
}
