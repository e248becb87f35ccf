package nlsock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// A Namespace is one network namespace, pinned by an open descriptor: every socket dialled through it lives there. Once its name is deleted it
// is let go, and no more are dialled (ErrGone). Safe for concurrent use.
type Namespace struct {
	file  *os.File
	name  string
	grave grave
	once  sync.Once // closes file
	ended error     // by that

	mu   sync.Mutex
	tied []*Socket // closed with it
	let  bool      // it is closed
}

// OpenNamespace pins a network namespace: "" is the one of the calling thread, a name is looked up under /run/netns as
// `ip netns` does, a path such as /proc/self/fd/7 is taken as it is. Errors match fs.ErrNotExist where there is none. Without /proc the
// kernel gives the caller's own to whoever has CAP_NET_ADMIN in it.
func OpenNamespace(netns string) (*Namespace, error) {
	path := netns
	switch {
	case netns == "":
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		f, err := openOwn()
		if err != nil {
			return nil, err
		}
		return &Namespace{file: f}, nil
	case !strings.Contains(netns, "/"):
		path = filepath.Join("/run/netns", netns)
	}
	f, err := openFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s: %w; `ip netns list` shows those that have a name", label(netns), err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", label(netns), err)
	}
	// Files other than namespaces answer ENOTTY.
	if kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE); err != nil || kind != unix.CLONE_NEWNET {
		f.Close()
		return nil, fmt.Errorf("%s: %s is not a network namespace: %w", label(netns), path, os.ErrInvalid)
	}
	return &Namespace{file: f, name: netns, grave: graveOf(path, f)}, nil
}

// ownNamespace is the network namespace of the calling thread.
const ownNamespace = "/proc/thread-self/ns/net"

// openOwn opens the network namespace of the calling thread, which is locked.
func openOwn() (*os.File, error) {
	f, err := os.Open(ownNamespace)
	if err == nil {
		return f, nil
	}
	fd, other := namespaceOfSocket()
	if other != nil {
		return nil, fmt.Errorf("%s: %w; mount /proc, or run with CAP_NET_ADMIN: a socket's namespace is told then (SIOCGSKNS: %w)", label(""), err, other)
	}
	return os.NewFile(uintptr(fd), "network namespace"), nil
}

// openFile is os.Open, which finds a descriptor of this process by its path below /proc/self/fd also where there is no /proc.
func openFile(path string) (*os.File, error) {
	f, err := os.Open(path)
	number, ok := strings.CutPrefix(path, "/proc/self/fd/")
	if !errors.Is(err, os.ErrNotExist) || !ok {
		return f, err
	}
	fd, notNumber := strconv.Atoi(number)
	if notNumber != nil {
		return nil, err
	}
	other, notOpen := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if notOpen != nil {
		return nil, err
	}
	return os.NewFile(uintptr(other), path), nil
}

// namespaceOfSocket opens the network namespace of the calling thread by way of a socket made in it (sock_ioctl in net/socket.c, Linux 4.9).
func namespaceOfSocket() (int, error) {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(s)
	fd, err := unix.IoctlRetInt(s, unix.SIOCGSKNS)
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	return fd, nil
}

// statOwn tells the identity of the calling thread's network namespace.
func statOwn(st *unix.Stat_t) error {
	err := unix.Stat(ownNamespace, st)
	if err == nil {
		return nil
	}
	fd, other := namespaceOfSocket()
	if other != nil {
		return errors.Join(err, other)
	}
	defer unix.Close(fd)
	return unix.Fstat(fd, st)
}

// String is the name or path given to OpenNamespace.
func (n *Namespace) String() string { return n.name }

// Label names the namespace in an error's sentence.
func (n *Namespace) Label() string { return label(n.name) }

func label(name string) string {
	if name == "" {
		return "the caller's network namespace"
	}
	return fmt.Sprintf("network namespace %q", name)
}

// Path is one under which this process can open the namespace again, until Close; "" after it.
func (n *Namespace) Path() string {
	path := ""
	_ = n.with(func(fd int) error {
		path = fmt.Sprintf("/proc/self/fd/%d", fd)
		return nil
	})
	return path
}

// Close releases the descriptor. Sockets dialled before stay open, but for those that are tied to it; what comes later fails with
// os.ErrClosed.
func (n *Namespace) Close() error {
	n.once.Do(func() {
		n.ended = n.file.Close()
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, s := range n.tied {
			n.ended = errors.Join(n.ended, s.Close())
		}
		n.tied, n.let = nil, true
	})
	return n.ended
}

// Tie has a socket closed with the namespace, or when that is let go because its name was deleted: one that stands open for long keeps it
// alive.
func (n *Namespace) Tie(s *Socket) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.let {
		return errors.Join(os.ErrClosed, s.Close())
	}
	n.tied = append(n.tied, s)
	return nil
}

// Untie closes a socket that was tied.
func (n *Namespace) Untie(s *Socket) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.Index(n.tied, s)
	if i < 0 {
		return nil
	}
	n.tied = slices.Delete(n.tied, i, i+1)
	return s.Close()
}

// with lends the descriptor to f. A Close meanwhile takes effect afterwards, so that the number cannot become another file's.
func (n *Namespace) with(f func(fd int) error) error {
	if err := n.Check(); err != nil {
		return err
	}
	raw, err := n.file.SyscallConn()
	if err == nil {
		var result error
		if err = raw.Control(func(fd uintptr) { result = f(int(fd)) }); err == nil {
			return result
		}
	}
	return fmt.Errorf("%s: %w", n.Label(), os.ErrClosed)
}

// Do runs f on a thread inside the namespace. When another namespace has to be entered, the thread that did so ends with f
// and is never given back to the scheduler. f must return: a Goexit (testing's FailNow) becomes an error.
func (n *Namespace) Do(f func() error) error {
	return n.with(func(fd int) error {
		if here, unlock := isHere(fd); here {
			defer unlock()
			return f()
		}
		done := make(chan error, 1)
		go n.inside(fd, f, done)
		return <-done
	})
}

// inside enters the namespace with a thread that it never unlocks, so that the thread ends with this goroutine.
func (n *Namespace) inside(fd int, f func() error, done chan<- error) {
	err := errors.New("the function ended its goroutine instead of returning")
	defer func() { done <- err }()
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The main thread cannot end, and its namespace is what /proc/self shows: keep it busy, so that another does the work.
		defer runtime.UnlockOSThread()
		other := make(chan error, 1)
		go n.inside(fd, f, other)
		err = <-other
		return
	}
	if serr := unix.Setns(fd, unix.CLONE_NEWNET); serr != nil {
		err = n.notEntered(serr)
		return
	}
	err = f()
}

// notEntered is the error of setns.
func (n *Namespace) notEntered(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("enter %s: %w: it needs CAP_SYS_ADMIN; run as root, or start the program inside it", n.Label(), err)
	}
	return fmt.Errorf("enter %s: %w", n.Label(), err)
}

// isHere locks the goroutine to its thread and keeps it locked if that thread is in the namespace of fd.
func isHere(fd int) (bool, func()) {
	runtime.LockOSThread()
	var mine, pinned unix.Stat_t
	err := errors.Join(statOwn(&mine), unix.Fstat(fd, &pinned))
	if err == nil && mine.Ino == pinned.Ino && mine.Dev == pinned.Dev {
		return true, runtime.UnlockOSThread
	}
	runtime.UnlockOSThread()
	return false, nil
}

// A Config tunes one socket. The zero Config is a socket for requests, with the kernel's buffer sizes.
type Config struct {
	Groups      []uint32          // multicast groups to join
	ReadBuffer  int               // SO_RCVBUF in bytes, forced where the process may; 0 leaves the kernel's default
	WriteBuffer int               // SO_SNDBUF likewise
	Filter      []unix.SockFilter // classic BPF: what of the datagrams the socket takes; nil is all
	Reliable    bool              // NETLINK_BROADCAST_ERROR: who multicasts is told that this socket had no room, and may try again
	Quiet       bool              // wake nobody who does not wait: for long dumps and many notifications; such a socket commits no batches
	Gather      time.Duration     // how late notifications may come for the sake of fewer wakings, see Socket.Events; Quiet comes with it
	Strict      bool              // have the kernel filter dumps by what the request's header says (Linux 4.20; older ones send all)
}

// Dial opens a socket of a netlink protocol (unix.NETLINK_NETFILTER, unix.NETLINK_ROUTE) inside the namespace. Errors match
// errors.ErrUnsupported where the kernel lacks the protocol and fs.ErrPermission where joining a group is not allowed.
func (n *Namespace) Dial(protocol int, cfg Config) (*Socket, error) {
	conn, err := n.conn(protocol)
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

// conn opens a bare connection inside the namespace.
func (n *Namespace) conn(protocol int) (conn *netlink.Conn, err error) {
	entered := false
	err = n.with(func(fd int) (err error) {
		cfg := &netlink.Config{NetNS: fd}
		here, unlock := isHere(fd)
		if here { // setns needs CAP_SYS_ADMIN; staying where we are needs nothing
			defer unlock()
			cfg.NetNS = 0
		}
		entered = !here
		conn, err = netlink.Dial(protocol, cfg)
		return err
	})
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT):
		return nil, fmt.Errorf("netlink protocol %d: %w by this kernel: %w", protocol, errors.ErrUnsupported, err)
	case entered && errors.Is(err, os.ErrPermission):
		return nil, n.notEntered(err)
	case err != nil:
		return nil, fmt.Errorf("open a netlink socket in %s: %w", n.Label(), err)
	}
	return conn, nil
}
