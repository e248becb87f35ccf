package replay

import (
	"encoding/binary"
	"strconv"

	"golang.org/x/sys/unix"
)

// Send sends one marshalled ruleset.Batch as one transaction, in the network namespace of the calling thread, and returns the
// kernel's verdict: nil if it was committed. It needs CAP_NET_ADMIN there. It never waits: the kernel works on a batch inside
// the system call, and whatever it answers is there when that returns.
//
// Errors: *Error if the kernel refused the batch; ErrMalformed, ErrByteOrder and ErrSendBuffer, and with them nothing was sent;
// ErrUnknown if the answer could not be read.
func Send(batch []byte) error {
	t, err := outline(binary.NativeEndian, batch)
	if err != nil {
		return err
	}
	s, err := openSocket()
	if err != nil {
		return err
	}
	defer s.close()
	return s.commit(t)
}

// A socket is one raw netlink socket.
type socket struct {
	fd  int
	buf []byte
}

func openSocket() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, failed("open a netlink socket", err)
	}
	// Without these (Linux 4.12) errors lack their text and offset, nothing else.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	return &socket{fd: fd, buf: make([]byte, readSize)}, nil
}

func (s *socket) close() { _ = unix.Close(s.fd) }

// commit sends a batch and judges the answers.
func (s *socket) commit(t batch) error {
	if err := s.makeRoom(len(t.bytes)); err != nil {
		return err
	}
	if err := s.send(t.bytes); err != nil {
		return err
	}
	var v verdict
	overrun := s.receive(2*t.messages+maxAnswers, func(b []byte) { v.take(t.order, b) })
	return v.judge(t, overrun)
}

// send gives bytes to the kernel in one piece. An error says that it took nothing of them.
func (s *socket) send(b []byte) error {
	for {
		switch err := unix.Sendto(s.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err {
		case unix.EINTR:
		case unix.EMSGSIZE:
			return s.tooSmall(len(b))
		case nil:
			return nil
		default:
			return failed("send "+strconv.Itoa(len(b))+" bytes", err)
		}
	}
}

const (
	sendOverhead = 32       // what netlink_sendmsg keeps back of the send buffer (net/netlink/af_netlink.c)
	readSize     = 64 << 10 // more than one answer has, or an echo
)

// receive hands the datagrams that are there to take, at most so many, and reports whether others were lost. What another
// process may have sent us is passed over.
func (s *socket) receive(most int, take func([]byte)) (overrun bool) {
	for range most {
		n, from, err := unix.Recvfrom(s.fd, s.buf, unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
		case err == unix.ENOBUFS:
			overrun = true
		case err != nil: // EAGAIN: that was all
			return overrun
		default:
			if sender, ok := from.(*unix.SockaddrNetlink); ok && sender.Pid == 0 {
				take(s.buf[:n])
			}
		}
	}
	return overrun
}

// makeRoom sizes the send buffer by the batch: privileged first, then within net.core.wmem_max. The kernel doubles what it is
// asked for.
func (s *socket) makeRoom(bytes int) error {
	for _, option := range []int{unix.SO_SNDBUFFORCE, unix.SO_SNDBUF} {
		if s.room() >= bytes {
			return nil
		}
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, option, bytes)
	}
	if s.room() < bytes {
		return s.tooSmall(bytes)
	}
	return nil
}

// room is the largest batch that the socket takes.
func (s *socket) room() int {
	n, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	if err != nil {
		return 0
	}
	return n - sendOverhead
}

func (s *socket) tooSmall(bytes int) error {
	return failed("the batch has "+strconv.Itoa(bytes)+" bytes, the socket takes "+strconv.Itoa(s.room())+", and this process may not "+
		"enlarge it: raise net.core.wmem_max to "+strconv.Itoa(bytes)+", or run with CAP_NET_ADMIN in the initial user namespace", ErrSendBuffer)
}
