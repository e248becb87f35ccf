package nlsock

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
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
