package nlsock

import "errors"

// Sentinels of this package.
var (
	// ErrGone says that a network namespace was deleted: its name is gone, or another's.
	ErrGone = errors.New("the network namespace was deleted")
	// ErrInterrupted ends a dump during which the kernel's table changed (NLM_F_DUMP_INTR): read again.
	ErrInterrupted = errors.New("dump interrupted by a change")
	// ErrOverrun says that the kernel had to throw messages away because the socket's buffer was full (ENOBUFS).
	ErrOverrun = errors.New("netlink receive buffer overrun: messages were lost")
	// ErrFilter says that the kernel did not take a socket's filter; ENOMEM beside it, that net.core.optmem_max is too small for it.
	ErrFilter = errors.New("netlink socket filter refused")
	// ErrUnanswered says that a batch was sent and its answers could not be read: nobody knows what became of it.
	ErrUnanswered = errors.New("the kernel's answers could not be read")
	// ErrSendBuffer says that a batch does not fit the socket's send buffer and the process may not enlarge it.
	ErrSendBuffer = errors.New("netlink send buffer too small")
)
