package ruleset

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// A Refusal is a kernel's negative answer to one message of a Batch. Safe for concurrent use. It matches fs.ErrNotExist,
// fs.ErrExist and fs.ErrPermission where the errno means that.
type Refusal struct {
	Message int    // index into the Batch; 0 is the batch itself
	Errno   int    // Linux error number, whatever the system that reads it
	Text    string // the kernel's own words (extended ack), "" where it gave none
	Offset  uint32 // bytes from the message's header to the attribute at fault (Batch.Attribute names it); 0 is unknown
}

// Error is the errno's name and the kernel's words. offload adds the operation and the next step.
func (r Refusal) Error() string {
	s := fmt.Sprintf("message %d: %s", r.Message, errnoName(r.Errno))
	if r.Text != "" {
		s += " (kernel says: " + r.Text + ")"
	}
	return s
}

// Is matches the sentinels of io/fs.
func (r Refusal) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return r.Errno == 2
	case fs.ErrExist:
		return r.Errno == 17
	case fs.ErrPermission:
		return r.Errno == 1 || r.Errno == 13
	}
	return false
}

// A CommitError says that a Batch was not committed, or, with Unknown, that nobody knows. Safe for concurrent use.
type CommitError struct {
	Refusals []Refusal // in the order of the messages; empty if the kernel gave no reason
	// Unknown is set when answers were lost: the batch may or may not be in force. Read the state back to decide.
	Unknown bool
}

// Error is all refusals.
func (e *CommitError) Error() string {
	head := "the kernel refused the batch"
	if e.Unknown {
		head = "it is unknown whether the kernel took the batch: answers were lost"
	}
	if len(e.Refusals) == 0 {
		return head
	}
	words := make([]string, len(e.Refusals))
	for i, r := range e.Refusals {
		words[i] = r.Error()
	}
	return head + ": " + strings.Join(words, "; ")
}

// Unwrap gives the refusals.
func (e *CommitError) Unwrap() []error {
	errs := make([]error, len(e.Refusals))
	for i, r := range e.Refusals {
		errs[i] = r
	}
	return errs
}

// errnoName names the Linux errors that nf_tables answers (include/uapi/asm-generic/errno*.h); syscall's own names are those
// of the system that this program was built for.
func errnoName(n int) string {
	switch n {
	case 1:
		return "EPERM, operation not permitted"
	case 2:
		return "ENOENT, no such object"
	case 4:
		return "EINTR, interrupted"
	case 7:
		return "E2BIG, argument too long"
	case 12:
		return "ENOMEM, out of memory"
	case 13:
		return "EACCES, permission denied"
	case 16:
		return "EBUSY, object is in use"
	case 17:
		return "EEXIST, object exists already"
	case 19:
		return "ENODEV, no such device"
	case 22:
		return "EINVAL, invalid argument"
	case 23:
		return "ENFILE, table overflow"
	case 24:
		return "EMFILE, too many references"
	case 27:
		return "EFBIG, too many in one message or too large a rule"
	case 28:
		return "ENOSPC, no space left"
	case 34:
		return "ERANGE, out of range"
	case 36:
		return "ENAMETOOLONG, name too long"
	case 40:
		return "ELOOP, chains form a loop"
	case 75:
		return "EOVERFLOW, value too large"
	case 85:
		return "ERESTART, the ruleset changed meanwhile"
	case 95:
		return "EOPNOTSUPP, operation not supported"
	case 105:
		return "ENOBUFS, no buffer space"
	}
	return "errno " + strconv.Itoa(n)
}
