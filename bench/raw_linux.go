package main

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// rawBuffer is the size from which on the kernel makes its datagrams no larger.
const rawBuffer = 64 << 10

// dialRaw opens a blocking netlink socket in the thread's namespace.
func dialRaw() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return 0, fmt.Errorf("netlink socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// receiveRaw takes one datagram and waits for it in the kernel. The scheduler of Go is not told: it would cost more than it is worth to a
// thread that does nothing else.
func receiveRaw(fd int, buf []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// A filter is what a dump is narrowed to, in the kernel; 0 is everything.
type filter struct {
	Status, Mark uint32
}

// dumpRaw is the floor of a dump: it sends the request and receives, and looks at nothing but the headers, for the end. It
// returns how many messages came.
func dumpRaw(fd int, buf []byte, f filter) (int, error) {
	if err := unix.Sendto(fd, dumpRequest(f), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, err
	}
	o := nlmsg.Native()
	for messages := 0; ; {
		n, err := receiveRaw(fd, buf)
		if err != nil {
			return 0, err
		}
		for rest := buf[:n]; len(rest) >= unix.NLMSG_HDRLEN; {
			size := (int(o.Uint32(rest)) + 3) &^ 3
			switch o.Uint16(rest[4:]) {
			case nlmsg.TypeDone:
				return messages, nil
			case nlmsg.TypeError:
				return 0, fmt.Errorf("the kernel refuses to dump its connections: %w", unix.Errno(-int32(o.Uint32(rest[unix.NLMSG_HDRLEN:]))))
			}
			messages++
			rest = rest[min(size, len(rest)):]
		}
	}
}

// dumpRequest asks for a dump as package conntrack does.
func dumpRequest(f filter) []byte {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.BeginNetfilter(nlmsg.SubsysCTNetlink<<8|nlmsg.CTGet, nlmsg.FlagRequest|nlmsg.FlagDump, 0, nlmsg.FamilyUnspec, 0)
	if f.Mark != 0 {
		b.Uint32BE(nlmsg.CTAMark, f.Mark)
		b.Uint32BE(nlmsg.CTAMarkMask, f.Mark)
	}
	if f.Status != 0 {
		b.Uint32BE(nlmsg.CTAStatus, f.Status)
		b.Uint32BE(nlmsg.CTAStatusMask, f.Status)
	}
	b.End()
	return b.Bytes()
}
