package nlsock

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Sentinels of this package.
var (
	// ErrInterrupted ends a dump during which the kernel's table changed (NLM_F_DUMP_INTR): read again.
	ErrInterrupted = errors.New("dump interrupted by a change")
	// ErrOverrun says that the kernel had to throw messages away because the socket's buffer was full (ENOBUFS).
	ErrOverrun = errors.New("netlink receive buffer overrun: messages were lost")
	// ErrSendBuffer says that a batch does not fit the socket's send buffer and the process may not enlarge it.
	ErrSendBuffer = errors.New("netlink send buffer too small")
)

// A RequestError is the kernel's negative answer to one request. It unwraps to its errno.
type RequestError struct{ nlmsg.Ack }

// Error is the errno's text with the kernel's own, if there is one.
func (e *RequestError) Error() string {
	if e.Text == "" {
		return unix.Errno(e.Errno).Error()
	}
	return fmt.Sprintf("%v (kernel says: %s)", unix.Errno(e.Errno), e.Text)
}

// Unwrap gives the errno.
func (e *RequestError) Unwrap() error { return unix.Errno(e.Errno) }
