package offload

import (
	"errors"
	"io/fs"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/kernel"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/ruleset"
)

// The reasons for a refusal, to be matched by errors.Is. Several share one errno: a Manager finds out which it is after the
// failure. Errors of the kernel also match their syscall.Errno, and with it the sentinels of the standard library that the
// errno means; errors without privilege match fs.ErrPermission.
var (
	// ErrNoFlowtables says that the kernel has no flowtables (CONFIG_NF_FLOW_TABLE, CONFIG_NF_FLOW_TABLE_INET,
	// CONFIG_NFT_FLOW_OFFLOAD). It also matches errors.ErrUnsupported.
	ErrNoFlowtables error = &reason{"this kernel has no flowtables", errors.ErrUnsupported}
	// ErrNoDevice says that a device of a flowtable does not exist, on a kernel before 6.16, which refuses the whole
	// flowtable then. It also matches fs.ErrNotExist.
	ErrNoDevice error = &reason{"the device does not exist", fs.ErrNotExist}
	// ErrHardwareRefused says that the driver of a device does not take a flowtable with nft's `flags offload`. It also
	// matches errors.ErrUnsupported.
	ErrHardwareRefused error = &reason{"the driver refuses hardware offload", errors.ErrUnsupported}
	// ErrNoTable says that the table which a batch adds to is gone. It also matches fs.ErrNotExist.
	ErrNoTable error = &reason{"the table does not exist", fs.ErrNotExist}
	// ErrConflict says that the ruleset changed since the plan was made, and that the plan would now be another one. Nothing
	// was changed, unless the message says that the kernel's answer was lost: then nobody can tell. Plan again.
	ErrConflict = errors.New("the ruleset changed since it was planned")
	// ErrNotEvicted says that flows which have to leave the fast path may still be in it: those that a plan forbids or excludes, which is in force
	// and which they do not meet there, or stale ones. Where it is known which, the text names the first. The next Apply tries again; or delete
	// them with `conntrack -D`.
	ErrNotEvicted = errors.New("flows that have to leave the fast path may still be in it")
	// ErrRunning says that a Run of this owner is under way already: by this Manager, or by another process in this network
	// namespace, which RunConfig.Takeover asks to leave.
	ErrRunning = kernel.ErrRunning
	// ErrTakenOver says that another Run of this owner took over (RunConfig.Takeover). What was applied stays in force.
	ErrTakenOver = errors.New("another run took over")
	// ErrFrozen says that a Run waits because others undo what it repairs, again and again (RunConfig.MaxChanges).
	ErrFrozen = errors.New("frozen")
	// ErrOff says that the fast path is switched off (Manager.Off).
	ErrOff = errors.New("the fast path is switched off")
	// ErrNamespaceGone says that the network namespace was deleted: the name that it was opened by (Config.NetNS) is gone, or another
	// namespace's. The Manager let it go, so that the kernel can end it when nobody else is in it; close the Manager.
	ErrNamespaceGone = conntrack.ErrNamespaceGone
	// ErrNotRunning says that no Run is under way that could take a new Spec.
	ErrNotRunning = errors.New("no Run is under way")
	// ErrForeign says that a declared table exists and belongs to someone else.
	ErrForeign = ruleset.ErrForeign
	// ErrSendBuffer says that a batch does not fit into a netlink socket's send buffer and that this process may not make it
	// larger. Nothing was changed.
	ErrSendBuffer = nlsock.ErrSendBuffer
)

// A reason is a sentinel that also matches one of the standard library.
type reason struct {
	text string
	also error
}

func (r *reason) Error() string { return r.text }

func (r *reason) Is(target error) bool { return target == r.also }
