package offload

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A Status is where Manager.Run stands. It is a plain value with a JSON form; the lists are not to be changed, because readers share them.
type Status struct {
	Owner string    `json:"owner"`
	Phase Phase     `json:"phase"`
	Since time.Time `json:"since"` // when the phase began
	// Off is the mark of the kill switch while it stands: since when, and whether it came back with a saved ruleset. Run may have found it later than that.
	Off ruleset.Off `json:"off,omitzero"`
	// Generation of the ruleset that was looked at last.
	Generation uint32 `json:"generation"`
	// Devices of the declared flowtables, in the order of the Spec.
	Devices []DeviceStatus `json:"devices,omitempty"`
	// Flowtables as the kernel holds them, in the order of the Spec.
	Flowtables []FlowtableStatus `json:"flowtables,omitempty"`
	// LiveSets are the live sets that AddElements put something into, and those that others deleted or took something from.
	LiveSets []LiveSetStatus `json:"liveSets,omitempty"`
	// Drift is what others changed within our tables: the operations that undo it, or undid it last, one nft command each.
	Drift []string `json:"drift,omitempty"`
	// DriftBy are who changed the ruleset when that was found ("dnsmasq (process 812)"), as the kernel tells, which says of no one which tables he changed; a process
	// may be one of its threads.
	DriftBy []string `json:"driftBy,omitempty"`
	// DriftOpen is what of it is not undone yet.
	DriftOpen []string `json:"driftOpen,omitempty"`
	// DriftCount is how often this Run found such changes, and DriftAt when it did last.
	DriftCount uint64    `json:"driftCount,omitempty"`
	DriftAt    time.Time `json:"driftAt,omitzero"`
	// Pending are the operations that are still to be done, one nft command each.
	Pending []string `json:"pending,omitempty"`
	// Warnings are those of the plan, and that others write into sets that are not live.
	Warnings []string `json:"warnings,omitempty"`
	// Stale are flows in the fast path that may not arrive any more, with RunConfig.Stale "report"; with "evict" those that stay.
	Stale []StaleFlow `json:"stale,omitempty"`
	// Err is what went wrong last, "" once it is mended.
	Err string `json:"err,omitempty"`
	// Cause is that as an error, for errors.Is and errors.As; nil where Err is "". Reason is one word for it, also in JSON.
	Cause  error  `json:"-"`
	Reason Reason `json:"reason,omitempty"`
	// Retry is when it is tried again.
	Retry time.Time `json:"retry,omitzero"`
	// Changes counts the commits of this Run.
	Changes uint64 `json:"changes"`
}

// A Phase is what Manager.Run is at.
type Phase string

// The phases.
const (
	PhaseStarting  Phase = "starting"  // nothing was read yet
	PhaseSteady    Phase = "steady"    // the kernel holds what is declared
	PhaseWorking   Phase = "working"   // a change is being applied
	PhaseObserving Phase = "observing" // Observe: Pending says what would be done
	PhaseDrifted   Phase = "drifted"   // ReportOnly: Drift says what others changed
	PhaseRetrying  Phase = "retrying"  // Err says what went wrong, Retry when it is tried again
	PhaseFrozen    Phase = "frozen"    // others undo what we undo, MaxChanges times a minute; Retry says when it goes on
	PhaseOff       Phase = "off"       // Manager.Off: everything but the flowtables is kept
	PhaseStopped   Phase = "stopped"   // Run returned; what was applied stays in force
)

// A DeviceStatus is the answer for one device of one flowtable, and since when it holds. It is a plain value.
type DeviceStatus struct {
	flowtable.Binding
	Since time.Time `json:"since"`
	// Cause is why the kernel, a driver or the kill switch keeps the device out, as an error, and Reason one word for it. They are empty where
	// State tells all.
	Cause  error  `json:"-"`
	Reason Reason `json:"reason,omitempty"`
	// Hook says whether the kernel was seen to call the flowtable at the device, and HookWhy how
	// that is known, and what to do where it does not. Manager.WithHooks fills them in.
	Hook    HookState `json:"hook,omitempty"`
	HookWhy string    `json:"hookWhy,omitempty"`
}

// Desired is the State of a device that is to be listed and is not, because the change is still to be made.
const Desired flowtable.State = "desired"

// A FlowtableStatus is one declared flowtable. It is a plain value.
type FlowtableStatus struct {
	Family ruleset.Family `json:"family"`
	Table  string         `json:"table"`
	Name   string         `json:"name"`
	Handle uint64         `json:"handle,omitempty"` // 0 is not in the kernel
	// Hardware is "", "asked" where drivers accepted, or "granted" after a flow of its owner was seen as [HW_OFFLOAD].
	Hardware string `json:"hardware,omitempty"`
	// Failed says why the flowtable is without its devices, or left out; "" where it is as declared. The rest of the ruleset is in force.
	Failed string `json:"failed,omitempty"`
	// Cause is that as an error, for errors.Is and errors.As, and Reason one word for it.
	Cause  error  `json:"-"`
	Reason Reason `json:"reason,omitempty"`
}

// Statuses yields where Run stands now, and then whenever that changes, until ctx ends or the loop is left. A slow reader skips
// what is between, and delays nobody. Before the first Run it waits.
func (m *Manager) Statuses(ctx context.Context) iter.Seq[*Status] {
	return func(yield func(*Status) bool) {
		var last *Status
		for ctx.Err() == nil {
			now, changed := m.statuses.get()
			if now != last && now != nil {
				last = now
				if !yield(now) {
					return
				}
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// A board shows the newest Status to whoever looks.
type board struct {
	mu      sync.Mutex
	now     *Status
	changed chan struct{} // closed when now changes; nil while nobody waits
}

func (b *board) get() (*Status, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.now, b.changed
}

func (b *board) put(s *Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = s
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}
