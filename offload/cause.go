package offload

import (
	"context"
	"errors"
	"io/fs"
)

// A Reason is one word for what an error means to a program that looks after a Run: it stays the same when texts change.
type Reason string

// The reasons.
const (
	ReasonForeignTable    Reason = "foreign-table"    // ErrForeign
	ReasonNoPrivilege     Reason = "no-privilege"     // fs.ErrPermission
	ReasonNoFlowtables    Reason = "no-flowtables"    // ErrNoFlowtables
	ReasonNoDevice        Reason = "no-device"        // ErrNoDevice
	ReasonHardwareRefused Reason = "hardware-refused" // ErrHardwareRefused
	ReasonConflict        Reason = "conflict"         // ErrConflict: others commit in between
	ReasonObstructed      Reason = "obstructed"       // ErrObstructed: Config.Conflicts refuses
	ReasonNotEvicted      Reason = "not-evicted"      // ErrNotEvicted
	ReasonRefused         Reason = "refused"          // an ApplyError that is none of these
	ReasonUnsupported     Reason = "unsupported"      // errors.ErrUnsupported
	ReasonOff             Reason = "off"              // ErrOff
	ReasonFrozen          Reason = "frozen"           // ErrFrozen
	ReasonTakenOver       Reason = "taken-over"       // ErrTakenOver
	ReasonNamespaceGone   Reason = "namespace-gone"   // ErrNamespaceGone
	ReasonStopped         Reason = "stopped"          // the context of Run ended
	ReasonOther           Reason = "other"
)

// reasons are in the order in which they are looked for: what is more special comes first.
func reasons() []struct {
	is  error
	why Reason
} {
	return []struct {
		is  error
		why Reason
	}{
		{ErrNamespaceGone, ReasonNamespaceGone}, {ErrTakenOver, ReasonTakenOver}, {ErrFrozen, ReasonFrozen}, {ErrOff, ReasonOff},
		{ErrForeign, ReasonForeignTable}, {ErrObstructed, ReasonObstructed}, {ErrConflict, ReasonConflict}, {ErrNotEvicted, ReasonNotEvicted},
		{ErrNoFlowtables, ReasonNoFlowtables}, {ErrHardwareRefused, ReasonHardwareRefused}, {ErrNoDevice, ReasonNoDevice},
		{fs.ErrPermission, ReasonNoPrivilege}, {context.Canceled, ReasonStopped}, {context.DeadlineExceeded, ReasonStopped},
	}
}

// ReasonOf is the Reason of an error of this package; "" of nil.
func ReasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	for _, r := range reasons() {
		if errors.Is(err, r.is) {
			return r.why
		}
	}
	var refused *ApplyError
	switch {
	case errors.As(err, &refused):
		return ReasonRefused
	case errors.Is(err, errors.ErrUnsupported):
		return ReasonUnsupported
	}
	return ReasonOther
}
