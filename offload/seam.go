package offload

import (
	"context"
	"iter"

	"github.com/go-fastpath/fastpath/flowtable"
)

// What a Kernel can do beside what a Manager needs to plan and apply. This machine's can do all of it, and so can offloadtest's.
type (
	// An Eventful Kernel announces changes, which Run waits for. Without it Run looks again at every RunConfig.Resync.
	Eventful interface {
		// Events streams what changes. The first Event is of kind EventLost and says that the subscription stands: what is read after it
		// misses nothing. Events that the machine lost later are another EventLost, and the stream goes on. An error is the last pair;
		// ctx's own when ctx ended.
		Events(ctx context.Context, cfg EventConfig) iter.Seq2[Event, error]
	}
	// A Lockable Kernel keeps two Managers from running for one owner in one network namespace.
	Lockable interface {
		// Lock takes the owner's lock, which ends with release or with the process. Where another holds it, the error matches ErrRunning;
		// with takeover the other is asked to leave, and waited for. Who is asked to leave sees lost closed. This machine's lock is a table with
		// `flags owner`: taking it moves the ruleset's generation, ending it does not. It needs CAP_NET_ADMIN and Linux 5.12.
		Lock(ctx context.Context, owner string, takeover bool) (lost <-chan struct{}, release func() error, err error)
	}
	// A Prober asks drivers whether they take a flowtable with nft's `flags offload`.
	Prober interface {
		// Probe answers for each device in the order given. Drivers are asked only where the feature hw-tc-offload exists and is on, or with
		// force, and never about a device that is in a hardware flowtable, anyone's, which is Busy. Nothing stays of it, but where a driver
		// refuses: Linux 6.1 to 7.2 at least keep an entry of it that crashes the machine when another driver registers later.
		Probe(ctx context.Context, devices []string, force bool) ([]flowtable.Answer, error)
	}
)

// EventConfig narrows what a Kernel announces. The zero EventConfig is links and the ruleset. It is a plain value.
type EventConfig struct {
	Routes bool // also routes and neighbours
}

// An Event says that something changed, and no more: who hears it looks again. It is a plain value.
type Event struct {
	Kind EventKind
	// Device is the link's name, where the event concerns one.
	Device string
	// Generation is that of the ruleset after the change, for EventRuleset; 0 is unknown.
	Generation uint32
	// What says what happened, for logs.
	What string
}

// EventKind is what an Event is about.
type EventKind string

// The kinds of events.
const (
	EventLinks   EventKind = "links"
	EventRoutes  EventKind = "routes"
	EventRuleset EventKind = "ruleset"
	EventLost    EventKind = "lost" // the subscription began, or announcements were lost: anything may have changed
)
