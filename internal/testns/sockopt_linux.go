package testns

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// IP options that do nothing, but are there: the fast path leaves such packets alone.
const (
	ipv4NoOperation = "\x01\x01\x01\x01"                 // IPOPT_NOOP, four times
	ipv6HopByHop    = "\x00\x00\x01\x04\x00\x00\x00\x00" // one PadN; the kernel fills in the next header
)

// onSocket runs f on the descriptor of a connection.
func onSocket(conn syscall.RawConn, f func(fd int) error) error {
	var err error
	ctrlErr := conn.Control(func(fd uintptr) { err = f(int(fd)) })
	return errors.Join(ctrlErr, err)
}

// setOption sets an integer socket option.
func setOption(conn syscall.Conn, level, option, value int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return onSocket(raw, func(fd int) error { return setInt(fd, level, option, value) })
}

func setInt(fd, level, option, value int) error {
	if err := unix.SetsockoptInt(fd, level, option, value); err != nil {
		return fmt.Errorf("testns: set socket option %d of level %d to %d: %w", option, level, value, err)
	}
	return nil
}

// setTTL sets the TTL or hop limit of what a socket sends.
func setTTL(fd int, f Family, ttl int) error {
	if f == IPv6 {
		return setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, ttl)
	}
	return setInt(fd, unix.IPPROTO_IP, unix.IP_TTL, ttl)
}

// setIPOptions puts IP options (IPv6: a hop-by-hop header) on every packet of a socket, or takes them off.
func setIPOptions(fd int, f Family, on bool) error {
	level, option, value := unix.IPPROTO_IP, unix.IP_OPTIONS, ipv4NoOperation
	if f == IPv6 {
		level, option, value = unix.IPPROTO_IPV6, unix.IPV6_HOPOPTS, ipv6HopByHop
	}
	if !on {
		value = ""
	}
	if err := unix.SetsockoptString(fd, level, option, value); err != nil {
		return fmt.Errorf("testns: set IP options: %w", err)
	}
	return nil
}
