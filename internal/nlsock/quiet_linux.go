package nlsock

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The runtime's poller watches its descriptors edge-triggered: each datagram that is queued wakes a thread, even while nobody waits for one. Those
// of a dump are queued one by one, each when the one before is received. A quiet socket is therefore watched by an epoll instance of its
// own, which tells once and then has to be armed again, and the runtime's poller watches that.
type quiet struct {
	file   *os.File // the epoll instance
	socket int
	armed  bool // it will tell, or has told and was not asked what
	event  unix.EpollEvent
}

// silence makes s quiet. The connection is closed for that, which takes it out of the runtime's poller; a second descriptor keeps the socket.
func (s *Socket) silence() error {
	q := &quiet{event: unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT}}
	var err error
	cerr := s.raw.Control(func(fd uintptr) { q.socket, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(cerr, err); err != nil {
		return err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return errors.Join(err, unix.Close(q.socket))
	}
	err = errors.Join(unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, q.socket, &unix.EpollEvent{Events: unix.EPOLLONESHOT}), unix.SetNonblock(epoll, true))
	q.file = os.NewFile(uintptr(epoll), "netlink socket")
	if err == nil {
		s.raw, err = q.file.SyscallConn()
	}
	if err != nil {
		return errors.Join(err, q.Close())
	}
	err = s.conn.Close()
	s.quiet = q
	return err
}

// arm has the poller tell of the next datagram, or of one that is there already. It reports whether it will.
func (q *quiet) arm(poller uintptr) bool {
	if q != nil && !q.armed {
		_, _, errno := unix.Syscall6(unix.SYS_EPOLL_CTL, poller, unix.EPOLL_CTL_MOD, uintptr(q.socket), uintptr(unsafe.Pointer(&q.event)), 0, 0)
		q.armed = errno == 0
		return q.armed
	}
	return true
}

// disarm takes what the poller tells, if it does: from then on it is quiet.
func (q *quiet) disarm(poller uintptr) {
	if q == nil || !q.armed {
		return
	}
	var told unix.EpollEvent
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, poller, uintptr(unsafe.Pointer(&told)), 1, 0, 0, 0)
	q.armed = errno != 0 || n == 0
}

// descriptor is that of the socket, where the raw connection gives fd.
func (s *Socket) descriptor(fd uintptr) uintptr {
	if s.quiet != nil {
		return uintptr(s.quiet.socket)
	}
	return fd
}

// Close waits until nobody receives any more.
func (q *quiet) Close() error {
	return errors.Join(q.file.Close(), unix.Close(q.socket))
}
