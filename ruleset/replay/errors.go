package replay

import (
	"errors"
	"strconv"
	"syscall"
)

// Sentinels of this package, matched by errors.Is.
var (
	// ErrMalformed says that bytes are no batch, or no image, of this library. Nothing was sent.
	ErrMalformed = errors.New("malformed")
	// ErrChecksum says that an image was changed after it was written. It is matched together with ErrMalformed.
	ErrChecksum = errors.New("the checksum does not match: the image is damaged, copy it again")
	// ErrByteOrder says that a batch or an image is for machines of the other byte order. Nothing was sent.
	ErrByteOrder = errors.New("built for machines of the other byte order: build it again for this one")
	// ErrSendBuffer says that a batch does not fit the socket's send buffer and the process may not enlarge it. Nothing was sent.
	ErrSendBuffer = errors.New("netlink send buffer too small")
	// ErrUnknown says that a batch was sent and its answer could not be read: nobody knows what became of it. Read the ruleset.
	ErrUnknown = errors.New("outcome unknown")
	// ErrForeign says that a table of an image exists and does not bear the image's mark: it belongs to someone else. Nothing was
	// sent.
	ErrForeign = errors.New("the table belongs to someone else")
)

// An Error is the kernel's refusal of a batch: nothing of it was committed. It unwraps to its errno, so that errors.Is
// matches fs.ErrNotExist, fs.ErrExist, fs.ErrPermission and errors.ErrUnsupported. Safe for concurrent use.
type Error struct {
	// Message is the index of the first message that was refused; 0 is BATCH_BEGIN, and so the batch as a whole.
	Message int
	// Object is what that message does, as far as its bytes name it: "add flowtable inet router fast". "" for the whole.
	Object string
	Errno  syscall.Errno
	// Text is the kernel's own explanation, "" where it gave none.
	Text string
	// Offset is where in the message the kernel points to, in bytes from the message's start; 0 is nowhere.
	Offset int
	// Others is how many more messages were refused, as far as the answers could be read.
	Others int
}

// Error names the message, the reason, and the next step where there is one.
func (e *Error) Error() string {
	what := e.Object
	if what == "" {
		what = "the batch"
	}
	s := what + ": " + e.Errno.Error()
	if e.Message > 0 {
		s = "message " + strconv.Itoa(e.Message) + ", " + s
	}
	if e.Text != "" {
		s += " (kernel says: " + e.Text + ")"
	}
	if e.Others > 0 {
		s += ", and " + strconv.Itoa(e.Others) + " more"
	}
	return s + e.next()
}

// next is the next step, where the answer leaves no doubt about it.
func (e *Error) next() string {
	switch {
	case e.Message > 0:
		return ""
	case e.Errno == errnoRestart:
		return "; the batch is pinned to a generation that is over: plan it again"
	case errors.Is(e.Errno, errors.ErrUnsupported):
		return "; this kernel has no nf_tables: load the module nf_tables or enable CONFIG_NF_TABLES"
	case e.Errno == syscall.EPERM:
		return "; run with CAP_NET_ADMIN in this network namespace"
	}
	return ""
}

// Unwrap gives the errno.
func (e *Error) Unwrap() error { return e.Errno }

// errnoRestart is ERESTART, what a kernel answers to a generation that is over. Package syscall has it on Linux alone.
const errnoRestart = syscall.Errno(85)

// A failure says what was being done when an error came.
type failure struct {
	doing string
	err   error
}

func (f *failure) Error() string { return f.doing + ": " + f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// failed puts what was being done before an error.
func failed(doing string, err error) error { return &failure{doing, err} }

// malformed is an error about bytes that are not what they should be.
func malformed(what string) error { return &invalid{what, nil} }

// An invalid is an ErrMalformed with what is wrong, and perhaps a second sentinel.
type invalid struct {
	what  string
	cause error
}

func (e *invalid) Error() string { return "malformed: " + e.what }

func (e *invalid) Is(target error) bool { return target == ErrMalformed }

func (e *invalid) Unwrap() error { return e.cause }
