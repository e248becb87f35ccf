package nlsock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// The kernel sizes the datagrams of a dump by the receiver's buffer, up to this size.
const readSize = 64 << 10

// A Socket is one netlink socket. It serves one exchange at a time; Close may be called from anywhere and ends it.
type Socket struct {
	conn   *netlink.Conn
	raw    syscall.RawConn
	quiet  *quiet // nil where the runtime's poller watches the socket itself
	closed atomic.Bool
	seq    uint32
	buf    []byte
	unread []byte // of the notifications that were read, in buf
	behind int    // after an overrun: how many datagrams may still be queued from before

	gather  time.Duration // Config.Gather
	emptied time.Time     // when a stream last found nothing queued
	brief   bool          // the next datagram of the dump under way will take little time

	// The receive callbacks are made once, so that receiving allocates nothing; these are their in- and outputs.
	receive, receiveQueue func(fd uintptr) bool

	wait      bool
	n         int // bytes
	datagrams int // of a queue
	err       error
	held      error // came behind the datagrams of a queue, for the next read
}

func newSocket(conn *netlink.Conn, cfg Config) (*Socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("raw netlink socket: %w", err)
	}
	s := &Socket{conn: conn, raw: raw, buf: make([]byte, readSize)}
	if len(cfg.Groups) > 0 {
		s.buf = make([]byte, queueSize)
	}
	s.receive, s.receiveQueue = s.receiveOnce, s.receiveMany
	// Both options exist since Linux 4.12; without them errors lack their text and offset, nothing else.
	conn.SetOption(netlink.ExtendedAcknowledge, true)
	conn.SetOption(netlink.CapAcknowledge, true)
	if cfg.Strict {
		conn.SetOption(netlink.GetStrictCheck, true)
	}
	if cfg.Reliable {
		if err := conn.SetOption(netlink.BroadcastError, true); err != nil {
			return nil, fmt.Errorf("have the kernel told of failed multicasts: %w", err)
		}
	}
	if cfg.ReadBuffer > 0 {
		if err := conn.SetReadBuffer(cfg.ReadBuffer); err != nil {
			return nil, fmt.Errorf("netlink receive buffer of %d bytes: %w", cfg.ReadBuffer, err)
		}
	}
	if cfg.WriteBuffer > 0 {
		if err := conn.SetWriteBuffer(cfg.WriteBuffer); err != nil {
			return nil, fmt.Errorf("netlink send buffer of %d bytes: %w", cfg.WriteBuffer, err)
		}
	}
	if len(cfg.Filter) > 0 {
		if err := s.attach(cfg.Filter); err != nil {
			return nil, fmt.Errorf("%w: %d instructions: %w", ErrFilter, len(cfg.Filter), err)
		}
	}
	for _, g := range cfg.Groups {
		if err := conn.JoinGroup(g); err != nil {
			return nil, fmt.Errorf("join netlink group %d (needs CAP_NET_ADMIN): %w", g, err)
		}
	}
	if s.gather = cfg.Gather; cfg.Quiet || cfg.Gather > 0 {
		if err := s.silence(); err != nil {
			return nil, fmt.Errorf("netlink socket, to be woken seldom: %w", err)
		}
	}
	return s, nil
}

// attach has the kernel drop what a program does not take, before it fills the receive buffer.
func (s *Socket) attach(program []unix.SockFilter) error {
	var err error
	cerr := s.raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	})
	return errors.Join(cerr, err)
}

// Close closes the socket; an exchange under way ends with an error matching os.ErrClosed.
func (s *Socket) Close() error {
	s.closed.Store(true)
	if s.quiet != nil {
		return s.quiet.Close()
	}
	return s.conn.Close()
}

// send writes one or more encoded messages in one sendmsg.
func (s *Socket) send(b []byte) error {
	var err error
	to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	if werr := s.raw.Write(func(fd uintptr) bool {
		for err = unix.EINTR; err == unix.EINTR; { // not a reason to wait: the socket would not become writable again
			err = unix.Sendto(int(s.descriptor(fd)), b, 0, to)
		}
		return err != unix.EAGAIN || s.quiet != nil
	}); werr != nil {
		return s.gone(werr)
	}
	return err
}

// gone gives the error of a closed descriptor its name: what comes out of the raw connection matches nothing.
func (s *Socket) gone(err error) error {
	if s.closed.Load() {
		return fmt.Errorf("netlink socket: %w", os.ErrClosed)
	}
	return err
}

// read waits for one datagram. The bytes are valid until the next read.
func (s *Socket) read() ([]byte, error) {
	s.wait = true
	if err := s.raw.Read(s.receive); err != nil {
		return nil, s.gone(err)
	}
	return s.datagram()
}

// poll is read without waiting; unix.EAGAIN says that nothing is there.
func (s *Socket) poll() ([]byte, error) {
	s.wait = false
	if err := s.raw.Read(s.receive); err != nil {
		return nil, s.gone(err)
	}
	return s.datagram()
}

func (s *Socket) datagram() ([]byte, error) {
	s.unread = nil
	switch {
	case s.err == unix.ENOBUFS:
		return nil, ErrOverrun
	case s.err != nil:
		return nil, s.err
	}
	return s.buf[:s.n], nil
}

// receiveOnce takes one datagram. For the next one of a dump the kernel walks on in its table, which takes a tenth of a millisecond where it finds much, and
// with a narrow filter however long. Connections lie there by hash, so that what the last one took the next one will.
func (s *Socket) receiveOnce(fd uintptr) bool {
	start := time.Now()
	s.quiet.disarm(fd)
	s.n, s.err = receiveFrom(s.descriptor(fd), s.buf, s.brief)
	s.brief = s.n > readSize/8 && time.Since(start) < time.Millisecond
	return s.err != unix.EAGAIN || !s.wait || !s.quiet.arm(fd)
}

// receiveFrom takes one datagram that came from the kernel, without waiting. unix.Recvfrom would allocate the sender's address.
//
// A brief call keeps the processor from the runtime's scheduler, whose look for other work costs more than the call.
func receiveFrom(fd uintptr, b []byte, brief bool) (int, error) {
	for {
		var from unix.RawSockaddrNetlink
		size := uint32(unsafe.Sizeof(from))
		n, errno := uintptr(0), unix.Errno(0)
		const flags = unix.MSG_DONTWAIT | unix.MSG_TRUNC
		if brief {
			n, _, errno = unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags,
				uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)))
		} else {
			n, _, errno = unix.Syscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags,
				uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)))
		}
		switch {
		case errno == unix.EINTR, errno == 0 && from.Pid != 0: // not the kernel's: another process may send to us
			continue
		case errno != 0:
			return 0, errno
		case int(n) > len(b):
			return 0, fmt.Errorf("%w: a datagram of %d bytes, buffer has %d", nlmsg.ErrMalformed, n, len(b))
		}
		return int(n), nil
	}
}

// until makes ctx end a waiting read. The returned function undoes that and must be called.
func (s *Socket) until(ctx context.Context) func() {
	if ctx.Done() == nil {
		return func() {}
	}
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		s.setReadDeadline(time.Unix(1, 0))
		close(fired)
	})
	return func() {
		if !stop() {
			<-fired
			s.setReadDeadline(time.Time{})
		}
	}
}

func (s *Socket) setReadDeadline(at time.Time) {
	if s.quiet != nil {
		s.quiet.file.SetReadDeadline(at)
		return
	}
	s.conn.SetReadDeadline(at)
}

// because turns the error of a read that ctx ended into ctx's own.
func because(ctx context.Context, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// number gives the request the next sequence number and returns a copy that may be sent.
func (s *Socket) number(request []byte) ([]byte, error) {
	o := nlmsg.Native()
	if len(request) < 16 || int(o.Uint32(request)) != len(request) {
		return nil, fmt.Errorf("%w: a request of %d bytes", nlmsg.ErrMalformed, len(request))
	}
	s.seq++
	r := append([]byte(nil), request...)
	copy(r[8:], o.AppendUint32(nil, s.seq))
	return r, nil
}
