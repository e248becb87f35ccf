package conntrack

import (
	"context"
	"iter"
	"time"
)

// A Source is where a [Watcher] reads: the table of connections and its notifications. A nil Source in a [Config] is the
// kernel of this machine. A Source is safe for concurrent use; streams are driven by the caller's goroutine.
type Source interface {
	// Dump yields the table once. It may leave out what m does not match and need not: the Watcher looks again. With Config.LosesTags
	// Entry.Use tells what may be in a flowtable: without it (0) every connection that could be is Unknown.
	Dump(ctx context.Context, m Match) iter.Seq2[Entry, error]
	// Lookup reads the connection that has k's tuple in k's zone now; its ID may be another. Kernels compare the tuples of both directions, each
	// in the zone that the connection has in that direction. The error matches fs.ErrNotExist where there is none.
	// Entry.Use is without the reference that the answer itself holds.
	Lookup(ctx context.Context, k Key) (Entry, error)
	// Delete removes one connection; the error matches fs.ErrNotExist where it is gone or another has its tuple.
	Delete(ctx context.Context, k Key) error
	// DeleteAll removes all connections that m matches at once. The error matches errors.ErrUnsupported, and nothing was removed, where that
	// cannot be said in one request.
	DeleteAll(ctx context.Context, m Match) error
	// Subscribe starts to collect notifications: none that comes later is missed unless it is reported as lost. It may leave out those that
	// no connection of m can be concerned by, and those of beginnings that do not match m, and need not.
	Subscribe(ctx context.Context, m Match) (Subscription, error)
	// Settings reads what decides how much the kernel tells.
	Settings(ctx context.Context) (Settings, error)
	Close() error
}

// A lender is a Source that can lend its entries in place of copying them.
type lender interface {
	// lend is Dump. An entry belongs to visit until it returns; false ends the dump.
	lend(ctx context.Context, m *Match, visit func(*Entry) bool) error
}

// eachEntry reads the table once. An entry belongs to visit until it returns; false ends the reading.
func eachEntry(ctx context.Context, s Source, m *Match, visit func(*Entry) bool) error {
	if l, ok := s.(lender); ok {
		return l.lend(ctx, m, visit)
	}
	var lent Entry
	for e, err := range s.Dump(ctx, *m) {
		if err != nil {
			return err
		}
		if lent = e; !visit(&lent) {
			return nil
		}
	}
	return nil
}

// A Subscription is a queue of notifications. It serves one goroutine.
type Subscription interface {
	// Notifications yields what is queued, and then what comes until wait is over; with 0 it ends when nothing is queued. An error that
	// matches ErrOverrun says that notifications were lost, and the stream goes on; any other is the last pair, ctx's among them. The queue
	// outlives a call: whatever ended the one before, its ctx or the caller's break too, the next one goes on where that stopped.
	Notifications(ctx context.Context, wait time.Duration) iter.Seq2[Notification, error]
	Close() error
}

// A Notification is one message of the kernel about one connection. Entry holds what the message carried: counters only when
// it is destroyed. It is a plain value.
type Notification struct {
	Kind  NotificationKind
	Entry Entry
}

// A NotificationKind tells what happened to a connection.
type NotificationKind uint8

// The kinds of notification that ctnetlink multicasts.
const (
	NotifyNew NotificationKind = iota + 1
	NotifyUpdate
	NotifyDestroy // may come more than once where some listener of the namespace is reliable; see Config.Reliable
)
