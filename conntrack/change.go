package conntrack

import (
	"fmt"
	"time"
)

// A Change is one step in the life of a connection, or the news that some were missed. It is a plain value.
//
// The sum of a connection's Deltas, from New on, is what its counters showed last.
type Change struct {
	Kind  Kind
	From  Path  // PathChanged: the path before; Entry has the one after
	Lost  bool  // something was missed: always in Overrun and Full; in Destroyed, that the kernel's last message did not come
	Entry Entry // as last seen; zero of an Overrun, Synced, Full and Read
	Delta Delta // what was counted since the connection's last change; in New all that it had counted before, where known
}

// At is when the change happened, in nanoseconds of the kernel's clock, which an administrator can set. It is the zero time where the kernel does not
// tell: without net.netfilter.nf_conntrack_timestamp=1 when the connection began, for what a reading showed, and, but for ends, before Linux 6.14. A
// step between the paths that a notification shows was made then or before: the kernel announces other things, and what it announced first.
func (c *Change) At() time.Time {
	if c.Kind == Destroyed && !c.Entry.Stop.IsZero() {
		return c.Entry.Stop // the kernel may tell of an end late, and again
	}
	return c.Entry.Event
}

// A Kind tells what a Change reports.
type Kind uint8

// The kinds of change.
const (
	// New is a connection that matches, seen for the first time: it began, or began to match, or is older than the watcher.
	// Its counters are unknown (OK is false) where a notification told of it.
	New Kind = iota + 1
	// PathChanged is a step between slow, software, hardware and, with Config.LosesTags, unknown. What was counted since the last
	// report is in Delta, on whichever path. A step from slow to unknown is told when two readings in a row show it.
	PathChanged
	// Counted is a connection whose counters moved.
	Counted
	// Destroyed is the end of a connection, with its final counters; see Change.Lost.
	Destroyed
	// Overrun says that the kernel dropped notifications because this reader was too slow. It is followed by the changes
	// that a new reading of the table shows. What began and ended meanwhile was missed.
	Overrun
	// Synced says that the changes so far tell the whole table: behind the first reading, and behind the one that follows an Overrun or
	// makes up for Full.
	Synced
	// Full says that Config.MaxFlows connections are followed: others that match are left out, and nothing is told of them, until some ended and
	// a reading takes them up as New.
	Full
	// Read says that the reading which Watcher.ReadNow asked for is done, and that all it shows was told.
	Read
)

// ofOne tells whether a change of this kind is about one connection.
func (k Kind) ofOne() bool { return k == New || k == PathChanged || k == Counted || k == Destroyed }

var kindNames = [...]string{New: "new", PathChanged: "path changed", Counted: "counted", Destroyed: "destroyed", Overrun: "overrun", Synced: "synced", Full: "full", Read: "read"}

// String is the kind in lower case words.
func (k Kind) String() string {
	if k > 0 && int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// MarshalText is String.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// String is one line: the kind, the paths, and the entry as conntrack(8) prints it.
func (c Change) String() string {
	switch c.Kind {
	case Overrun:
		return "overrun: notifications were lost"
	case Synced:
		return "synced: the table has been told"
	case Full:
		return "full: more connections match than are followed"
	case Read:
		return "read: the reading that was asked for has been told"
	case PathChanged:
		return fmt.Sprintf("%v -> %v: %v", c.From, c.Entry.Path(), c.Entry)
	}
	return fmt.Sprintf("%v: %v", c.Kind, c.Entry)
}
