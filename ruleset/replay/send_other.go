//go:build !linux

package replay

import "errors"

// Send needs Linux.
func Send([]byte) error {
	_, err := openSocket()
	return err
}

type socket struct{}

func openSocket() (*socket, error) {
	return nil, failed("open a netlink socket", errors.ErrUnsupported)
}

func (*socket) close() {}

func (*socket) commit(batch) error { return errors.ErrUnsupported }

func (*socket) send([]byte) error { return errors.ErrUnsupported }

func (*socket) receive(int, func([]byte)) bool { return false }
