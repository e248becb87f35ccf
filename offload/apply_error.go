package offload

import (
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/go-fastpath/fastpath/ruleset"
)

// An ApplyError names the operation that the kernel refused, why, and the next step. Nothing of the plan is in force. It
// unwraps to its Reason and its Errno. Safe for concurrent reading.
type ApplyError struct {
	// Operation is the first one that was refused; its Kind is "" where the kernel refused the batch as a whole.
	Operation ruleset.Operation
	// Errno as the kernel answered it; a Linux number.
	Errno syscall.Errno
	// Attr is the attribute that the kernel points at, with its value; "" where it points nowhere.
	Attr string
	// KernelText is the kernel's own explanation; "" where it gives none, which is the rule in nf_tables.
	KernelText string
	// Reason is a sentinel of this package or of the standard library, or nil where probing did not explain the refusal.
	Reason error
	// Detail names what the reason is about: the devices that are missing, the table; "" where Operation says it all.
	Detail string
	// Next is what to do, in one sentence.
	Next string
	// More is the number of further messages of the batch that were refused, often in consequence of the first.
	More int
}

// Error names the object, the errno, the reason and the next step.
func (e *ApplyError) Error() string {
	var b strings.Builder
	b.WriteString(e.object())
	b.WriteString(": ")
	switch {
	case e.Reason == nil, e.Reason == fs.ErrPermission && e.Detail == "": // the errno's words say the same
		b.WriteString(errnoText(e.Errno))
	case e.Detail != "":
		fmt.Fprintf(&b, "%v: %s (%s)", e.Reason, e.Detail, errnoText(e.Errno))
	default:
		fmt.Fprintf(&b, "%v (%s)", e.Reason, errnoText(e.Errno))
	}
	if e.KernelText != "" {
		fmt.Fprintf(&b, "; the kernel says: %s", e.KernelText)
	}
	if e.Attr != "" {
		fmt.Fprintf(&b, "; it points at %s", e.Attr)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "; %d more refused", e.More)
	}
	b.WriteString("; nothing was changed")
	if e.Next != "" {
		b.WriteString(". Next: " + e.Next)
	}
	return b.String()
}

func (e *ApplyError) object() string {
	if e.Operation.Kind == "" {
		return "the batch"
	}
	return fmt.Sprintf("`%s`", e.Operation)
}

// Unwrap gives the reason and the errno.
func (e *ApplyError) Unwrap() []error {
	if e.Reason == nil {
		return []error{e.Errno}
	}
	return []error{e.Reason, e.Errno}
}

// errnoText is the errno's words, as ruleset spells them on any system.
func errnoText(e syscall.Errno) string {
	_, text, _ := strings.Cut(ruleset.Refusal{Errno: int(e)}.Error(), ": ")
	return text
}
